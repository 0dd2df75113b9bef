"""One log on disk: lines are collected and appended in batches, to the file that its naming chooses.

Nothing here raises to the caller. A folder that cannot be written or a full disk is reported once; lines are kept up to
a limit and tried again every second; when it works again, that is reported too, with the number of lines lost.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from host.logs.handed_folders import HandedFolders
from host.logs.rollover import QUARTER_HOUR_SECONDS, Naming

KEPT_BYTES: Final = 1024 * 1024
"""What is kept in memory of a log that cannot be written."""

RETRY_SECONDS: Final = 1.0
CLOSED: Final = -1
"""In a descriptor's place: no file is open."""


class RollingFile:
    """Appends lines to a folder's current file. `report` takes one sentence for the operator; `handed`: folders that
    are reached by a descriptor."""

    _access = os.O_WRONLY

    __slots__ = (
        "_backlog",
        "_descriptor",
        "_failed_at",
        "_folder",
        "_handed",
        "_header",
        "_inode",
        "_is_failing",
        "_looked_at",
        "_lost",
        "_name",
        "_naming",
        "_quarter",
        "_report",
        "_size",
        "lines",
    )

    def __init__(
        self,
        folder: str,
        naming: Naming,
        header: Callable[[float], str],
        report: Callable[[str], None],
        handed: HandedFolders | None = None,
    ) -> None:
        self.lines: list[str] = []
        self._folder = Path(folder)
        self._handed = handed or HandedFolders()
        self._naming = naming
        self._header = header
        self._report = report
        self._backlog = b""
        self._descriptor = CLOSED
        self._name = ""
        self._inode = 0
        self._size = 0
        self._quarter = -1
        self._looked_at = 0.0
        self._failed_at = 0.0
        self._is_failing = False
        self._lost = 0

    @property
    def path(self) -> Path:
        """The file of the last line written, or the folder before there was one."""
        return self._folder / self._name

    @property
    def _reached(self) -> str:
        """The file as a system call takes it: relative to the folder's descriptor where there is one."""
        return str(self.path) if self._handed.descriptor(str(self._folder)) is None else self._name

    @property
    def has_lines(self) -> bool:
        """Whether something waits to be written."""
        return bool(self.lines or self._backlog)

    def append(self, line: str, at: float) -> None:
        """Take a line (with its line end) of that time. Written by the next `flush`."""
        quarter = int(at) // QUARTER_HOUR_SECONDS
        if quarter != self._quarter:
            self._turn(quarter)
        self.lines.append(line)

    def extend(self, lines: list[str], times: list[float]) -> None:
        """Take lines, each of the time at its place; not one by one when all are of one quarter of an hour."""
        if {int(at) // QUARTER_HOUR_SECONDS for at in (min(times), max(times))} == {self._quarter}:
            self.lines += lines
            return
        for line, at in zip(lines, times, strict=True):
            self.append(line, at)

    def flush(self, now: float) -> None:
        """Write what has been collected."""
        batch, self.lines = "".join(self.lines), []
        self._backlog += batch.encode("utf-8", "backslashreplace")
        if self._is_failing and 0 <= now - self._failed_at < RETRY_SECONDS:
            self._drop_what_is_too_much()
            return
        try:
            self._write(now)
        except OSError as error:
            self._note_failure(error, now)
            self._drop_what_is_too_much()
        else:
            self._note_success()

    def close(self, now: float) -> None:
        """Write what has been collected and let go of the file."""
        if self.has_lines:
            self._failed_at = -RETRY_SECONDS
            self.flush(now)
        self._let_go()

    def _turn(self, quarter: int) -> None:
        """A dated log may have a new name from here on: the lines before still belong to the old file."""
        before, self._quarter = self._quarter, quarter
        if before < 0 or self._naming.size_limit or self._dated_name(before) == self._dated_name(quarter):
            return
        if self.has_lines:
            self._quarter = before
            self.flush(quarter * QUARTER_HOUR_SECONDS)
            self._quarter = quarter
        self._let_go()

    def _dated_name(self, quarter: int) -> str:
        return self._naming.name(quarter * QUARTER_HOUR_SECONDS, {})

    def _write(self, now: float) -> None:
        self._look_now_and_then(now)
        if self._descriptor == CLOSED:
            self._open(now)
            self._backlog = self._header(now).encode() + self._backlog
        self._append_backlog()
        self._let_go_when_full()

    def _append_backlog(self) -> None:
        while self._backlog:
            written = os.write(self._descriptor, self._backlog)
            self._size += written
            self._backlog = self._backlog[written:]

    def _open(self, now: float) -> None:
        folder = self._handed.descriptor(str(self._folder))
        if folder is None:
            self._folder.mkdir(parents=True, exist_ok=True)
        sizes: dict[str, int] = {}
        if self._naming.size_limit:
            entries = os.scandir(self._folder if folder is None else folder)
            sizes = {entry.name: entry.stat().st_size for entry in entries}
        self._name = self._naming.name(self._quarter * QUARTER_HOUR_SECONDS, sizes)
        flags = self._access | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._reached, flags, 0o640, dir_fd=folder)
        state = os.fstat(self._descriptor)
        self._inode, self._size, self._looked_at = state.st_ino, state.st_size, now
        if state.st_size == 0 and state.st_uid == os.geteuid() == 0 and state.st_nlink == 1:
            self._give_to_owner_of(self._folder if folder is None else folder)

    def _give_to_owner_of(self, folder: Path | int) -> None:
        """As root, in a folder of the listener's user: after a switch of the process model it is the listener that goes
        on with the file, and it may not open one of root's. A file that has another name elsewhere is no new log: whose
        the folder is could have put it there."""
        owner = os.stat(folder).st_uid
        if owner != 0:
            with contextlib.suppress(OSError):  # a file system without owners
                os.fchown(self._descriptor, owner, -1)

    @property
    def _is_full(self) -> bool:
        return 0 < self._naming.size_limit <= self._size

    def _let_go_when_full(self) -> None:
        if self._is_full:
            self._let_go()

    def _look_now_and_then(self, now: float) -> None:
        if self._descriptor != CLOSED and now - self._looked_at >= RETRY_SECONDS:
            self._look_whether_moved(now)

    def _look_whether_moved(self, now: float) -> None:
        """A file that was renamed or deleted (logrotate) is left alone; a new one takes its name. One that was emptied
        (copytruncate) goes on: lines are appended to what there is."""
        self._looked_at = now
        try:
            state = os.stat(self._reached, dir_fd=self._handed.descriptor(str(self._folder)))
        except FileNotFoundError:
            self._let_go()
            return
        self._size = state.st_size
        if state.st_ino != self._inode:
            self._let_go()

    def _let_go(self) -> None:
        if self._descriptor != CLOSED:
            os.close(self._descriptor)
            self._descriptor = CLOSED

    def _note_failure(self, error: OSError, now: float) -> None:
        self._failed_at = now
        if not self._is_failing:
            self._is_failing = True
            self._report(
                f"cannot write the log {self.path}: {error.strerror or error}; lines are kept in memory "
                f"(up to {KEPT_BYTES // 1024} KB) and written when it works again"
            )

    def _note_success(self) -> None:
        if self._is_failing:
            self._is_failing = False
            self._report(f"the log {self.path} is written again; {self._lost} lines were lost")
            self._lost = 0

    def _drop_what_is_too_much(self) -> None:
        if len(self._backlog) > KEPT_BYTES:
            end = self._backlog.rfind(b"\n", 0, KEPT_BYTES) + 1
            self._lost += self._backlog.count(b"\n", end)
            self._backlog = self._backlog[:end]
