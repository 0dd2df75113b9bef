"""Files that are saved together count as one change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable


class SettledChanges:
    """Collects names for `seconds` from the first one, then calls `settled(names)` once, in the alphabet's order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, settled: Callable[[list[str]], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._settled = settled
        self._names: set[str] = set()

    def note(self, names: Iterable[str]) -> None:
        """These have changed."""
        if not self._names:
            self._loop.call_later(self._seconds, self._tell)
        self._names.update(names)

    def _tell(self) -> None:
        names, self._names = sorted(self._names), set()
        self._settled(names)
