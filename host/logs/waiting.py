"""Lines that wait for the thread which writes the logs, and how many may. Pure.

A request never waits for its line, so what comes faster than it is written waits in memory. That is the rule on a
busy machine and no fault of its disk: the thread gets the interpreter some milliseconds late, for each of its system
calls. The bound is there for a disk that does not answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from host.logs.appending import Batch

LEAST_BYTES: Final = 1024 * 1024
MOST_BYTES: Final = 64 * 1024 * 1024
"""Some four seconds of 70,000 requests in each."""

_PART_OF_MEMORY: Final = 256


def room_for_lines(memory_bytes: int, listeners: int = 1) -> int:
    """Bytes of lines that may wait in each of so many listeners, on a machine (or in a control group) with so much
    memory."""
    return min(max(memory_bytes // _PART_OF_MEMORY // listeners, LEAST_BYTES), MOST_BYTES)


class WaitingLines:
    """Batches in the order in which they came, up to `room` bytes of lines; those that find none are lost, and counted
    in `lost` until they are taken."""

    __slots__ = ("_batches", "_fresh", "_room", "_size", "lost")

    def __init__(self, room: int) -> None:
        self._room = room
        self._size = 0
        self._batches: list[Batch] = []
        self._fresh: list[Batch] = []  # not measured: what is taken at once never is
        self.lost = 0

    def __bool__(self) -> bool:
        return bool(self._batches or self._fresh)

    def add(self, batches: Iterable[Batch]) -> None:
        """These wait, too."""
        self._fresh += batches

    def bound(self) -> int:
        """Forget the lines of whole batches beyond the room, the newest ones; gives how many. What is to be closed is
        closed nevertheless."""
        fresh, self._fresh = self._fresh, []
        before = self.lost
        for batch in fresh:
            size = sum(map(len, batch.lines))
            if self._size + size <= self._room:
                self._size += size
                self._batches.append(batch)
                continue
            self.lost += len(batch.lines)
            if batch.is_last:
                self._batches.append(batch._replace(lines=[], times=[]))
        return self.lost - before

    def take(self) -> tuple[list[Batch], int]:
        """Everything that waits, and how many lines were lost before."""
        taken, lost = self._batches + self._fresh, self.lost
        self._batches, self._fresh, self._size, self.lost = [], [], 0, 0
        return taken, lost
