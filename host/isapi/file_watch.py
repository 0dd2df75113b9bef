"""Extensions and filters that a worker has loaded by file: when one of them is saved, the process is replaced.

A library is never exchanged in place: what is loaded stays, and the next process loads the new file. A file that is
still being written is left alone until two looks find it the same.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Final

LOOK_SECONDS: Final = 1.0

Stamp = tuple[int, int, int] | None
"""Inode, modification time and size; None: there is no such file."""


class FileWatch:
    """Of one worker. `report_changed(files)` once for each file; nothing is done while nothing is loaded."""

    def __init__(self, report_changed: Callable[[Sequence[str]], None]) -> None:
        self._report_changed = report_changed
        self._loaded: dict[str, Stamp] = {}
        self._seen: dict[str, Stamp] = {}  # what changed, as it was at the last look
        self._timer: asyncio.TimerHandle | None = None

    def add(self, path: str, stamp: Stamp) -> None:
        """It is loaded; `stamp` is from before that, so what was saved meanwhile counts. On the loop."""
        if path not in self._loaded:
            self._loaded[path] = stamp
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loaded.clear()

    def _look(self) -> None:
        changed = [path for path, stamp in self._loaded.items() if self._has_settled(path, stamp)]
        for path in changed:
            del self._loaded[path]
        if changed:
            self._report_changed(changed)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK_SECONDS, self._look) if self._loaded else None

    def _has_settled(self, path: str, loaded: Stamp) -> bool:
        now = stamp_of(path)
        before = self._seen.pop(path, None)
        if now is None or now == loaded:  # what was taken away is not replaced by anything yet
            return False
        if now == before:
            return True
        self._seen[path] = now
        return False


def stamp_of(path: str) -> Stamp:
    """The file as it is now."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
