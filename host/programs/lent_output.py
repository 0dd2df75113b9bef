"""A program's output that the front reads in the worker's stead (host.api.PipeLoan)."""

from __future__ import annotations

from collections.abc import Callable

from host.programs.output_pipe import OutputPipe


class LentOutput:
    """One loan. `came_back(bytes)` is called with what was read, when it is over."""

    __slots__ = ("_came_back", "_pipe", "_taken_bytes", "descriptor", "most_bytes")

    def __init__(self, pipe: OutputPipe, most_bytes: int, came_back: Callable[[int], None]) -> None:
        """Raises OSError when no descriptor is left."""
        self._pipe = pipe
        self._came_back = came_back
        self._taken_bytes = 0
        self.most_bytes = most_bytes
        self.descriptor = pipe.lend()

    def noted(self, taken_bytes: int, *, waits: bool) -> None:
        """The front has read so much by now."""
        self._pipe.note(self._count(taken_bytes), waits=waits)

    def returned(self, taken_bytes: int, *, has_ended: bool) -> None:
        """The front reads no more."""
        self._pipe.note(self._count(taken_bytes), waits=False)
        self._pipe.take_back(has_ended=has_ended)

    async def over(self) -> int:
        """The bytes that the front has read. Raises what the pipe was failed with."""
        await self._pipe.back()
        self._came_back(self._taken_bytes)
        return self._taken_bytes

    def _count(self, taken_bytes: int) -> int:
        more = taken_bytes - self._taken_bytes
        self._taken_bytes = taken_bytes
        return more
