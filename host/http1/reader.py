"""Bytes of one client connection to request heads and body pieces.

Use: `receive(data)`, then `next_event()` until it says NEED_DATA (feed more) or PAUSED (a request is complete; call
`start_next()` when it has been answered, then `next_event()` again: a pipelined request may be waiting). The reader
never looks past the request it is at, so pipelined bytes stay as they came; the caller bounds them (`buffered_bytes`).
"""

from __future__ import annotations

import enum
import re
from typing import Final

from host.http1.chunked import ChunkedDecoder
from host.http1.errors import Fault, LocalProtocolError, RemoteProtocolError
from host.http1.policy import MAX_REMEMBERED, REQUEST_LINE, HeadPolicy, explain_request_line, find_bare_line_end
from host.http1.request_head import CHUNKED, RequestHead

_END: Final = b"\r\n\r\n"
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)++")
_VERB_START: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Signal(enum.Enum):
    """What `next_event` says besides a request head and body bytes."""

    NEED_DATA = "need data"
    BODY_END = "the body is complete"
    PAUSED = "the request is complete; the next one waits for start_next"


class _At(enum.Enum):
    HEAD = "head"
    LENGTH_BODY = "body of known length"
    CHUNKED_BODY = "chunked body"
    BODY_END = "end of body, not said yet"
    PAUSED = "paused"


Event = RequestHead | bytes | Signal

_HEAD: Final = _At.HEAD
_PAUSED: Final = _At.PAUSED


class RequestReader:
    """Reads one connection's requests, one at a time."""

    __slots__ = ("_at", "_buffer", "_chunks", "_last", "_policy", "_remaining", "_scanned")

    def __init__(self, policy: HeadPolicy) -> None:
        self._policy = policy
        self._buffer = b""
        self._at = _At.HEAD
        self._scanned = 0  # how far an incomplete head has been searched
        self._remaining = 0
        self._chunks: ChunkedDecoder | None = None
        self._last: RequestHead | None = None  # the last head, if its fields were plain and short

    @property
    def buffered_bytes(self) -> int:
        """Bytes received and not yet handed on."""
        return len(self._buffer)

    @property
    def remaining_bytes(self) -> int:
        """Body bytes still to come and be handed on; -1 when the body is chunked."""
        return CHUNKED if self._at is _At.CHUNKED_BODY else self._remaining

    def receive(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._buffer = self._buffer + data if self._buffer else data

    def read_usual(self, data: bytes) -> RequestHead | None:
        """Instead of `receive` and `next_event`: the head if `data` is a whole one of a request without a body, whose
        fields are the last one's or were judged a short while ago, and nothing is buffered. None: nothing was taken.

        Programs repeat themselves on a kept connection and on the next one, browsers do so for the parts of a page.
        """
        if self._at is not _HEAD or self._buffer or len(data) > MAX_REMEMBERED:
            return None
        last = self._last
        request = None if last is None else self._policy.check_again(data, last)
        if request is None:
            request = self._policy.check_known(data)
        if request is not None:
            self._last = request
            self._at = _PAUSED
        return request

    def next_event(self) -> Event:
        """A request head, body bytes or a Signal. Raises RemoteProtocolError; the connection is then at its end."""
        at = self._at
        if at is _HEAD:
            buffer = self._buffer
            try:
                return self._read_head()
            except RemoteProtocolError as error:
                error.raw_head = buffer
                raise
        if at is _PAUSED:
            return Signal.PAUSED
        if at is _At.BODY_END:
            self._at = _At.PAUSED
            return Signal.BODY_END
        if not self._buffer:
            return Signal.NEED_DATA
        if at is _At.LENGTH_BODY:
            return self._read_length_body()
        return self._read_chunked_body()

    def skip_body(self, count: int) -> None:
        """So many bytes of a body of known length went another way, past this reader; nothing may be buffered."""
        if self._at is not _At.LENGTH_BODY or self._buffer or count > self._remaining:
            raise LocalProtocolError(f"{count} bytes past a reader at: {self._at.value}")
        self._remaining -= count
        if self._remaining == 0:
            self._at = _At.BODY_END

    def start_next(self) -> bool:
        """The request has been answered: read the next one; whether bytes of it are here. Raises LocalProtocolError in
        the middle of a request."""
        if self._at is not _PAUSED:
            raise LocalProtocolError(f"no next request while at: {self._at.value}")
        self._at = _HEAD
        self._scanned = 0
        return bool(self._buffer)

    def _read_head(self) -> Event:
        buffer = self._buffer
        if buffer[:2] == b"\r\n":  # empty lines before a request line are ignored: RFC 9112 2.2
            empty = _EMPTY_LINES.match(buffer)
            assert empty is not None
            self._buffer = buffer = buffer[empty.end() :]
            self._scanned = 0
        end = buffer.find(_END, self._scanned)
        if end < 0:
            if buffer:
                self._check_partial_head(buffer)
            return Signal.NEED_DATA
        end += 4
        if end > self._policy.limits.max_request_bytes:
            raise RemoteProtocolError(self._too_long(buffer))
        if end == len(buffer):
            head, self._buffer = buffer, b""
        else:
            head, self._buffer = buffer[:end], buffer[end:]
        request = self._policy.check(head)
        self._last = request if request.is_plain and request.size <= MAX_REMEMBERED else None
        if request.content_length == 0:
            self._at = _PAUSED
        else:
            self._expect_body(request.content_length)
        return request

    def _expect_body(self, content_length: int) -> None:
        if content_length == CHUNKED:
            self._at = _At.CHUNKED_BODY
            self._chunks = ChunkedDecoder(self._policy.limits.max_request_bytes)
        else:
            self._at = _At.LENGTH_BODY
            self._remaining = content_length

    def _check_partial_head(self, buffer: bytes) -> None:
        """Refuse early what cannot become a head: a client that speaks TLS or bare line feeds would wait for ever."""
        if buffer[0] not in _VERB_START and buffer != b"\r":
            fault = Fault.INVALID_LINE_END if buffer[:1] in (b"\r", b"\n") else Fault.INVALID_VERB
            raise RemoteProtocolError(fault)
        if len(buffer) > self._policy.limits.max_request_bytes:
            raise RemoteProtocolError(self._too_long(buffer))
        if find_bare_line_end(buffer, self._scanned) >= 0:
            raise RemoteProtocolError(Fault.INVALID_LINE_END)
        if self._scanned == 0 and b"\r\n" in buffer and REQUEST_LINE.match(buffer) is None:
            raise RemoteProtocolError(explain_request_line(buffer))
        if b"\r\n" in buffer:
            self._scanned = max(0, len(buffer) - 3)

    def _too_long(self, buffer: bytes) -> Fault:
        limit = self._policy.limits.max_request_bytes
        return Fault.HEAD_TOO_LONG if 0 <= buffer.find(b"\r\n") < limit else Fault.URL_TOO_LONG

    def _read_length_body(self) -> bytes:
        data = self._buffer
        if len(data) > self._remaining:
            data, self._buffer = data[: self._remaining], data[self._remaining :]
        else:
            self._buffer = b""
        self._remaining -= len(data)
        if self._remaining == 0:
            self._at = _At.BODY_END
        return data

    def _read_chunked_body(self) -> Event:
        chunks = self._chunks
        if chunks is None:
            raise LocalProtocolError("a chunked body without decoder")
        body, self._buffer = chunks.receive(self._buffer)
        if chunks.is_complete:
            self._chunks = None
            self._at = _At.BODY_END
            return body or self.next_event()
        return body or Signal.NEED_DATA
