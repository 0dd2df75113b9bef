"""A body that is compressed as it is sent: each piece is flushed, so that nothing waits for what comes later.

Server-sent events and PEP 3333 ask for that; it costs a few bytes a piece.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from host.api import FileBody, Request, Response
from host.compression.encoders import Encoder

QUICK_BYTES: Final = 16 * 1024
"""Up to this size a piece is compressed on the event loop: some hundred microseconds at the fast levels."""
READ_BYTES: Final = 256 * 1024
PLUGIN: Final = "compression"
HOOK: Final = "on_send_response"


class CompressedBody:
    """The pieces of another response's body, compressed. Owns that body."""

    def __init__(self, request: Request, plain: Response, encoder: Encoder) -> None:
        self._request = request
        self._plain = plain
        self._encoder = encoder
        self._pieces: AsyncGenerator[bytes, None] | None = None

    def __aiter__(self) -> AsyncGenerator[bytes, None]:
        self._pieces = self._compressed()
        return self._pieces

    async def aclose(self) -> None:
        """Close the body inside, whether it was begun or not."""
        if self._pieces is not None:
            await self._pieces.aclose()
        await self._request.host.discard(self._plain)

    async def _compressed(self) -> AsyncGenerator[bytes, None]:
        body, self._plain.body = self._plain.body, b""
        async with aclosing(self._request.host.pieces(Response(body=body))) as pieces:
            async for piece in pieces:
                if isinstance(piece, FileBody):
                    at, end = piece.offset, piece.offset + piece.length
                    while at < end:
                        read, data = await self._on_thread(read_and_compress, self._encoder, piece.descriptor, at, end)
                        at += read
                        if data:
                            yield data
                elif data := await self._piece(piece):
                    yield data
        yield self._encoder.finish()

    async def _piece(self, piece: bytes) -> bytes:
        if len(piece) <= QUICK_BYTES:
            return compress_and_flush(self._encoder, piece)
        compressed: bytes = await self._on_thread(compress_and_flush, self._encoder, piece)
        return compressed

    async def _on_thread(self, function: Any, *arguments: Any) -> Any:
        return await self._request.host.run_on_thread(PLUGIN, HOOK, function, *arguments)


def compress_and_flush(encoder: Encoder, data: bytes) -> bytes:
    """`data` compressed, so that the client can read it now."""
    return encoder.compress(data) + encoder.flush()


def read_and_compress(encoder: Encoder, descriptor: int, at: int, end: int) -> tuple[int, bytes]:
    """The next bytes of a file: how many were read, and what became of them; the last ones are flushed. Raises
    EOFError when the file was cut."""
    data = os.pread(descriptor, min(READ_BYTES, end - at), at)
    if not data:
        raise EOFError(f"the file became shorter while it was sent: {end - at} bytes are missing")
    is_last = at + len(data) >= end
    return len(data), compress_and_flush(encoder, data) if is_last else encoder.compress(data)
