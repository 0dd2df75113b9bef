"""The event log read again: a line back to the event it was, the last events of all files, and what is appended.

The form of a line is `event_log.py`'s.
"""

from __future__ import annotations

import calendar
import json
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Final

from host.logs.event_log import KEPT_FILES, LAST_FIELD, LoggedEvent, numbered

_LINE: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (information|warning|error) (\d+) (\S+)(?: (.*))?")


def parse_line(line: str) -> LoggedEvent | None:
    """The event that this line (without its end) says, or None when it is no line of an event log."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    moment, level, number, name, rest = found.groups()
    fields: dict[str, str] = {}
    text = rest or ""
    while (field := LAST_FIELD.search(text)) and field[1] not in fields:  # the text of an older isapy may end so, too
        fields[field[1]] = _unquoted(field[2])
        text = text[: field.start()]
    at = float(calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")))
    return LoggedEvent(at, name, int(number), level, _unquoted(text), dict(reversed(fields.items())))


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    try:
        text = json.loads(value)
    except ValueError:  # a text that merely begins and ends with a quote
        return value
    return text if isinstance(text, str) else value


class EventFiles:
    """The event log at `path` with its older files (`events.1.log` is the youngest of them).

    Raises OSError for a file that may not be read; one that does not exist is empty. Close it, or use it as a context.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._file: BinaryIO | None = None
        self._begun = b""  # of a line whose end is still to come

    def __enter__(self) -> EventFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._file, self._begun = None, b""

    def last(self, count: int, matches: Callable[[LoggedEvent], bool]) -> list[LoggedEvent]:
        """The last events that match, oldest first; `appended` goes on behind them."""
        kept = deque(filter(matches, self._read_on()), maxlen=count)
        for number in range(1, KEPT_FILES + 1):
            missing = count - len(kept)
            if not missing:
                break
            older = list(filter(matches, self._older(number)))
            kept.extendleft(reversed(older[max(0, len(older) - missing) :]))
        return list(kept)

    def appended(self) -> list[LoggedEvent]:
        """The events since the last call, in the order in which they were written, also when a new file was begun."""
        events = self._read_on()
        files_between = self._files_begun() - 1
        if files_between < 0:
            return events
        events += self._read_on()  # what came between the look and the renaming
        self.close()
        for number in range(files_between, 0, -1):
            events += self._older(number)
        return events + self._read_on()

    def _read_on(self) -> list[LoggedEvent]:
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                return []
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # somebody emptied it
            self._file.seek(0)
            self._begun = b""
        *lines, self._begun = (self._begun + self._file.read()).split(b"\n")
        return _events(lines)

    def _files_begun(self) -> int:
        """How many files were begun since ours was opened."""
        if self._file is None:
            return 0
        ours = os.fstat(self._file.fileno())
        try:
            if os.path.samestat(ours, self._path.stat()):
                return 0
        except FileNotFoundError:  # it was renamed, and nothing has been written since
            return 0
        for number in range(1, KEPT_FILES + 1):
            try:
                if os.path.samestat(ours, numbered(self._path, number).stat()):
                    return number
            except FileNotFoundError:
                break
        return KEPT_FILES + 1

    def _older(self, number: int) -> list[LoggedEvent]:
        path = numbered(self._path, number)
        try:
            with path.open("rb") as file:
                if self._file is not None and os.path.sameopenfile(file.fileno(), self._file.fileno()):
                    return []  # renamed since it was read
                return _events(file.read().split(b"\n"))
        except FileNotFoundError:
            return []


def _events(raw_lines: Iterable[bytes]) -> list[LoggedEvent]:
    """What the lines say; a line that is none of ours says nothing."""
    events = (parse_line(line.decode("utf-8", "replace")) for line in raw_lines)
    return [event for event in events if event is not None]
