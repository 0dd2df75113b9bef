"""HttpResponse: a buffered answer that becomes the host's `Response`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

from host.api.headers import Headers
from host.api.managed.contracts import HttpException, ResponseEnd
from host.api.managed.values import no_exit
from host.api.response import FileBody, Response

Piece = bytes | FileBody


class OutputSink(Protocol):
    """Where `flush` sends: the client, while the handler runs."""

    @property
    def has_begun(self) -> bool:
        """Whether the head has gone."""

    def send_blocking(self, pieces: Sequence[Piece]) -> None:
        """Send from a thread; returns when the client may get more. Raises ClientGone."""

    async def send(self, pieces: Sequence[Piece]) -> None:
        """The same on the event loop."""


class FilterTail:
    """The stream behind the last filter: what is written here is sent (`Response.filter` before it is set)."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Take bytes on their way to the client."""
        self.written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept here."""

    def close(self) -> None:
        """Nothing is kept here."""


class HttpResponse:
    """Everything is kept until the handler's end, `flush` or `end`. `native` is the host's own object."""

    def __init__(self) -> None:
        self.native = Response(headers=Headers([("Content-Type", "text/html; charset=utf-8")]))
        self.charset = "utf-8"
        self.buffer_output = True
        self.suppress_content = False
        self.sink: OutputSink | None = None
        self.log_text = ""
        self._pieces: list[Piece] = []
        self._tail = FilterTail()
        self._filter: Any = self._tail
        self._is_adopted = False  # the native response is another handler's

    # --- the head

    @property
    def status_code(self) -> int:
        """200 unless it is set."""
        return self.native.status

    @status_code.setter
    def status_code(self, status: int) -> None:
        self._refuse_when_sent()
        if not 100 <= status <= 999:
            raise HttpException(500, f"not a status code: {status}")
        self.native.status, self.native.reason = status, ""

    @property
    def status_description(self) -> str:
        """The reason phrase, empty for the standard one."""
        return self.native.reason

    @status_description.setter
    def status_description(self, reason: str) -> None:
        self._refuse_when_sent()
        self.native.reason = reason

    @property
    def sub_status_code(self) -> int:
        """For the log."""
        return self.native.substatus

    @sub_status_code.setter
    def sub_status_code(self, substatus: int) -> None:
        self.native.substatus = substatus

    @property
    def headers(self) -> Headers:
        """The header fields. Values that could split the head raise ValueError, in both pipeline modes."""
        return self.native.headers

    @property
    def content_type(self) -> str:
        """text/html in UTF-8 unless it is set."""
        return self.native.headers.get("Content-Type")

    @content_type.setter
    def content_type(self, value: str) -> None:
        self._refuse_when_sent()
        self.native.headers.set("Content-Type", value)

    def append_header(self, name: str, value: str) -> None:
        """Add a header field."""
        self._refuse_when_sent()
        self.native.headers.add(name, value)

    def append_cookie(self, name: str, value: str, attributes: str = "Path=/") -> None:
        """Add a Set-Cookie field."""
        self.append_header("Set-Cookie", f"{name}={value}" + (f"; {attributes}" if attributes else ""))

    def append_to_log(self, text: str) -> None:
        """Append to the query in the site's log."""
        self.log_text += text

    # --- the body

    def write(self, value: object) -> None:
        """Text (of anything), encoded in `charset`."""
        self.binary_write(str(value).encode(self.charset))

    def binary_write(self, data: bytes) -> None:
        """Bytes."""
        self._pieces.append(bytes(data))
        if not self.buffer_output and self.sink is not None:
            self.flush()

    def write_file(self, path: str) -> None:
        """The file's content, read now. Raises OSError."""
        with open(path, "rb") as file:
            self.binary_write(file.read())

    def transmit_file(self, path: str, offset: int = 0, length: int = -1) -> None:
        """A piece of a file that is sent without being read here. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        size = os.fstat(descriptor).st_size
        self._pieces.append(FileBody(descriptor, offset, size - offset if length < 0 else length))

    def clear(self) -> None:
        """Drop what is kept of the body; what is sent is sent."""
        for piece in self._pieces:
            if isinstance(piece, FileBody):
                os.close(piece.descriptor)
        self._pieces.clear()
        if self._is_adopted and not isinstance(self.native.body, bytes):
            raise HttpException(500, "the body of another handler's stream cannot be cleared; finish with end()")
        self.native.body = b""

    def clear_headers(self) -> None:
        """Drop the header fields; classic mode puts the default Content-Type back."""
        self._refuse_when_sent()
        self.native.headers = Headers()

    def redirect(self, url: str, end_response: bool = True, *, status: int = 302) -> None:
        """302 to that URL; `end_response` leaves the code that called this."""
        self._refuse_when_sent()
        self.clear()
        self.status_code = status
        self.native.headers.set("Location", url)
        if end_response:
            self.end()

    def redirect_permanent(self, url: str, end_response: bool = True) -> None:
        """301 to that URL."""
        self.redirect(url, end_response, status=301)

    def end(self) -> None:
        """Send what there is and finish the request: the events that are left are passed over, up to log_request."""
        raise ResponseEnd

    def close(self) -> None:
        """The client's connection is closed after the answer."""
        self.native.close_connection = True

    def flush(self) -> None:
        """Send what is kept; the head cannot change afterwards. From a thread of the handler; elsewhere it waits for
        the handler's step."""
        if self.sink is not None:
            self.sink.send_blocking(self._take())

    async def flush_async(self) -> None:
        """The same, for asynchronous handlers."""
        if self.sink is not None:
            await self.sink.send(self._take())

    @property
    def filter(self) -> Any:
        """An object with `write` (and `flush`, `close`) that sees the body; set one that writes into this one."""
        return self._filter

    @filter.setter  # noqa: A003
    def filter(self, stream: Any) -> None:
        self._filter = stream

    @property
    def has_filter(self) -> bool:
        """Whether somebody filters the body."""
        return self._filter is not self._tail

    # --- what the runtime asks

    def adopt(self, native: Response) -> None:
        """Another handler has answered: what was set before joins its response, which is this one's from now on."""
        if native is self.native:
            return
        for name, value in self.native.headers:
            if name.lower() != "content-type" and name not in native.headers:
                native.headers.add(name, value)
        before, self._pieces = self._pieces, []
        self.native, self._is_adopted = native, True
        if before:
            self._join(before, ahead=True)

    def settle(self) -> Response:
        """The response as it is now, with everything that was written."""
        pieces = self._take()
        if pieces:
            self._join(pieces, ahead=False)
        if self.suppress_content:
            self.clear()
        return self.native

    def finish_filter(self) -> None:
        """The body is complete: another handler's goes through the filter, and `close` may write the rest."""
        if self.has_filter:
            ready = self._body_pieces() if self._is_adopted else []
            if ready is None:
                raise HttpException(500, "the stream of another handler cannot be filtered")
            if ready:
                self._pieces[:0] = ready
                self.native.headers.remove("Content-Length")
                self.native.body = b""
            self._pieces = self._take()
            with no_exit():
                self._filter.close()
            self._filter = self._tail
            self._pieces.extend(self._tail.written)
            self._tail.written = []

    def _take(self) -> list[Piece]:
        """What is kept, through the filter."""
        pieces, self._pieces = self._pieces, []
        if not self.has_filter:
            return pieces
        with no_exit():
            for piece in pieces:
                self._filter.write(piece if isinstance(piece, bytes) else read_piece(piece))
        written, self._tail.written = self._tail.written, []
        return list(written)

    def _join(self, pieces: Sequence[Piece], *, ahead: bool) -> None:
        old = self._body_pieces()
        if old is None:
            raise HttpException(500, "nothing can be written beside the stream of another handler")
        whole = [piece for piece in ([*pieces, *old] if ahead else [*old, *pieces]) if piece != b""]
        self.native.headers.remove("Content-Length")
        plain = [piece for piece in whole if isinstance(piece, bytes)]
        self.native.body = b"".join(plain) if len(plain) == len(whole) else whole

    def _body_pieces(self) -> list[Piece] | None:
        """The native body in pieces; None when it is a stream."""
        body = self.native.body
        if isinstance(body, bytes | FileBody):
            return [body]
        return list(body) if isinstance(body, list) else None

    def _refuse_when_sent(self) -> None:
        if self.sink is not None and self.sink.has_begun:
            raise HttpException(500, "the head has been sent; it cannot be changed any more")


def read_piece(piece: FileBody) -> bytes:
    """The bytes of a piece of a file, which is closed."""
    try:
        return os.pread(piece.descriptor, piece.length, piece.offset)
    finally:
        os.close(piece.descriptor)
