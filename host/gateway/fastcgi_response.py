"""What an application sends for one request on a connection of its own (FastCGI 1.0 sections 5 and 6.2).

Bytes in, output and error text and an end out. There is one request at a time on a connection. On one that is used
again two ids take turns (section 3.3 lets a server use an id again), so that what an application writes behind its end
is not read as the answer to the next request. The first id is 2: an application that answers as request 1 whatever it
is asked shows that by its first answer, and is asked as request 1 from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from host.gateway.fastcgi_records import (
    MANAGEMENT,
    VERSION,
    EndRequest,
    MalformedRecord,
    RecordReader,
    RecordType,
    decode_end,
)

_FIRST: Final = 2
_SECOND: Final = 1

_STDOUT: Final = int(RecordType.STDOUT)
_STDERR: Final = int(RecordType.STDERR)
_END: Final = int(RecordType.END_REQUEST)
_OUTPUTS: Final = [bytes((VERSION, _STDOUT, 0, number)) for number in range(_FIRST + 1)]
"""What output begins with, by the request's id."""
_COMPLETE: Final = EndRequest(0, 0)
_NO_STATUS: Final = bytes(5)  # of the application and of the protocol; three reserved bytes follow


class StrayRecord(MalformedRecord):
    """A record of the request before, whose end has come: the application breaks the protocol, not for this request."""


class Received(NamedTuple):
    """What one record meant: exactly one of the three is set."""

    output: bytes = b""
    error_text: bytes = b""
    end: EndRequest | None = None


class ResponseReader:
    """Reads the responses of one connection, one request after the other."""

    __slots__ = ("_earlier", "_ignores_ids", "_is_open", "_number", "_output", "_reader")

    def __init__(self) -> None:
        self._reader = RecordReader()
        self._is_open = False
        self._number = self._earlier = MANAGEMENT  # the ids of this request and the one before; nobody's yet
        self._output = b""
        self._ignores_ids = False

    def begin(self, *, keeps_connection: bool) -> int:
        """A request is to be sent, with this id. Raises MalformedRecord when the last one left half a record behind."""
        if not self._reader.is_between_records:
            raise MalformedRecord("bytes of no request came")
        self._is_open = True
        self._earlier = self._number
        is_first = self._number != _FIRST and keeps_connection and not self._ignores_ids
        self._number = _FIRST if is_first else _SECOND
        self._output = _OUTPUTS[self._number]
        return self._number

    def receive_plain(self, data: bytes) -> tuple[bytes, EndRequest | None] | None:
        """The output, and the end if it has come, when `data` is what it mostly is: whole records of output, and
        perhaps END_REQUEST behind them. None for anything else: nothing was read then, `receive` is to do it."""
        if not self._is_open or not data.startswith(self._output) or not self._reader.is_between_records:
            return None
        first = b""
        further: list[bytes] | None = None
        at, size, number = 0, len(data), self._number
        while at < size:
            if size - at < 8 or data[at] != VERSION or data[at + 2] != 0 or data[at + 3] != number:
                return None
            kind = data[at + 1]
            begin = at + 8
            end = begin + (data[at + 4] << 8 | data[at + 5])
            at = end + data[at + 6]
            if at > size:
                return None
            if kind == _STDOUT:
                if end > begin:
                    if not first:
                        first = data[begin:end]
                    elif further is None:
                        further = [data[begin:end]]
                    else:
                        further.append(data[begin:end])
            elif kind == _END and at == size and end - begin == 8 and first:
                output = first if further is None else b"".join([first, *further])
                self._is_open = False
                is_complete = data[begin : begin + 5] == _NO_STATUS
                return output, _COMPLETE if is_complete else decode_end(data[begin:end])
            else:
                return None
        return first if further is None else b"".join([first, *further]), None

    def receive(self, data: bytes) -> Iterator[Received]:
        """What `data` completes, to be iterated to its end. Raises MalformedRecord for what no application may send."""
        for kind, request_id, content in self._reader.receive(data):
            if request_id == _SECOND and self._number == _FIRST and self._earlier == MANAGEMENT and self._is_open:
                self._ignores_ids, self._number = True, _SECOND
            if kind == _STDOUT and request_id == self._number and self._is_open:
                if content:
                    yield Received(content)
            elif request_id == MANAGEMENT:
                continue  # answers to questions that were not asked, or UNKNOWN_TYPE: of no request
            elif request_id != self._number or not self._is_open:
                if request_id == self._earlier and self._is_open:
                    raise StrayRecord(f"a record of type {kind} came behind the end of its request")
                raise MalformedRecord(f"a record of type {kind} for request {request_id}, which is not under way")
            elif kind == _STDERR:
                if content:
                    yield Received(error_text=content)
            elif kind == _END:
                self._is_open = False
                yield Received(end=decode_end(content))
            else:
                raise MalformedRecord(f"a record of type {kind}, which no application sends")
