"""Chunked request bodies, decoded by llhttp; trailers are checked and dropped.

The parser does not say where a message ends, and must never run into the next pipelined request. So the sizes of the
chunks are read here, too, which skips their data and finds the end; the parser judges every byte up to there, all that
one read brought at once. What the two do not agree about is refused. Each message gets a fresh parser that was fed a
constant head, so that nothing of the client's head can confuse it.
"""

from __future__ import annotations

import re
from typing import Final

import httptools

from host.http1.errors import Fault, RemoteProtocolError

_SYNTHETIC_HEAD: Final = b"POST / HTTP/1.1\r\nHost: -\r\nTransfer-Encoding: chunked\r\n\r\n"
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]+")
_LONGEST_SIZE: Final = 32  # of a line more is not kept: a size is shorter, and an empty line is one of two bytes
_CHUNK_ALLOWANCE: Final = 16  # bytes a chunk may cost in framing without counting as overhead


class ChunkedDecoder:
    """One chunked body: bytes in, decoded bytes out."""

    __slots__ = ("_is_last", "_line", "_max_overhead", "_overhead", "_parser", "_pieces", "_to_skip", "is_complete")

    def __init__(self, max_overhead: int) -> None:
        """`max_overhead` bounds what extensions and trailers may cost in bytes."""
        self.is_complete = False
        self._max_overhead = max_overhead
        self._overhead = 0
        self._line = b""  # what earlier reads brought of the line that comes: a size, or a trailer
        self._to_skip = 0  # bytes of a chunk that are still to come, with the line end behind them
        self._is_last = False  # the last chunk's line has come: what follows are trailers
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
        end = self._find_end(data)
        is_end = end >= 0
        if is_end and end < len(data):
            data, rest = data[:end], data[end:]
        else:
            rest = b""
        self._feed(data)
        if self.is_complete != is_end:
            raise RemoteProtocolError(Fault.INVALID_BODY, "a chunk's size can be read in two ways")
        pieces = self._pieces
        if len(pieces) == 1:
            body = pieces[0]
        else:
            body = b"".join(pieces)
        self._pieces = []
        return body, rest

    def _find_end(self, data: bytes) -> int:
        """Where the message ends in `data`, which goes on where the last one ended; -1: not yet."""
        size = len(data)
        at = self._to_skip
        while at < size:
            line_end = data.find(b"\n", at) + 1
            line = data[at : min(line_end or size, at + _LONGEST_SIZE)]
            if self._line:
                line = self._line + line
            if line_end == 0:
                self._line, at = line[:_LONGEST_SIZE], size
                break
            self._line = b""
            if not self._is_last:
                at = line_end + self._read_size(line)
            elif line == b"\r\n":
                return line_end
            else:
                at = line_end
        self._to_skip = at - size
        return -1

    def _read_size(self, line: bytes) -> int:
        """How many bytes belong to a chunk that begins with this line: its data and the line end behind it."""
        digits = _SIZE.match(line)
        if digits is None:
            raise RemoteProtocolError(Fault.INVALID_BODY, "a chunk without size")
        size = int(digits[0], 16)
        if size:
            return size + 2
        self._is_last = True
        return 0

    def _feed(self, data: bytes) -> None:
        already = len(self._pieces)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise RemoteProtocolError(Fault.INVALID_BODY, str(error)) from error
        self._overhead = max(0, self._overhead + len(data) - sum(map(len, self._pieces[already:])))
        if self._overhead > self._max_overhead:
            raise RemoteProtocolError(Fault.HEAD_TOO_LONG, "chunk extensions or trailers without end")
