"""What the filters of one request have said to the client by their contexts, and how it becomes part of the answer.

Kept in the request's `context`, so that a local redirect's request goes on with it. Exists only when some filter of the
application takes a `filter_context`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Final

from host.api import FilterError, Headers, Request, Response
from host.api.headers import check_field
from host.worker.response_head import build_head

KEY: Final = "isapy.filters"
Fields = list[tuple[str, str]]

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})\b")
_BODYLESS: Final = frozenset({204, 205, 304})


class FilterOutput:
    """`is_head_out`: the response's fields are settled; `is_over`: the whole response has been handed over."""

    __slots__ = (
        "_added",
        "_answer",
        "_body",
        "_on_denial",
        "_settled",
        "_settled_count",
        "_written",
        "closes",
        "contexts",
        "is_head_out",
        "is_over",
        "is_proxy",
        "last_error",
        "next_read_size",
    )

    def __init__(self) -> None:
        self.contexts: dict[str, Any] = {}  # of the filters, by their private names
        self._added: Fields = []
        self._on_denial: Fields = []
        self._answer: Response | None = None
        self._body: list[bytes] = []
        self._written: list[bytes] = []
        self._settled: Response | None = None  # the response that has the fields, and how many of them
        self._settled_count = 0
        self.closes = False
        self.is_proxy = False
        self.last_error = 0  # what the filter that was called last has set
        self.next_read_size = 0  # what the last on_read_raw_data has asked for; 0: nothing
        self.is_head_out = False
        self.is_over = False

    # --- what contexts say

    def add_fields(self, text: str, *, on_denial: bool = False) -> None:
        """Fields for the response. Raises FilterError."""
        fields, body = parse_fields(text)
        if body or self.is_head_out:
            raise FilterError(FilterError.INVALID_PARAMETER, "the head has been sent, or a body follows the fields")
        (self._on_denial if on_denial else self._added).extend(fields)

    def begin_answer(self, status: str, text: str) -> None:
        """The filter's own head. Raises FilterError."""
        if self._answer is not None or self.is_head_out:
            raise FilterError(FilterError.INVALID_PARAMETER, "a response header has been sent already")
        number, reason = parse_status(status or "200 OK")
        fields, body = parse_fields(text)
        self._answer = Response(status=number, reason=reason, headers=Headers(fields))
        self._body = [body] if body else []

    def write(self, data: bytes) -> None:
        """Bytes for the client. Raises FilterError when nothing more can be sent."""
        if self.is_over:
            raise FilterError(FilterError.INVALID_PARAMETER, "the response has been handed over")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"write_client takes bytes, not {type(data).__name__}")
        (self._body if self._answer is not None and not self.is_head_out else self._written).append(bytes(data))

    # --- what the pipeline makes of it

    def finished(self, *, keeps_connection: bool) -> Response:
        """The answer of a filter that said FINISHED: its own head and body, or what it wrote, as it is."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.body, self._body = b"".join(self._body), []
            answer.close_connection = not keeps_connection
            return answer
        written = self.take_written()
        found = _STATUS_LINE.match(written)
        return Response(status=int(found[1]) if found is not None else 200, raw=True, body=written)

    def settle(self, request: Request, response: Response) -> None:
        """Add the fields that were asked for: before `on_send_response` sees the response, and those since then."""
        if response is not self._settled:
            self._settled, self._settled_count = response, 0
            for name, value in self._on_denial if response.status == 401 else ():
                response.headers.add(name, value)
            if self.is_proxy and "close" in request.headers.get("Proxy-Connection").lower():
                response.close_connection = True
        for name, value in self._added[self._settled_count :]:
            response.headers.add(name, value)
        self._settled_count = len(self._added)

    def complete(self, request: Request, response: Response, *, is_head: bool) -> Response:
        """The response as it leaves: with what was written in front of it, it ends with its connection."""
        if not response.raw:
            self.settle(request, response)
        response.close_connection = response.close_connection or self.closes
        self.is_head_out = True
        prefix = self.take_written()
        return as_raw(response, prefix, is_head=is_head) if prefix else response

    def take_written(self) -> bytes:
        """What was written and is not part of an answer yet."""
        written, self._written = b"".join(self._written), []
        return written


def output_of(holder: dict[str, Any]) -> FilterOutput:
    """The output that belongs to a request's `context` or a connection's `state`."""
    output: FilterOutput | None = holder.get(KEY)
    if output is None:
        output = holder[KEY] = FilterOutput()
    return output


def finished(request: Request, *, keeps_connection: bool) -> Response:
    """The answer when a filter says that it has finished the request."""
    return output_of(request.context).finished(keeps_connection=keeps_connection)


def end_output(request: Request) -> None:
    """The response has been handed over: what contexts write from now on is too late."""
    if (output := request.context.get(KEY)) is not None:
        output.is_head_out = output.is_over = True


def forget_contexts(request: Request) -> None:
    """The request's last notification has been given."""
    if (output := request.context.get(KEY)) is not None:
        output.contexts.clear()  # they know the request, and it knows them: nobody should have to look for that


def parse_status(status: str) -> tuple[int, str]:
    """`302 Found`, also behind a version, as number and reason. Raises FilterError 87."""
    words = status.removeprefix("HTTP/1.1 ").removeprefix("HTTP/1.0 ").strip()
    number, _, reason = words.partition(" ")
    if not (len(number) == 3 and number.isascii() and number.isdigit() and number >= "100"):
        raise FilterError(FilterError.INVALID_PARAMETER, f"no status: {status!r}")
    return int(number), reason


def parse_fields(text: str) -> tuple[Fields, bytes]:
    """`Name: value` lines, each ended by LF or CRLF, and what stands behind an empty line. Raises FilterError 87."""
    fields: Fields = []
    while text:
        line, _, text = text.partition("\n")
        line = line.removesuffix("\r")
        if not line:
            break
        name, colon, value = line.partition(":")
        try:
            check_field(name, value.strip(" \t"))
        except ValueError as error:
            raise FilterError(FilterError.INVALID_PARAMETER, str(error)) from error
        if not colon:
            raise FilterError(FilterError.INVALID_PARAMETER, f"a header line without a colon: {line!r}")
        fields.append((name, value.strip(" \t")))
    return fields, text.encode("latin-1", "replace")


def as_raw(response: Response, prefix: bytes, *, is_head: bool) -> Response:
    """The response as bytes behind `prefix`; its end is the connection's end.

    When the result's body is bytes and the response's was not, the caller closes the latter.
    """
    body: Any = response.body
    first = prefix
    if not response.raw:
        is_bodyless = response.status in _BODYLESS
        length = len(body) if isinstance(body, bytes) and not is_bodyless else -1
        head = build_head(response, content_length=length, drops_length=is_bodyless)
        first += b"HTTP/1.1 " + head.raw + b"Connection: close\r\n\r\n"
        if is_head or is_bodyless:
            body = b""
    if isinstance(body, bytes):
        body = first + body
    elif isinstance(body, AsyncIterable):
        body = _BehindAsync(first, body)
    elif isinstance(body, list | tuple):
        body = [first, *body]
    elif isinstance(body, Iterable):
        body = _Behind(first, body)
    else:
        body = [first, body]
    return Response(
        status=response.status,
        substatus=response.substatus,
        win32_status=response.win32_status,
        raw=True,
        body=body,
    )


class _Behind:
    """Pieces behind a first one; closed as they are."""

    def __init__(self, first: bytes, pieces: Iterable[Any]) -> None:
        self._first: bytes | None = first
        self._pieces = pieces
        self._iterator: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        first, self._first = self._first, None
        if first is not None:
            return first
        if self._iterator is None:
            self._iterator = iter(self._pieces)
        return next(self._iterator)

    def close(self) -> None:
        if hasattr(self._pieces, "close"):
            self._pieces.close()


class _BehindAsync:
    """As `_Behind`, for pieces that come asynchronously."""

    def __init__(self, first: bytes, pieces: AsyncIterable[Any]) -> None:
        self._first: bytes | None = first
        self._pieces = pieces
        self._iterator: AsyncIterator[Any] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        first, self._first = self._first, None
        if first is not None:
            return first
        if self._iterator is None:
            self._iterator = aiter(self._pieces)
        return await anext(self._iterator)

    async def aclose(self) -> None:
        if hasattr(self._pieces, "aclose"):
            await self._pieces.aclose()
