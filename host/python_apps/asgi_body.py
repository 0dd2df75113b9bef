"""A response's body that an ASGI application sends while the loop passes it on; both run on the loop."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Final

from host.api import FileBody

ROOM_BYTES: Final = 65536
"""What may wait for the client; `put` waits above that."""


class ClientLeft(OSError):
    """The client has left; nothing more can be sent to it (ASGI HTTP 2.4: `send` raises an OSError)."""


class AsgiBody:
    """`put` and `finish` are the application's side, iteration and `aclose` the response's.

    With the `promised` bytes (-1: none were) the response is over, whatever the application still says. A body
    `is_discarded` after HEAD. `on_early_end()`: the response has ended before the application was done. `culprit` is
    the application's name.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        promised: int,
        is_discarded: bool,
        on_early_end: Callable[[], None],
        culprit: str,
    ) -> None:
        self.culprit = culprit
        self._loop = loop
        self.promised = promised
        self._taken = 0
        self._given = 0
        self._is_discarded = is_discarded
        self._on_early_end = on_early_end
        self._pieces: deque[bytes | FileBody] = deque()
        self._size = 0
        self._failure: BaseException | None = None
        self.is_complete = False
        self.is_abandoned = False
        self._taker: asyncio.Future[None] | None = None
        self._givers: list[asyncio.Future[None]] = []

    def is_beyond(self, piece: bytes | FileBody) -> bool:
        """Whether this piece, which is about to be put, goes on behind the promised bytes."""
        self._given += len(piece) if isinstance(piece, bytes) else piece.length
        return 0 <= self.promised < self._given and not self._is_discarded

    async def put(self, piece: bytes | FileBody) -> None:
        """Hand a piece over; returns when there is room for more. Raises ClientLeft."""
        if self._is_discarded:
            _close(piece)
            return
        if self.is_abandoned:
            _close(piece)
            raise ClientLeft("the client closed its connection")
        self._pieces.append(piece)
        self._size += len(piece) if isinstance(piece, bytes) else ROOM_BYTES
        _wake(self._taker)
        while self._size >= ROOM_BYTES:
            giver = self._loop.create_future()
            self._givers.append(giver)
            await giver
            self._check_taker()

    def _check_taker(self) -> None:
        if self.is_abandoned and not self._is_discarded:
            raise ClientLeft("the client closed its connection")

    def finish(self, failure: BaseException | None = None) -> None:
        """There is nothing more, or the application has failed."""
        if not self.is_complete:
            self.is_complete, self._failure = True, failure
            _wake(self._taker)

    def __aiter__(self) -> AsgiBody:
        return self

    async def __anext__(self) -> bytes | FileBody:
        while not self._pieces:
            if self._failure is not None:
                try:
                    raise self._failure
                finally:
                    self._failure = None  # its traceback leads here: no circle is left for the collector
            if self.is_complete:
                raise StopAsyncIteration
            self._taker = self._loop.create_future()
            try:
                await self._taker
            finally:
                self._taker = None
        piece = self._pieces.popleft()
        self._taken += len(piece) if isinstance(piece, bytes) else piece.length
        self._size -= len(piece) if isinstance(piece, bytes) else ROOM_BYTES
        if self._size < ROOM_BYTES:
            self._wake_givers()
        return piece

    async def aclose(self) -> None:
        """Nobody takes more: either everything was taken, or the client has left."""
        has_all = self._is_discarded or (self.is_complete and not self._pieces)
        if not has_all and 0 <= self.promised <= self._taken:
            has_all = self._is_discarded = True
        self.is_abandoned = True
        while self._pieces:
            _close(self._pieces.popleft())
        self._size = 0
        self._wake_givers()
        on_early_end, self._on_early_end = self._on_early_end, _nothing  # a method of whoever holds this: a circle
        if not has_all:
            on_early_end()

    def _wake_givers(self) -> None:
        givers, self._givers = self._givers, []
        for giver in givers:
            _wake(giver)


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _nothing() -> None:
    """Nobody is told."""


def _close(piece: bytes | FileBody) -> None:
    if isinstance(piece, FileBody):
        os.close(piece.descriptor)
