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
    encode_end,
    encode_record,
)

REQUEST_ID: Final = 1

_STDOUT: Final = int(RecordType.STDOUT)
_STDERR: Final = int(RecordType.STDERR)
_END: Final = int(RecordType.END_REQUEST)
_SMALL: Final = 8192
_OUTPUT: Final = bytes((VERSION, _STDOUT, 0, REQUEST_ID))
_END_OF_OUTPUT: Final = encode_record(_STDOUT, REQUEST_ID)
_END_HEADER: Final = encode_end(REQUEST_ID)[:8]
_COMPLETE: Final = EndRequest(0, 0)
_ZEROS: Final = bytes(8)


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

    def receive_whole(self, data: bytes) -> tuple[bytes, EndRequest] | None:
        """The output and the end, when `data` is a whole small answer, as most are: one record of output, perhaps the
        end of that stream, END_REQUEST, and nothing else. None for anything else: nothing was read then, `receive` is
        to do it."""
        if not self._is_open or len(data) > _SMALL or not data.startswith(_OUTPUT) or data[-16:-8] != _END_HEADER:
            return None
        length = data[4] << 8 | data[5]
        behind = len(data) - 24 - length - data[6]
        if not length or not self._reader.is_between_records:
            return None
        if behind and (behind != 8 or data[-24:-16] != _END_OF_OUTPUT):
            return None
        self._is_open = False
        end = _COMPLETE if data.endswith(_ZEROS) else decode_end(data[-8:])
        return data[8 : 8 + length], end

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
