"""Whose turn it is to send of a file, or of a pipe: one turn of the loop sends the less, the more clients there are.

Whoever is alone sends as fast as its client reads. A crowd that asks for a large file and takes it slowly waits in a
line, and a turn of the loop serves its front: otherwise one turn would copy megabytes for each of them. A turn
accepts a few connections only, so a long one costs a burst of new clients its length many times.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

TURN_BYTES: Final = 2 * 1024 * 1024
PORTION_BYTES: Final = 256 * 1024
"""What a turn sends at least, and what one of many is given: less, and system calls would cost more than copying."""

Turn = Callable[[int], None]
"""Called with the bytes that may be sent now."""


class FileTurns:
    """What the senders of one loop share. Somebody who sends says so (`spend`), whichever way the turn came."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: Final = loop
        self._waiting: deque[Turn] = deque()
        self._left = TURN_BYTES  # of this turn of the loop
        self._is_due = False
        self._buffer: memoryview | None = None

    @property
    def buffer(self) -> memoryview:
        """Room for a portion that is read and written in the same turn."""
        if self._buffer is None:
            self._buffer = memoryview(bytearray(PORTION_BYTES))
        return self._buffer

    def allowance(self) -> int:
        """What somebody may send now who has not waited; 0: it must `wait`."""
        return self._left if self._left >= PORTION_BYTES and not self._waiting else 0

    def spend(self, count: int) -> None:
        """So many bytes were sent in this turn of the loop."""
        self._left -= count
        self._begin_later()

    def wait(self, turn: Turn) -> None:
        """Call `turn` once, in a later turn of the loop, behind those that wait already."""
        self._waiting.append(turn)
        self._begin_later()

    def _begin_later(self) -> None:
        if not self._is_due:
            self._is_due = True
            self.loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Another turn of the loop: serve the front of the line. Who has more to send has joined its end by then."""
        waiting = self._waiting
        count = len(waiting)
        self._is_due = False
        self._left = max(PORTION_BYTES, TURN_BYTES // max(1, count))
        portion = max(PORTION_BYTES, self._left // max(1, count))
        try:
            while count and self._left > 0:
                count -= 1
                waiting.popleft()(portion)
        finally:
            if waiting:
                self._begin_later()
