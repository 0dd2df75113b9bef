"""The one turn of an application that may be called once at a time (`<pythonApplication multithread="false">`)."""

from __future__ import annotations

import asyncio
from collections import deque


class Turn:
    """Who waits gets it in the order of coming. Used on the event loop."""

    __slots__ = ("_is_taken", "_loop", "_waiters")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_taken = False
        self._waiters: deque[asyncio.Future[None]] = deque()

    def take_now(self) -> bool:
        """Take it if nobody has it; whether that was so."""
        if self._is_taken:
            return False
        self._is_taken = True
        return True

    async def take(self) -> None:
        """Take it as soon as it is this caller's."""
        if self.take_now():
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # it came at the same moment
                self.give_back()
            raise

    def give_back(self) -> None:
        """The next one may have it."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._is_taken = False
