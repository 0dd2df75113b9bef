"""CGI output as the body of a response."""

from __future__ import annotations

import asyncio
from typing import Final

from host.api import LendableBody, PipeLoan
from host.programs.gateway_run import GatewayRun, PipedRun
from host.programs.output_pipe import PIECE_BYTES

GATHER_SECONDS: Final = 0.01
"""So long the end of a short answer is waited for, so that it can go out whole, with its length, in one frame."""


async def output_body(run: GatewayRun, first: bytes, promised: int | None) -> bytes | OutputBody:
    """The whole output if it is short and comes at once, else what streams it.

    `first` was read already; `promised` is the program's Content-Length. Raises HttpError as `GatewayRun.read` does,
    and 502.2 when less than promised is all, or when a signal ended the program: nothing has left yet, so the client
    can be told.
    """
    gathered = bytearray(first)
    loop = asyncio.get_running_loop()
    until = loop.time() + GATHER_SECONDS
    while len(gathered) < PIECE_BYTES:
        if promised is not None and len(gathered) >= promised:
            run.finish()
            return bytes(gathered[:promised])
        data = await run.read(max(0.0, until - loop.time()))
        if data is None:
            break
        if not data:
            if promised is not None:
                raise await run.failure(_too_little(len(gathered), promised), bytes(gathered), in_body=True)
            if await run.check_end(GATHER_SECONDS):
                return bytes(gathered)
            break
        gathered += data
    return OutputBody(run, bytes(gathered), promised)


class OutputBody(LendableBody):
    """Piece by piece, as the program writes it; to be read to its end or closed, else the program is killed."""

    def __init__(self, run: GatewayRun, first: bytes, promised: int | None) -> None:
        self._run = run
        self._first = first
        self._promised = self._left = promised
        self._is_over = False
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> OutputBody:
        return self

    async def __anext__(self) -> bytes:
        """The next piece. Raises HttpError when the rest will not come."""
        piece = b""
        if not self._is_over:
            try:
                piece = await self._next()
            except BaseException:
                await self.aclose()
                raise
        if not piece:
            self._is_over = True
            raise StopAsyncIteration
        return piece

    def lend(self, most_bytes: int) -> PipeLoan | None:
        """As LendableBody: what the program promises, or all that it prints."""
        run = self._run
        if self._is_over or self._first or not isinstance(run, PipedRun):
            return None
        if self._left is not None:
            most_bytes = min(most_bytes, self._left)
        return run.lend(most_bytes, self._came_back)

    def _came_back(self, count: int) -> None:
        if self._left is not None:
            self._left -= count
            if not self._left:
                self._is_over = True
                self._run.finish()

    async def aclose(self) -> None:
        """Nobody wants the rest."""
        if not self._is_over:
            self._is_over = True
            self._run.abandon("the client left")

    def __del__(self) -> None:
        """The response was replaced by another one and this one forgotten."""
        if not self._is_over and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._run.abandon, "the response was dropped")

    async def _next(self) -> bytes:
        piece, self._first = self._first, b""
        piece = piece or await self._run.read() or b""
        if not piece:
            await self._run.check_end()
            if self._promised is not None and self._left:
                raise await self._run.failure(_too_little(self._promised - self._left, self._promised), in_body=True)
        elif self._left is not None:
            piece = piece[: self._left]
            self._left -= len(piece)
            if not self._left:  # complete: whoever sends it need not ask for more
                self._is_over = True
                self._run.finish()
        return piece


def _too_little(printed: int, promised: int) -> str:
    """Why such an answer must not look complete."""
    return f"it printed {printed} of the {promised} bytes that its Content-Length promises"


class NoBody:
    """The body of an answer to HEAD whose length is not known."""

    def __aiter__(self) -> NoBody:
        return self

    async def __anext__(self) -> bytes:
        """Nothing."""
        raise StopAsyncIteration
