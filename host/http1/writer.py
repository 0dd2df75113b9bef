"""Response heads and bodies to bytes: what the worker says, framed by us.

A worker's head is `404 Not Found CRLF` and field lines. It is checked by one regular expression; Date, Server (unless
the worker says that there is one), Connection and the framing are added here. A body goes out under one of four
framings: none (HEAD, 204, 304), a given length, chunks (HTTP/1.1), or until the connection closes (HTTP/1.0). A given
length is a promise: more is cut, less raises ShortBodyError, and the connection must be broken.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final, Protocol

from host.http1.errors import ResponseHeadError, ShortBodyError
from host.http1.request_head import RequestHead
from host.remembered import Remembered

_FIELD: Final = (
    rb"(?!(?i:date|connection|keep-alive|transfer-encoding|content-length):)"
    rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*\r\n"
)
_HEAD: Final = re.compile(
    rb"(\d{3}) [^\r\n\0]*\r\n((?:" + _FIELD + rb")*)"
    rb"(?:(?i:content-length):[ \t]*(\d{1,18})[ \t]*\r\n((?:" + _FIELD + rb")*))?"
)
_BODYLESS: Final = frozenset((204, 304))
_SERVER: Final = b"Server: isapy\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class WorkerHead:
    """A worker's response head, checked. `raw_head` is as it came; `bare_head` is the same without Content-Length."""

    status: int
    raw_head: bytes
    bare_head: bytes
    content_length: int | None


def read_worker_head(raw_head: bytes) -> WorkerHead:
    """Check a response head. Raises ResponseHeadError for anything that must not reach a client."""
    return _heads[raw_head]


def _read(raw_head: bytes) -> WorkerHead:
    match = _HEAD.fullmatch(raw_head)
    if match is None:
        raise ResponseHeadError(f"not a response head: {raw_head[:200]!r}")
    status = int(match[1])
    if not 200 <= status <= 999:
        raise ResponseHeadError(f"a final response with status {status}")
    if match[3] is None:
        return WorkerHead(status, raw_head, raw_head, None)
    before, after = raw_head[: match.end(2)], match[4]
    return WorkerHead(status, raw_head, before + after, int(match[3]))


_heads: Final = Remembered(_read, 512, 1024)
"""Handlers repeat themselves: most answers of a site share a few heads."""


class EndOfHead(Protocol):
    """What ends a response's head."""

    @property
    def keep(self) -> bytes:
        """For HTTP/1.1, on a connection that stays open."""

    def choose(self, *, keep_alive: bool, minor_version: int) -> bytes:
        """The variant for this connection."""


class Stamp:
    """Server (if it is to be named) and Date and the end of a head, prebuilt; `update` once a second."""

    __slots__ = ("_epoch_seconds", "_server", "close", "keep", "keep_1_0")

    def __init__(self, epoch_seconds: float, *, names_server: bool = True) -> None:
        self._server = _SERVER if names_server else b""
        self.update(epoch_seconds)

    def update(self, epoch_seconds: float) -> None:
        """Show this time from now on."""
        self._epoch_seconds = epoch_seconds
        common = self._server + b"Date: " + formatdate(epoch_seconds, usegmt=True).encode("ascii") + b"\r\n"
        self.keep = common + b"\r\n"
        self.keep_1_0 = common + b"Connection: keep-alive\r\n\r\n"  # HTTP/1.0 keeps only when it is told so
        self.close = common + b"Connection: close\r\n\r\n"

    def as_it_is(self) -> Stamp:
        """One that goes on showing this time."""
        return Stamp(self._epoch_seconds, names_server=bool(self._server))

    def choose(self, *, keep_alive: bool, minor_version: int) -> bytes:
        """The variant for this connection."""
        if not keep_alive:
            return self.close
        return self.keep if minor_version else self.keep_1_0


class Framing(enum.Enum):
    """How a client sees where the body ends."""

    NONE = "no body"
    LENGTH = "Content-Length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "end of connection"


class BodyFraming:
    """The framing of one response's body: pieces in, bytes for the client out."""

    __slots__ = ("kind", "left")

    def __init__(self, kind: Framing, length: int = 0) -> None:
        self.kind = kind
        self.left = length  # what a given length still promises

    def piece(self, data: bytes) -> bytes:
        """`data` as it goes to the client; what exceeds the promise, or has no place at all, is dropped."""
        prefix, allowed, suffix = self.enclose(len(data))
        if allowed < len(data):
            data = data[:allowed]
        return b"".join((prefix, data, suffix)) if prefix else data

    def enclose(self, length: int) -> tuple[bytes, int, bytes]:
        """(bytes before, how many of the `length` bytes go out, bytes after) for a piece that is sent elsewhere."""
        kind = self.kind
        if kind is Framing.CHUNKED:
            return (b"%x\r\n" % length, length, b"\r\n") if length else (b"", 0, b"")
        if kind is Framing.UNTIL_CLOSE:
            return b"", length, b""
        if kind is Framing.NONE:
            return b"", 0, b""
        allowed = min(length, self.left)
        self.left -= allowed
        return b"", allowed, b""

    def end(self) -> bytes:
        """Bytes that end the body. Raises ShortBodyError when less came than was promised."""
        if self.kind is Framing.CHUNKED:
            return _LAST_CHUNK
        if self.kind is Framing.LENGTH and self.left:
            raise ShortBodyError(f"{self.left} bytes of the promised length are missing")
        return b""


def has_no_body(request: RequestHead, status: int) -> bool:
    """Whether the response carries no body whatever the worker sends (RFC 9110 6.4.1)."""
    return status in _BODYLESS or request.method == b"HEAD"


def can_keep_open(request: RequestHead, head: WorkerHead, *, is_complete: bool) -> bool:
    """Whether the client can see the response's end without the connection closing."""
    return (
        is_complete
        or request.minor_version == 1
        or head.content_length is not None
        or has_no_body(request, head.status)
    )


def complete_response(request: RequestHead, head: WorkerHead, body: bytes, end_of_head: bytes) -> bytes:
    """A whole response; `end_of_head` comes from Stamp. Raises ShortBodyError when the head promises more."""
    if head.status in _BODYLESS or request.method == b"HEAD":
        return _bodyless(request, head, len(body) or None, end_of_head)
    promised = head.content_length
    if promised is None:
        return b"".join((b"HTTP/1.1 ", head.raw_head, b"Content-Length: %d\r\n" % len(body), end_of_head, body))
    if promised > len(body):
        raise ShortBodyError(f"{promised - len(body)} bytes of the promised length are missing")
    if promised < len(body):
        body = body[:promised]
    return b"".join((b"HTTP/1.1 ", head.raw_head, end_of_head, body))


def begin_response(request: RequestHead, head: WorkerHead, end_of_head: bytes) -> tuple[bytes, BodyFraming]:
    """The head of a response whose body follows in pieces, and how the pieces are framed."""
    if has_no_body(request, head.status):
        return _bodyless(request, head, None, end_of_head), BodyFraming(Framing.NONE)
    if head.content_length is not None:
        return b"".join((b"HTTP/1.1 ", head.raw_head, end_of_head)), BodyFraming(Framing.LENGTH, head.content_length)
    if request.minor_version == 1:
        framed = (b"HTTP/1.1 ", head.raw_head, b"Transfer-Encoding: chunked\r\n", end_of_head)
        return b"".join(framed), BodyFraming(Framing.CHUNKED)
    return b"".join((b"HTTP/1.1 ", head.raw_head, end_of_head)), BodyFraming(Framing.UNTIL_CLOSE)


def _bodyless(request: RequestHead, head: WorkerHead, length: int | None, end_of_head: bytes) -> bytes:
    """HEAD names the length that GET would have; 204 must not name one (RFC 9110 8.6), 304 need not."""
    if head.status == 204:
        raw_head = head.bare_head
    elif request.method == b"HEAD" and head.status != 304 and head.content_length is None and length is not None:
        raw_head = head.raw_head + b"Content-Length: %d\r\n" % length
    else:
        raw_head = head.raw_head
    return b"".join((b"HTTP/1.1 ", raw_head, end_of_head))
