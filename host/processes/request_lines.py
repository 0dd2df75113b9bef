"""`isapy run FOLDER` on a terminal: a line for each request, and under it what its script wrote to standard error.

The requests are read from the site's log when the front has written them, so no request pays for being shown. What a
script says comes before the log's line: it waits for that line, a second at most, and is then shown with the script's
name.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from watchfiles import awatch

from host.config.listener_confinement import site_log_folder
from host.config.model import Site

_PATIENCE_SECONDS: Final = 1.0
_STEP_MILLISECONDS: Final = 20
_SETTLE_MILLISECONDS: Final = 40
_LOOK_MILLISECONDS: Final = 500
_COLOURS: Final = {"2": 32, "3": 36, "4": 33, "5": 31}  # green, cyan, yellow, red
_GREY: Final = 90
_FIELDS: Final = "#Fields: "
_SAID: Final = re.compile(r"(.+?) \(request [^)]*\)(?:, process \d+)?: (.*)", re.DOTALL)


def has_colours(environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Whether to colour: on a terminal that can, unless NO_COLOR holds anything (no-color.org)."""
    return is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


class RequestLines:
    """Makes the lines; `say` shows one. Times are in seconds of one monotonic clock, as the caller gives them."""

    def __init__(self, say: Callable[[str], None], *, has_colours: bool) -> None:
        self._say = say
        self._has_colours = has_colours
        self._waiting: dict[str, tuple[float, list[str]]] = {}  # since when, and what, by script

    def script_said(self, text: str, now: float) -> None:
        """The text of an event `cgi-stderr` or `fastcgi-stderr`: `/folder/script (request ID): line`."""
        said = _SAID.fullmatch(text)
        script, _, line = (said[1], "", said[2]) if said else text.partition(": ")  # of a process without a request
        self._waiting.setdefault(script, (now, []))[1].append(line)

    def answered(self, fields: Mapping[str, str]) -> None:
        """A line of the site's log, by its columns."""
        stem, query = fields.get("cs-uri-stem", "-"), fields.get("cs-uri-query", "-")
        target = stem if query == "-" else f"{stem}?{query}"
        status, substatus = fields.get("sc-status", "-"), fields.get("sc-substatus", "0")
        told = status if substatus in ("0", "-") else f"{status}.{substatus}"
        shown = self._coloured(told, _COLOURS.get(status[:1], 0))
        self._say(printable(f"{fields.get('cs-method', '-'):4} {target}") + f"  {shown}  {_time(fields)}")
        for script in [script for script in self._waiting if _belongs(script, stem)]:
            self._show(script, "")

    def overdue(self, now: float) -> None:
        """Show what has waited for its request's end long enough: the script still runs."""
        for script in [name for name, (since, _) in self._waiting.items() if now - since >= _PATIENCE_SECONDS]:
            self._show(script, f"{os.path.basename(script)}: ")

    def _show(self, script: str, prefix: str) -> None:
        for line in self._waiting.pop(script)[1]:
            self._say("    " + self._coloured(printable(prefix + line), _GREY))

    def _coloured(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._has_colours and colour else text


def _time(fields: Mapping[str, str]) -> str:
    return f"{fields['time-taken']} ms" if "time-taken" in fields else ""


def printable(text: str) -> str:
    """Without what would command the terminal: a client and a script may write anything."""
    return "".join(each if each.isprintable() or each == "\t" else "\ufffd" for each in text)


def _belongs(script: str, stem: str) -> bool:
    """Whether that URL path may have run that file: it names it, has more behind its name, or is its folder."""
    path = unquote(stem)
    if path.endswith("/") and os.path.dirname(script).endswith(path.rstrip("/")):
        return True
    head, name, _ = f"{path}/".partition(f"/{os.path.basename(script)}/")
    return bool(name) and script.endswith((head + name).rstrip("/"))


class LogTail:
    """The lines that come to a W3C log. What is there at the start is old; `fields` are its columns so far."""

    def __init__(self, path: Path, *, from_start: bool) -> None:
        self._path = path
        self._position = 0
        self._number = -1  # the file's own, as the name may be given to another one
        self._fields: list[str] = []
        if not from_start:
            for _ in self.new_lines():
                pass

    def new_lines(self) -> Iterable[dict[str, str]]:
        """Whole lines since the last call, by column; of a log that was emptied or replaced, all of them. A log
        that cannot be read has none."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._number or status.st_size < self._position:  # another file, or it was emptied
                    self._number, self._position = status.st_ino, 0
                file.seek(self._position)
                raw = file.read()
        except OSError:
            return
        whole = raw[: raw.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            if line.startswith(_FIELDS):
                self._fields = line.removeprefix(_FIELDS).split()
            elif not line.startswith("#"):
                yield dict(zip(self._fields, line.split(" "), strict=False))


class RequestFollower:
    """Shows every request of these sites from its making on: `follow` until it is cancelled, `finish` the rest."""

    def __init__(self, sites: Iterable[Site], lines: RequestLines) -> None:
        self._lines = lines
        self._folders = {site_log_folder(site.log_file, site.id) for site in sites}
        for parent in self._parents:
            os.makedirs(parent, exist_ok=True)
        self._tails = {path: LogTail(path, from_start=False) for path in self._logs()}

    @property
    def _parents(self) -> set[str]:
        return {os.path.dirname(folder) for folder in self._folders}

    def _logs(self) -> list[Path]:
        return sorted(path for folder in self._folders for path in Path(folder).glob("*.log"))

    async def follow(self) -> None:
        """Show them as they come."""
        async for _ in awatch(
            *self._parents,
            step=_STEP_MILLISECONDS,
            debounce=_SETTLE_MILLISECONDS,
            rust_timeout=_LOOK_MILLISECONDS,
            yield_on_timeout=True,
        ):
            self._look()
            self._lines.overdue(time.monotonic())

    def finish(self) -> None:
        """Nothing more comes: show the rest, and what scripts said whose requests have no line."""
        self._look()
        self._lines.overdue(math.inf)

    def _look(self) -> None:
        for path in self._logs():
            tail = self._tails.setdefault(path, LogTail(path, from_start=True))
            for fields in tail.new_lines():
                self._lines.answered(fields)
