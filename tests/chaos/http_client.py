"""One client connection that knows how far each request came: what was sent, what had arrived when it was cut."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_HEAD_LIMIT: Final = 64 * 1024


class Cut(Exception):
    """The connection ended before the answer was whole; the text says how."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer by its own framing."""

    status: int
    body: bytes
    keeps_open: bool


class ClientConnection:
    """`opened_at` is when connecting began (monotonic seconds). Of the request in hand, `received` counts the answer's
    bytes and `status` is its status, 0 before there is one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened_at: float) -> None:
        self._reader = reader
        self._writer = writer
        self.opened_at = opened_at
        self.requests = 0
        self.received = 0
        self.status = 0

    @classmethod
    async def open(cls, port: int) -> ClientConnection:
        """Connect to 127.0.0.1. Raises OSError."""
        opened_at = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_HEAD_LIMIT)
        return cls(reader, writer, opened_at)

    async def ask(self, head: bytes, pieces: Sequence[bytes], pause_seconds: float) -> Answer:
        """Send head and body, and read the answer, also while the body is still being sent. Raises Cut."""
        self.requests += 1
        self.received = self.status = 0
        sending = asyncio.ensure_future(self._send(head, pieces, pause_seconds))
        try:
            answer = await self._read()
            return Answer(answer.status, answer.body, answer.keeps_open and sending.done())
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise Cut(describe(error)) from error
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    def close(self) -> None:
        """Close it, whatever is under way."""
        self._writer.transport.abort()

    async def _send(self, head: bytes, pieces: Sequence[bytes], pause_seconds: float) -> None:
        try:
            self._writer.write(head)
            for piece in pieces:
                await asyncio.sleep(pause_seconds)  # a slow client is what this is
                self._writer.write(piece)
                await self._writer.drain()
        except OSError:
            return  # the reader sees how the connection ended, after what the server had said before

    async def _read(self) -> Answer:
        raw_head = await self._until(b"\r\n\r\n")
        status_line, _, raw_fields = raw_head.partition(b"\r\n")
        version, raw_status = status_line.split(b" ", 2)[:2]
        self.status = int(raw_status)
        fields: dict[bytes, bytes] = {}
        for line in raw_fields.split(b"\r\n"):
            name, colon, value = line.partition(b":")
            if colon:
                fields[name.strip().lower()] = value.strip()
        if self.status == 100:
            return await self._read()
        wants_close = fields.get(b"connection", b"").lower() == b"close" or version == b"HTTP/1.0"
        if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            return Answer(self.status, await self._chunks(), not wants_close)
        if b"content-length" in fields:
            return Answer(self.status, await self._exactly(int(fields[b"content-length"])), not wants_close)
        return Answer(self.status, await self._rest(), False)

    async def _chunks(self) -> bytes:
        whole: list[bytes] = []
        while True:
            size = int(await self._until(b"\r\n"), 16)
            piece = await self._exactly(size + 2)
            if size == 0:
                return b"".join(whole)
            whole.append(piece[:-2])

    async def _until(self, mark: bytes) -> bytes:
        try:
            data = await self._reader.readuntil(mark)
        except asyncio.IncompleteReadError as error:
            self.received += len(error.partial)
            raise
        self.received += len(data)
        return data[: -len(mark)]

    async def _exactly(self, count: int) -> bytes:
        try:
            data = await self._reader.readexactly(count)
        except asyncio.IncompleteReadError as error:
            self.received += len(error.partial)
            raise
        self.received += len(data)
        return data

    async def _rest(self) -> bytes:
        data = await self._reader.read(-1)
        self.received += len(data)
        return data


def describe(error: BaseException) -> str:
    """A few words for a table: no address, no number that differs from one to the next."""
    if isinstance(error, asyncio.IncompleteReadError):
        return "closed" if not error.partial else "closed in the middle"
    if isinstance(error, OSError):
        return type(error).__name__
    return f"{type(error).__name__}: {error}"
