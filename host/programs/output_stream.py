"""Output that a connection pushes, for whoever reads it: the connection is held while much of it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

MOST_WAITING: Final = 262144
"""Bytes that may wait for their reader; then nothing more is taken from the connection."""


class OutputStream:
    """One reader at a time. `hold` is called with true when the connection shall not be read for a while."""

    __slots__ = (
        "_failure",
        "_hold",
        "_is_dropping",
        "_loop",
        "_pieces",
        "_size",
        "_waiter",
        "has_ended",
        "is_held",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, hold: Callable[[bool], None]) -> None:
        self._loop = loop
        self._hold = hold
        self._pieces: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[bool] | None = None
        self._failure: Exception | None = None
        self._is_dropping = False
        self.has_ended = False
        self.is_held = False

    def feed(self, data: bytes) -> None:
        """More output."""
        if self._is_dropping:
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MOST_WAITING and not self.is_held and not self.has_ended:
            self.is_held = True
            self._hold(True)
        self._wake(True)

    def end(self) -> None:
        """No more comes: readers get the end behind what waits. The connection is not this output's any more."""
        self.has_ended = True
        self._let_go()
        self._wake(True)

    def fail(self, failure: Exception) -> None:
        """As `end`, and readers get `failure` behind what waits. The first one counts."""
        self._failure = self._failure or failure
        self._let_go()
        self._wake(True)

    def discard(self) -> None:
        """Drop what waits and what comes."""
        self._is_dropping = True
        self._take()

    async def read(self, patience_seconds: float | None = None) -> bytes | None:
        """What has come since the last call; empty at the end, None when nothing came for `patience_seconds`.

        Raises what was given to `fail`.
        """
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self.has_ended:
                return b""
            if not await self._filled(patience_seconds):
                return None
        return self._take()

    def _let_go(self) -> None:
        if self.is_held:
            self.is_held = False
            self._hold(False)
        self._hold = _nobody

    def _take(self) -> bytes:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if self.is_held:
            self.is_held = False
            self._hold(False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _filled(self, patience_seconds: float | None) -> bool:
        self._waiter = self._loop.create_future()
        timer = None
        if patience_seconds is not None:
            timer = self._loop.call_later(patience_seconds, self._wake, False)
        try:
            return await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self, has_come: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(has_come)


def _nobody(is_held: bool) -> None:
    del is_held
