"""What a handler returns."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from host.api.caching import CachePolicy, FileStamp
from host.api.errors import reason_phrase
from host.api.headers import Headers


@dataclass(frozen=True, slots=True)
class FileBody:
    """A piece of an open file, sent by the listener without passing through Python.

    `descriptor` is an open file descriptor that the response owns from now on: the worker closes it after it was
    handed to the listener (or when the response is dropped). `offset` and `length` are bytes.
    """

    descriptor: int
    offset: int
    length: int


class PipeLoan(Protocol):
    """A pipe that the front reads in the worker's stead. Called on the worker's loop."""

    descriptor: int
    """Its reading end, a second one: it belongs to whoever has asked for the loan."""

    most_bytes: int
    """How many bytes the front may read at most."""

    def noted(self, taken_bytes: int, *, waits: bool) -> None:
        """The front has read so many bytes by now. `waits`: the client would take more, and none have come."""

    def returned(self, taken_bytes: int, *, has_ended: bool) -> None:
        """The front has read so many in all, and reads no more. `has_ended`: nobody can write to the pipe any more."""

    async def over(self) -> int:
        """Returns, with the bytes that the front has read, when it reads no more, or when no more are wanted. Raises
        HttpError when the rest will not come."""


class LendableBody:
    """An asynchronous iterator of bytes that reads them from a pipe. While it is between two pieces the front may be
    lent the pipe, if nobody in the worker needs to see the bytes; the iteration goes on, or ends, behind the loan."""

    __slots__ = ()

    def lend(self, most_bytes: int) -> PipeLoan | None:
        """A loan of at most so many bytes; None when there is nothing to lend. Once for each body."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """The regular file whose bytes a response is made of, for filters that may send them in another form.

    `stamp` is what `file_stamp` says of it, `media_type` what the file's content is (a 304 has no Content-Type).
    """

    path: str
    stamp: FileStamp
    media_type: str

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.stamp[-1]


_new: Final = object.__new__

Body = bytes | FileBody | Iterable[bytes | FileBody] | AsyncIterable[bytes | FileBody]
"""A whole body, one file piece, or pieces that are sent as they come. Iterators run on the worker's thread pool when
they are plain ones; asynchronous ones run on the loop. Pieces may mix bytes and file pieces (multipart ranges do)."""


@dataclass(slots=True, kw_only=True)
class Response:
    """An answer. The host adds Date, Server, the framing and Connection; a handler never sets those.

    A `Content-Length` given by the handler for a streamed body is a promise: more is cut, less breaks the connection.
    `substatus` and `win32_status` end in the log. `close_connection` ends the client's connection after the answer;
    with `abortive_close` it is reset as soon as the client's machine has the answer, and no port waits for old packets.
    `cache` lets the listener give it again by itself. `source_file`: a 200 (of HEAD, too) is the whole of that file and
    nothing else, a 206 is a part of it, a 304 is about it.
    `raw` is for nph- programs: `body` is then the whole answer, status line included, and is sent as it is.
    """

    status: int = 200
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    body: Body = b""
    substatus: int = 0
    win32_status: int = 0
    close_connection: bool = False
    abortive_close: bool = False
    raw: bool = False
    cache: CachePolicy | None = None
    source_file: SourceFile | None = None
    internal_target: str = ""  # set by `local_redirect`: the host answers with this URL of the same site instead
    internal_keeps_request: bool = False  # with internal_target: method and body stay (default documents); else GET

    def __post_init__(self) -> None:
        if not 100 <= self.status <= 999:
            raise ValueError(f"a response needs a status of 100 to 999, not {self.status}")
        if self.headers.__class__ is not Headers and not isinstance(self.headers, Headers):
            raise TypeError(f"Response.headers must be Headers(...), not {type(self.headers).__name__}")

    @property
    def status_line(self) -> str:
        """`404 Not Found`: the number and the reason phrase."""
        return f"{self.status} {self.reason or reason_phrase(self.status)}"

    @classmethod
    def text(cls, text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Plain text, UTF-8."""
        return cls._of_type("text/plain; charset=utf-8", text.encode(), status, headers)

    @classmethod
    def html(cls, html: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """An HTML page, UTF-8."""
        return cls._of_type("text/html; charset=utf-8", html.encode(), status, headers)

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """A JSON document; `value` is what the standard library's json encodes."""
        return cls._of_type("application/json", json.dumps(value).encode(), status, headers)

    @classmethod
    def redirect(cls, location: str, *, status: int = 302) -> Response:
        """A redirect to `location` (an absolute or relative reference, already percent-encoded)."""
        return cls(status=status, headers=Headers([("Location", location)]))

    @classmethod
    def local_redirect(cls, target: str) -> Response:
        """Answer with another URL of this site, without the client knowing (RFC 3875 section 6.2.2).

        `target` is an absolute path with an optional query, percent-encoded. The host runs it as a GET without a body;
        at most ten times for one request. Raises ValueError for anything that is not an absolute path.
        """
        if not target.startswith("/"):
            raise ValueError(f"a local redirect needs an absolute path, not {target!r}")
        return cls(internal_target=target)

    @classmethod
    def file(cls, path: str | Path, *, content_type: str = "application/octet-stream") -> Response:
        """The whole file at `path`. Raises OSError when it cannot be opened."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        length = os.fstat(descriptor).st_size
        headers = Headers([("Content-Type", content_type), ("Content-Length", str(length))])
        return cls(headers=headers, body=FileBody(descriptor, 0, length))

    @classmethod
    def _of_type(cls, content_type: str, body: bytes, status: int, headers: Mapping[str, str] | None) -> Response:
        if headers:
            fields = Headers(headers)
            fields.setdefault("Content-Type", content_type)
        else:
            fields = Headers()
            fields._fields.append(("Content-Type", content_type))  # a literal of ours needs no check
        if cls is not Response:
            return cls(status=status, headers=fields, body=body)
        return new_response(status, fields, body)


def new_response(status: int, headers: Headers, body: Body, reason: str = "") -> Response:
    """As `Response(...)` with these, in half the time: the constructor looks for the defaults of all others."""
    response = _new(Response)
    response.status = status
    response.reason = reason
    response.headers = headers
    response.body = body
    response.substatus = response.win32_status = 0
    response.close_connection = response.abortive_close = response.raw = response.internal_keeps_request = False
    response.cache = response.source_file = None
    response.internal_target = ""
    if not 100 <= status <= 999:
        response.__post_init__()
    return response
