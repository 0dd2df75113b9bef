"""Chunked request bodies, decoded by llhttp; trailers are checked and dropped.

A chunked message always ends in CRLF CRLF: the last chunk's line (or the last trailer's) and the empty line. So the
parser is fed up to and including each CRLF CRLF, never past it, and can never run into the next pipelined request. An
occurrence inside chunk data merely splits the feeding in two. Each message gets a fresh parser that was fed a constant
head, so that nothing of the client's head can confuse it.
"""

from __future__ import annotations

from typing import Final

import httptools

from host.http1.errors import Fault, RemoteProtocolError

_SYNTHETIC_HEAD: Final = b"POST / HTTP/1.1\r\nHost: -\r\nTransfer-Encoding: chunked\r\n\r\n"
_END: Final = b"\r\n\r\n"
_CHUNK_ALLOWANCE: Final = 16  # bytes a chunk may cost in framing without counting as overhead


class ChunkedDecoder:
    """One chunked body: bytes in, decoded bytes out."""

    __slots__ = ("_max_overhead", "_overhead", "_parser", "_pieces", "_tail", "is_complete")

    def __init__(self, max_overhead: int) -> None:
        """`max_overhead` bounds what extensions and trailers may cost in bytes."""
        self.is_complete = False
        self._max_overhead = max_overhead
        self._overhead = 0
        self._tail = b""
        self._pieces: list[bytes] = []
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(_SYNTHETIC_HEAD)

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self._pieces.append(data)

    def on_chunk_header(self) -> None:
        """Called by the parser."""
        self._overhead -= _CHUNK_ALLOWANCE

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.is_complete = True

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """(decoded bytes, bytes that follow the message). Raises RemoteProtocolError."""
        while data and not self.is_complete:
            cut = self._after_next_end(data)
            self._feed(data[:cut])
            self._tail = (self._tail + data[:cut])[-3:]
            data = data[cut:]
        pieces = self._pieces
        if len(pieces) == 1:
            body = pieces[0]
        else:
            body = b"".join(pieces)
        self._pieces = []
        return body, data

    def _after_next_end(self, data: bytes) -> int:
        """How many bytes may be fed: up to and including the next CRLF CRLF, also one that an earlier read began."""
        tail = self._tail
        split = (tail + data[:3]).find(_END)
        if split >= 0:
            return split + 4 - len(tail)
        at = data.find(_END)
        return at + 4 if at >= 0 else len(data)

    def _feed(self, data: bytes) -> None:
        already = len(self._pieces)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise RemoteProtocolError(Fault.INVALID_BODY, str(error)) from error
        self._overhead = max(0, self._overhead + len(data) - sum(map(len, self._pieces[already:])))
        if self._overhead > self._max_overhead:
            raise RemoteProtocolError(Fault.HEAD_TOO_LONG, "chunk extensions or trailers without end")
