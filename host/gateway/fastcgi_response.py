"""What an application sends for one request on a connection of its own (FastCGI 1.0 sections 5 and 6.2).

Bytes in, output and error text and an end out. There is one request at a time on a connection: its id is REQUEST_ID.
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

REQUEST_ID: Final = 1

_STDOUT: Final = int(RecordType.STDOUT)
_STDERR: Final = int(RecordType.STDERR)
_END: Final = int(RecordType.END_REQUEST)
_OUTPUT: Final = bytes((VERSION, _STDOUT, 0, REQUEST_ID))
_COMPLETE: Final = EndRequest(0, 0)
_NO_STATUS: Final = bytes(5)  # of the application and of the protocol; three reserved bytes follow


class Received(NamedTuple):
    """What one record meant: exactly one of the three is set."""

    output: bytes = b""
    error_text: bytes = b""
    end: EndRequest | None = None


class ResponseReader:
    """Reads the responses of one connection, one request after the other."""

    __slots__ = ("_is_open", "_reader")

    def __init__(self) -> None:
        self._reader = RecordReader()
        self._is_open = False

    def begin(self) -> None:
        """A request was sent. Raises MalformedRecord when the last one left half a record behind."""
        if not self._reader.is_between_records:
            raise MalformedRecord("bytes of no request came")
        self._is_open = True

    def receive_plain(self, data: bytes) -> tuple[bytes, EndRequest | None] | None:
        """The output, and the end if it has come, when `data` is what it mostly is: whole records of output, and
        perhaps END_REQUEST behind them. None for anything else: nothing was read then, `receive` is to do it."""
        if not self._is_open or not data.startswith(_OUTPUT) or not self._reader.is_between_records:
            return None
        first = b""
        further: list[bytes] | None = None
        at, size = 0, len(data)
        while at < size:
            if size - at < 8 or data[at] != VERSION or data[at + 2] != 0 or data[at + 3] != REQUEST_ID:
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
            if kind == _STDOUT and request_id == REQUEST_ID and self._is_open:
                if content:
                    yield Received(content)
            elif request_id == MANAGEMENT:
                continue  # answers to questions that were not asked, or UNKNOWN_TYPE: of no request
            elif request_id != REQUEST_ID or not self._is_open:
                raise MalformedRecord(f"a record of type {kind} for request {request_id}, which is not under way")
            elif kind == _STDERR:
                if content:
                    yield Received(error_text=content)
            elif kind == _END:
                self._is_open = False
                yield Received(end=decode_end(content))
            else:
                raise MalformedRecord(f"a record of type {kind}, which no application sends")
