"""FastCGI 1.0 records: bytes in, records out, and back. No I/O; both ends of the protocol.

A record is eight bytes of header, its content (at most 65535 bytes), and padding that nobody looks at. A stream
(PARAMS, STDIN, STDOUT, STDERR) is any number of records with content and one without, which ends it.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

VERSION: Final = 1
LARGEST_CONTENT: Final = 65535
"""Bytes of content in one record (section 3.3: two bytes of contentLength)."""

PIECE: Final = 65528
"""Content of the records that a long stream is cut into: the largest multiple of eight, so nothing is padded."""

MANAGEMENT: Final = 0
"""Request id of records that belong to no request (section 3.3)."""

KEEP_CONNECTION: Final = 1
"""Flag of BEGIN_REQUEST: the application leaves the connection open behind the request (section 5.1)."""

_HEADER: Final = struct.Struct(">BBHHBx")
_BEGIN: Final = struct.Struct(">HB5x")
_END: Final = struct.Struct(">IB3x")
_LONG: Final = struct.Struct(">I")
_LONG_BIT: Final = 0x80000000
_SHORT: Final = 127


class RecordType(enum.IntEnum):
    """Section 8: types of records."""

    BEGIN_REQUEST = 1
    ABORT_REQUEST = 2
    END_REQUEST = 3
    PARAMS = 4
    STDIN = 5
    STDOUT = 6
    STDERR = 7
    DATA = 8
    GET_VALUES = 9
    GET_VALUES_RESULT = 10
    UNKNOWN_TYPE = 11


_PARAMS: Final = int(RecordType.PARAMS)


class Role(enum.IntEnum):
    """Section 6: what the application is asked to be."""

    RESPONDER = 1
    AUTHORIZER = 2
    FILTER = 3


class ProtocolStatus(enum.IntEnum):
    """Section 5.5: what an END_REQUEST says of the request."""

    REQUEST_COMPLETE = 0
    CANT_MPX_CONN = 1
    OVERLOADED = 2
    UNKNOWN_ROLE = 3


class Record(NamedTuple):
    """One record without its padding. `type` is a number: the peer may send one that nobody knows."""

    type: int
    request_id: int
    content: bytes


class EndRequest(NamedTuple):
    """The body of END_REQUEST. `protocol_status` is a number, for the same reason."""

    app_status: int
    protocol_status: int


class BeginRequest(NamedTuple):
    """The body of BEGIN_REQUEST."""

    role: int
    keeps_connection: bool


class MalformedRecord(Exception):
    """What came is no FastCGI: the connection cannot go on."""


class RecordReader:
    """Cuts bytes into records, however they arrive."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    @property
    def is_between_records(self) -> bool:
        """Whether everything that came was whole records."""
        return not self._buffer

    def receive(self, data: bytes) -> Iterator[Record]:
        """The records that `data` completes, to be iterated to their end. Raises MalformedRecord for another version
        of the protocol; the records before it have been given then."""
        buffer = self._buffer + data if self._buffer else data
        at, size = 0, len(buffer)
        try:
            while size - at >= 8:
                version, kind, request_id, length, padding = _HEADER.unpack_from(buffer, at)
                if version != VERSION:
                    raise MalformedRecord(f"a record begins with byte {version}, not with version {VERSION}")
                end = at + 8 + length
                if size < end + padding:
                    break
                content = buffer[at + 8 : end]
                at = end + padding
                yield Record(kind, request_id, content)
        finally:
            self._buffer = buffer[at:]


def encode_record(kind: int, request_id: int, content: bytes = b"", *, pads: bool = False) -> bytes:
    """One record. `pads` fills it up to a multiple of eight bytes, as section 3.3 recommends.

    Raises ValueError for content of more than LARGEST_CONTENT bytes.
    """
    length = len(content)
    if length > LARGEST_CONTENT:
        raise ValueError(f"{length} bytes do not fit into a record")
    padding = -length % 8 if pads else 0
    return _HEADER.pack(VERSION, kind, request_id, length, padding) + content + bytes(padding)


def encode_stream(kind: int, request_id: int, data: bytes) -> bytes:
    """`data` as records of a stream; none when it is empty. The stream's end is `encode_record` without content."""
    if len(data) <= PIECE:
        return encode_record(kind, request_id, data) if data else b""
    return b"".join(
        encode_record(kind, request_id, data[start : start + PIECE]) for start in range(0, len(data), PIECE)
    )


def encode_begin(request_id: int, role: int = Role.RESPONDER, *, keeps_connection: bool) -> bytes:
    """BEGIN_REQUEST."""
    if role == 1 and 0 < request_id <= _MOST_KNOWN:  # of every request: made once
        return _KEEPING[request_id] if keeps_connection else _CLOSING[request_id]
    return _begin(request_id, role, keeps_connection=keeps_connection)


def _begin(request_id: int, role: int, *, keeps_connection: bool) -> bytes:
    body = _BEGIN.pack(role, KEEP_CONNECTION if keeps_connection else 0)
    return encode_record(RecordType.BEGIN_REQUEST, request_id, body)


_MOST_KNOWN: Final = 2  # request ids in use: `fastcgi_response.py`
_KEEPING: Final = [_begin(number, 1, keeps_connection=True) for number in range(_MOST_KNOWN + 1)]
_CLOSING: Final = [_begin(number, 1, keeps_connection=False) for number in range(_MOST_KNOWN + 1)]
_ENDS: Final = [
    encode_record(RecordType.PARAMS, number) + encode_record(RecordType.STDIN, number)
    for number in range(_MOST_KNOWN + 1)
]


def encode_end(request_id: int, app_status: int = 0, protocol_status: int = 0) -> bytes:
    """END_REQUEST."""
    return encode_record(RecordType.END_REQUEST, request_id, _END.pack(app_status, protocol_status))


def encode_params(request_id: int, pairs: bytes) -> bytes:
    """The whole PARAMS stream of what `encode_pairs` has given, its end included."""
    end = encode_record(RecordType.PARAMS, request_id)
    if len(pairs) <= PIECE:
        return encode_stream(RecordType.PARAMS, request_id, pairs) + end
    return b"".join([encode_stream(RecordType.PARAMS, request_id, piece) for piece in _whole_pairs(pairs)]) + end


def _whole_pairs(pairs: bytes) -> list[bytes]:
    """What goes into one record each: PHP closes the connection for a pair that goes on in the next one. A pair that is
    larger than a record is alone in its piece."""
    pieces: list[bytes] = []
    begun = at = 0
    while at < len(pairs):
        name_length, name_at = _read_length(pairs, at)
        value_length, name_at = _read_length(pairs, name_at)
        end = name_at + name_length + value_length
        if end - begun > PIECE and at > begun:
            pieces.append(pairs[begun:at])
            begun = at
        at = end
    pieces.append(pairs[begun:])
    return pieces


def encode_bodyless(request_id: int, pairs: bytes, *, keeps_connection: bool) -> bytes:
    """All of a responder's request that has no body."""
    begin = encode_begin(request_id, keeps_connection=keeps_connection)
    if not 0 < request_id <= _MOST_KNOWN or len(pairs) > LARGEST_CONTENT or not pairs:
        end = encode_record(RecordType.STDIN, request_id)
        return b"".join((begin, encode_params(request_id, pairs), end))
    return b"".join((begin, _HEADER.pack(VERSION, _PARAMS, request_id, len(pairs), 0), pairs, _ENDS[request_id]))


def encode_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Name-value pairs (section 3.4): lengths up to 127 in one byte, others in four with the top bit set."""
    parts: list[bytes] = []
    for name, value in pairs:
        parts += (_length(len(name)), _length(len(value)), name, value)
    return b"".join(parts)


def decode_pairs(content: bytes) -> list[tuple[bytes, bytes]]:
    """The pairs of a whole stream, in order. Raises MalformedRecord when they do not end where the stream does."""
    pairs: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(content):
        name_length, at = _read_length(content, at)
        value_length, at = _read_length(content, at)
        end = at + name_length + value_length
        if end > len(content):
            raise MalformedRecord(f"a name-value pair ends {end - len(content)} bytes behind its stream")
        pairs.append((content[at : at + name_length], content[at + name_length : end]))
        at = end
    return pairs


def decode_begin(content: bytes) -> BeginRequest:
    """Raises MalformedRecord."""
    if len(content) != _BEGIN.size:
        raise MalformedRecord(f"BEGIN_REQUEST has {len(content)} bytes, not {_BEGIN.size}")
    role, flags = _BEGIN.unpack(content)
    return BeginRequest(role, bool(flags & KEEP_CONNECTION))


def decode_end(content: bytes) -> EndRequest:
    """Raises MalformedRecord."""
    if len(content) != _END.size:
        raise MalformedRecord(f"END_REQUEST has {len(content)} bytes, not {_END.size}")
    return EndRequest(*_END.unpack(content))


def _length(length: int) -> bytes:
    return bytes((length,)) if length <= _SHORT else _LONG.pack(length | _LONG_BIT)


def _read_length(content: bytes, at: int) -> tuple[int, int]:
    """A length, and where it ends."""
    if at >= len(content):
        raise MalformedRecord("a name-value pair ends before its lengths")
    if content[at] <= _SHORT:
        return content[at], at + 1
    if at + 4 > len(content):
        raise MalformedRecord("a name-value pair ends in the middle of a length")
    return _LONG.unpack_from(content, at)[0] & ~_LONG_BIT, at + 4
