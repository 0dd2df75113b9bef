"""What a handler flushes on its way to the client, one piece at a time, as fast as the client takes it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from host.api import ClientGone, FileBody
from host.api.managed.response import Piece


class HandlerOutput:
    """`begun` is set with the first flush. The reader takes pieces until None, and closes it when it wants no more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[Piece | None] = asyncio.Queue(maxsize=1)
        self._is_closed = False
        self.begun = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        """Whether the head has gone."""
        return self.begun.is_set()

    def send_blocking(self, pieces: Sequence[Piece]) -> None:
        """Send from a thread. Raises ClientGone."""
        asyncio.run_coroutine_threadsafe(self.send(pieces), self._loop).result()

    async def send(self, pieces: Sequence[Piece]) -> None:
        """Send; returns when the last piece is next to go. Raises ClientGone."""
        self.begun.set()
        for number, piece in enumerate(pieces):
            if self._is_closed:
                for left in pieces[number:]:
                    _let_go(left)
                raise ClientGone("the client closed its connection")
            if piece != b"":
                await self._queue.put(piece)

    async def end(self) -> None:
        """Nothing more comes."""
        if not self._is_closed:
            await self._queue.put(None)

    async def next_piece(self) -> Piece | None:
        """The next piece, or None at the end."""
        return await self._queue.get()

    def close(self) -> None:
        """Nobody takes any more: whoever waits goes on, and fails at the next piece."""
        self._is_closed = True
        while not self._queue.empty():
            _let_go(self._queue.get_nowait())


def _let_go(piece: Piece | None) -> None:
    if isinstance(piece, FileBody):
        os.close(piece.descriptor)
