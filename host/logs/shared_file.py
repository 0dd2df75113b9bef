"""A log that several listeners write: each batch is appended in one piece, and what opens the file stands there once.

Whoever writes holds the file's lock (flock), and looks at what the others have appended since: lines are always behind
the header that describes them, also while one listener has heard of other fields and another has not. The lock ends
with the process that has it, whatever happens to that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from host.logs.rolling_file import CLOSED, RollingFile

_FIELDS: Final = b"\n#Fields:"  # the last line of a header; it is never the first one
_MOST_LOOKED_AT: Final = 1 << 21
"""Bytes in which a header is looked for. One that stands further back is written again, which readers understand."""


class SharedFile(RollingFile):
    """A RollingFile of which other processes have one, too."""

    _access = os.O_RDWR

    __slots__ = ("_is_headed", "_seen")

    _is_headed: bool
    _seen: int

    def _write(self, now: float) -> None:
        self._look_now_and_then(now)
        with self._locked(now):
            self._head(now)
            self._append_backlog()
            self._seen = self._size
        self._let_go_when_full()

    @contextmanager
    def _locked(self, now: float) -> Iterator[None]:
        """The file is open, this process's for now, and has room: one that others have filled gives way to the next."""
        while True:
            if self._descriptor == CLOSED:
                self._open(now)
                self._seen, self._is_headed = 0, False
            with contextlib.suppress(OSError):  # a file system without locks: what is written in one call stays whole
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self._size = os.fstat(self._descriptor).st_size
            if not self._is_full:
                break
            self._let_go()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _head(self, now: float) -> None:
        """Put our header before the lines that wait, unless the last one in the file says the same."""
        header = self._header(now).encode()
        if not header:
            return
        if self._size < self._seen:  # it was emptied
            self._seen, self._is_headed = 0, False
        if self._size - self._seen > _MOST_LOOKED_AT:
            self._seen, self._is_headed = self._size - _MOST_LOOKED_AT, False
        appended = os.pread(self._descriptor, self._size - self._seen, self._seen) if self._size > self._seen else b""
        at = appended.rfind(_FIELDS)
        if at >= 0:
            own = header[header.rindex(_FIELDS) :]
            self._is_headed = appended.startswith(own, at)
        if not self._is_headed:
            self._backlog = header + self._backlog
            self._is_headed = True

    def _append_backlog(self) -> None:
        """Whole lines or nothing: what others append must not end up inside one of ours that found no room."""
        before, backlog = self._size, self._backlog
        try:
            super()._append_backlog()
        except OSError:
            whole = backlog.rfind(b"\n", 0, self._size - before) + 1
            os.ftruncate(self._descriptor, before + whole)
            self._size, self._backlog = before + whole, backlog[whole:]
            raise
