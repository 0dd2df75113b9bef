"""The event log: why processes started, ended or were recycled, and what else the operator should know.

One line an event: `2024-05-02T17:42:15Z warning 5009 worker-died text key=value ...`. The words come from `events.py`;
ids and numbers are stable, texts are for people. A value with blanks, quotes or control characters is written in double
quotes with backslash escapes, and so is a text that would not stay on its line, or whose end would be read as a field:
a program's standard error must not say whose event it is.
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from host.logs.events import EVENTS, EventKind
from host.logs.w3c import date_and_time

SIZE_LIMIT: Final = 4 * 1024 * 1024
KEPT_FILES: Final = 5
KEPT_EVENTS: Final = 1000
MOST_CHARACTERS: Final = 128 * 1024
"""Of a text or a field: the stacks of a hundred threads. An exception's message can be whatever a client has sent."""
MOST_REMEMBERED: Final = 8 * 1024
"""Of those of the thousand events that stay in memory."""

_APPENDS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_MODE: Final = 0o640
_NAMES: Final = 256  # names of fields and events, as they are written: there are a few dozen

LAST_FIELD: Final = re.compile(r' ([\w.-]+)=("(?:[^"\\]|\\.)*"|[^\s"=]+)$')
"""The last field of a line."""

_UNKNOWN: Final = EventKind(0, "warning", "an event of an unknown kind")


def numbered(path: Path, number: int) -> Path:
    """An older file of the log at `path`: `events.1.log` is the youngest of them."""
    return path.with_suffix(f".{number}{path.suffix}")


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event as it was written. `at` is in seconds since the epoch."""

    at: float
    id: str
    number: int
    level: str
    text: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The event as one line, without line end."""
        day, clock = date_and_time(int(self.at))
        is_plain = self.text.isprintable() and LAST_FIELD.search(self.text) is None
        text = self.text if is_plain else json.dumps(self.text)
        pairs = "".join(f" {_key(name)}={_value(value)}" for name, value in self.fields.items())
        return f"{day}T{clock}Z {self.level} {self.number} {_key(self.id)} {text}{pairs}"


def _cut(text: str, most: int) -> str:
    """The text; of a longer one its beginning and its end, where a traceback says what and where."""
    if len(text) <= most:
        return text
    kept = most // 2
    return f"{text[:kept]} ... {len(text) - 2 * kept} characters left out ... {text[-kept:]}"


def _ends_in_a_line(path: Path) -> bool:
    """Whether the last line has no end: the service before this one found the disk full, or was killed."""
    try:
        with path.open("rb") as file:
            return file.seek(0, os.SEEK_END) > 0 and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
    except OSError:
        return False


class EventLog:
    """Writes events to `path`, to `echo` (the console, a line each) and keeps the last thousand in `recent`.

    At 4 MB the file becomes `events.1.log` (and so on, five are kept) and a new one is begun. Nothing raises: a file
    that cannot be written is said once to `echo`, and tried again with the next event; when it works again, an event of
    its own says how many are missing. `common` are fields of every line of the file, which several services may share;
    who sees `echo` knows them.
    """

    def __init__(
        self,
        path: str | Path,
        clock: Callable[[], float] = time.time,
        echo: Callable[[str], None] | None = None,
        *,
        size_limit: int = SIZE_LIMIT,
        common: Mapping[str, str] | None = None,
    ) -> None:
        self.recent: deque[LoggedEvent] = deque(maxlen=KEPT_EVENTS)
        self._path = Path(path)
        self._clock = clock
        self._echo = echo
        self._size_limit = size_limit
        self._common = dict(common or {})
        self._missing = 0  # events that could not be written since the last one that was
        self._is_torn: bool | None = None  # the file ends in the middle of a line; None: nobody has looked yet

    def write(self, id: str, text: str, fields: Mapping[str, str] | None = None) -> LoggedEvent:
        """Note an event. `id` is one of EVENTS (another one, from a child gone wrong, is noted with number 0)."""
        kind = EVENTS.get(id, _UNKNOWN)
        values = {name: _cut(value, MOST_CHARACTERS) for name, value in (fields or {}).items()}
        event = LoggedEvent(self._clock(), id, kind.number, kind.level, _cut(text, MOST_CHARACTERS), values)
        if self._missing:
            self._note_return()
        self._note(event)
        return event

    def _note(self, event: LoggedEvent) -> None:
        values = {name: _cut(value, MOST_REMEMBERED) for name, value in event.fields.items()}
        self.recent.append(replace(event, text=_cut(event.text, MOST_REMEMBERED), fields=values))
        try:
            self._append(self._line(event))
        except OSError as error:
            self._missing += 1
            if self._missing == 1:
                why = error.strerror or str(error)
                self._remark(f"cannot write the event log {self._path}: {why}; it is tried with every event")
        if self._echo is not None:
            self._echo(event.line)

    def _line(self, event: LoggedEvent) -> str:
        return replace(event, fields=self._common | event.fields).line if self._common else event.line

    def _append(self, line: str) -> None:
        try:
            descriptor = os.open(self._path, _APPENDS, _MODE)
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, _APPENDS, _MODE)
        if self._is_torn is None:
            self._is_torn = _ends_in_a_line(self._path)
        try:
            raw = f"{chr(10) if self._is_torn else ''}{line}\n".encode("utf-8", "backslashreplace")
            written = os.write(descriptor, raw)
            self._is_torn = written < len(raw)
            if self._is_torn:  # a disk that has become full takes the beginning, and says so the next time only
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if status.st_size >= self._size_limit and self._is_current(status):
            self._rotate()

    def _is_current(self, status: os.stat_result) -> bool:
        """Whether no other service has rotated that file by now."""
        try:
            return os.path.samestat(status, os.stat(self._path))
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        for number in range(KEPT_FILES - 1, 0, -1):
            older = numbered(self._path, number)
            if older.exists():
                older.replace(numbered(self._path, number + 1))
        self._path.replace(numbered(self._path, 1))

    def _note_return(self) -> None:
        """Say that events are missing, as soon as that can be written."""
        event = self._of_the_log(f"the event log {self._path} is written again; events missing in it: {self._missing}")
        try:
            self._append(self._line(event))
        except OSError:
            return
        self._missing = 0
        self._show(event)

    def _remark(self, text: str) -> None:
        self._show(self._of_the_log(text))

    def _of_the_log(self, text: str) -> LoggedEvent:
        kind = EVENTS["log-failed"]
        return LoggedEvent(self._clock(), "log-failed", kind.number, kind.level, text)

    def _show(self, event: LoggedEvent) -> None:
        self.recent.append(event)
        if self._echo is not None:
            self._echo(event.line)


@lru_cache(_NAMES)
def _key(name: str) -> str:
    return "".join(character if character.isalnum() or character in "-_." else "_" for character in name)


def _value(value: str) -> str:
    is_plain = value.isprintable() and not any(character in value for character in ' "=')
    return value if value and is_plain else json.dumps(value)
