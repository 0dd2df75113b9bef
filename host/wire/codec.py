"""How frames become bytes and bytes become frames.

Encoders are plain functions that return one bytes value; the caller collects them and writes once per loop turn.
`FrameDecoder` takes bytes in any pieces and gives whole frames; what a frame's body holds is decoded by the function
of that kind, which raises WireError for a body that does not fit.
"""

from __future__ import annotations

import struct

from host.wire.errors import WireError
from host.wire.frames import (
    CACHE_BODY,
    END_BODY,
    FILE_BODY,
    HEADER,
    LENGTH,
    MAX_FILE_OFFSET,
    MAX_FRAME_BYTES,
    MAX_LOG_CHARACTERS,
    NUMBER_32,
    NUMBER_64,
    PIPE_BODY,
    PIPE_STATE_BODY,
    REQUEST_BODY,
    RESET_BODY,
    RESPONSE_BODY,
    CacheFrame,
    Kind,
    LogFrame,
    PipeState,
    RequestFrame,
    ResponseFrame,
)

_pack_header = HEADER.pack
_unpack_header = HEADER.unpack_from
_OVERHEAD = HEADER.size - LENGTH.size
_REQUEST = int(Kind.REQUEST)
_REQUEST_OVERHEAD = _OVERHEAD + REQUEST_BODY.size
_pack_request = struct.Struct(HEADER.format + REQUEST_BODY.format.removeprefix("<")).pack  # both at once
_RESPONSE = int(Kind.RESPONSE)
_RESPONSE_OVERHEAD = _OVERHEAD + RESPONSE_BODY.size
_pack_response = struct.Struct(HEADER.format + RESPONSE_BODY.format.removeprefix("<")).pack
RequestParts = tuple[int, bytes, bytes, bytes, bytes, bytes, int, bytes]
"""What a RequestFrame holds, in its order."""

_new_tuple = tuple.__new__
_KINDS: dict[int, Kind] = {int(kind): kind for kind in Kind}


class FrameDecoder:
    """Bytes in, whole frames out. One per link and direction."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def receive(self, data: bytes) -> list[tuple[Kind, int, bytes]]:
        """Frames completed by `data`, as (kind, request id, body). Raises WireError for what cannot be a frame."""
        if self._buffer:
            data = self._buffer + data
        frames: list[tuple[Kind, int, bytes]] = []
        offset, size = 0, len(data)
        while size - offset >= HEADER.size:
            length, request_id, kind = _unpack_header(data, offset)
            if not _OVERHEAD <= length <= MAX_FRAME_BYTES:
                raise WireError(f"a frame of {length} bytes: the limit is {MAX_FRAME_BYTES}")
            end = offset + LENGTH.size + length
            if end > size:
                break
            try:
                frames.append((_KINDS[kind], request_id, data[offset + HEADER.size : end]))
            except KeyError:
                raise WireError(f"a frame of the unknown kind {kind}") from None
            offset = end
        self._buffer = data[offset:] if offset else data
        return frames

    @property
    def has_partial_frame(self) -> bool:
        """Whether bytes of an unfinished frame are waiting (at the end of input: the peer died in mid-frame)."""
        return bool(self._buffer)


def encode(kind: Kind, request_id: int, body: bytes = b"") -> bytes:
    """A frame whose body is already bytes (BODY, BODY_END, ABORT, DRAIN, STARTED, DATA)."""
    return _pack_header(_OVERHEAD + len(body), request_id, kind) + body


def encode_number(kind: Kind, request_id: int, number: int) -> bytes:
    """A frame that carries one u32 (WINDOW, CREDIT, BODY_WINDOW, INVALIDATE)."""
    return _pack_header(_OVERHEAD + 4, request_id, kind) + NUMBER_32.pack(number)


def decode_number(body: bytes) -> int:
    """The u32 of WINDOW, CREDIT, BODY_WINDOW, INVALIDATE."""
    try:
        return int(NUMBER_32.unpack(body)[0])
    except struct.error as error:
        raise WireError(f"a number frame with {len(body)} bytes") from error


def encode_session_end(connection_number: int) -> bytes:
    """SESSION_END for that client connection."""
    return _pack_header(_OVERHEAD + 8, 0, Kind.SESSION_END) + NUMBER_64.pack(connection_number)


def decode_session_end(body: bytes) -> int:
    """The connection number of SESSION_END."""
    try:
        return int(NUMBER_64.unpack(body)[0])
    except struct.error as error:
        raise WireError(f"a session end with {len(body)} bytes") from error


def encode_request(request_id: int, frame: RequestParts) -> bytes:
    """REQUEST, from a `RequestFrame` or a plain tuple of its parts. Raises WireError for a part that is too long."""
    flags, connection, application, method, target, fields, content_length, body = frame
    parts = b"".join((connection, application, method, target, fields, body))
    try:
        opening = _pack_request(
            _REQUEST_OVERHEAD + len(parts),
            request_id,
            _REQUEST,
            flags,
            len(connection),
            len(application),
            len(method),
            len(target),
            len(fields),
            content_length,
        )
    except struct.error as error:
        raise WireError(f"a request head too long for its frame: {error}") from error
    return opening + parts


def decode_request(body: bytes) -> RequestFrame:
    """The body of REQUEST. Raises WireError."""
    return RequestFrame(*decode_request_parts(body))


def decode_request_parts(body: bytes) -> RequestParts:
    """What `decode_request` finds, as a plain tuple."""
    try:
        flags, connection_size, application_size, method_size, target_size, fields_size, content_length = (
            REQUEST_BODY.unpack_from(body)
        )
    except struct.error as error:
        raise WireError("a truncated request frame") from error
    connection_at = REQUEST_BODY.size
    application_at = connection_at + connection_size
    method_at = application_at + application_size
    target_at = method_at + method_size
    fields_at = target_at + target_size
    body_at = fields_at + fields_size
    if body_at > len(body):
        raise WireError("a request frame whose parts are longer than itself")
    return (
        flags,
        body[connection_at:application_at],
        body[application_at:method_at],
        body[method_at:target_at],
        body[target_at:fields_at],
        body[fields_at:body_at],
        content_length,
        body[body_at:],
    )


def encode_response(request_id: int, frame: ResponseFrame) -> bytes:
    """RESPONSE."""
    return encode_response_parts(request_id, *frame)


def encode_response_parts(
    request_id: int,
    flags: int,
    credit: int,
    status: int,
    substatus: int,
    win32_status: int,
    head: bytes,
    body: bytes,
) -> bytes:
    """RESPONSE, from the fields of `ResponseFrame`."""
    head_size = len(head)
    length = _RESPONSE_OVERHEAD + head_size + len(body)
    packed = _pack_response(length, request_id, _RESPONSE, flags, credit, status, substatus, win32_status, head_size)
    return b"".join((packed, head, body))


def decode_response(body: bytes) -> ResponseFrame:
    """The body of RESPONSE."""
    try:
        flags, credit, status, substatus, win32_status, head_size = RESPONSE_BODY.unpack_from(body)
    except struct.error as error:
        raise WireError("a truncated response frame") from error
    body_at = RESPONSE_BODY.size + head_size
    if body_at > len(body):
        raise WireError("a response frame whose head is longer than itself")
    if credit > 1:
        raise WireError(f"a response that gives back {credit} credits")
    head = body[RESPONSE_BODY.size : body_at]
    # Not by the class: its `__new__` would cost more than all of the above.
    return _new_tuple(ResponseFrame, (flags, credit, status, substatus, win32_status, head, body[body_at:]))


def encode_file(request_id: int, sequence: int, offset: int, length: int) -> bytes:
    """FILE: `length` bytes from `offset` of the descriptor sent with (request id, sequence) over the side socket."""
    return _pack_header(_OVERHEAD + FILE_BODY.size, request_id, Kind.FILE) + FILE_BODY.pack(sequence, offset, length)


def decode_file(body: bytes) -> tuple[int, int, int]:
    """(sequence, offset, length) of FILE. Raises WireError, also for what no system call takes as offset."""
    try:
        sequence, offset, length = FILE_BODY.unpack(body)
    except struct.error as error:
        raise WireError(f"a file frame with {len(body)} bytes") from error
    if offset + length > MAX_FILE_OFFSET:
        raise WireError(f"a file frame of {length} bytes from {offset}: no file is that long")
    return sequence, offset, length


def encode_pipe(request_id: int, sequence: int, most_bytes: int) -> bytes:
    """PIPE: what comes out of the pipe sent with (request id, sequence) over the side socket, at most so much."""
    return encode(Kind.PIPE, request_id, PIPE_BODY.pack(sequence, most_bytes))


def decode_pipe(body: bytes) -> tuple[int, int]:
    """(sequence, most bytes) of PIPE. Raises WireError."""
    try:
        sequence, most_bytes = PIPE_BODY.unpack(body)
    except struct.error as error:
        raise WireError(f"a pipe frame with {len(body)} bytes") from error
    if not 0 < most_bytes <= MAX_FILE_OFFSET:
        raise WireError(f"a pipe frame for {most_bytes} bytes")
    return sequence, most_bytes


def encode_pipe_state(request_id: int, state: PipeState, taken_bytes: int) -> bytes:
    """PIPE_STATE: what has become of the request's pipe, and how much has been read from it since it was lent."""
    return encode(Kind.PIPE_STATE, request_id, PIPE_STATE_BODY.pack(state, taken_bytes))


def decode_pipe_state(body: bytes) -> tuple[PipeState, int]:
    """(state, bytes read) of PIPE_STATE. Raises WireError."""
    try:
        state, taken_bytes = PIPE_STATE_BODY.unpack(body)
        return PipeState(state), taken_bytes
    except (struct.error, ValueError) as error:
        raise WireError(f"a malformed pipe state: {body[:16]!r}") from error


def encode_end(request_id: int, credit: int) -> bytes:
    """END: the response is complete; `credit` (0 or 1) gives the request's credit back."""
    return _pack_header(_OVERHEAD + 1, request_id, Kind.END) + END_BODY.pack(credit)


def decode_end(body: bytes) -> int:
    """The credit of END."""
    if len(body) != END_BODY.size or body[0] > 1:
        raise WireError("a malformed end frame")
    return body[0]


def encode_reset(request_id: int, status: int, substatus: int, credit: int, reason: str) -> bytes:
    """RESET: before a response has begun the client gets `status`; afterwards its connection is cut."""
    body = RESET_BODY.pack(status, substatus, credit) + reason.encode("utf-8", "replace")[:4096]
    return encode(Kind.RESET, request_id, body)


def decode_reset(body: bytes) -> tuple[int, int, int, str]:
    """(status, substatus, credit, reason) of RESET."""
    try:
        status, substatus, credit = RESET_BODY.unpack_from(body)
    except struct.error as error:
        raise WireError("a truncated reset frame") from error
    if credit > 1 or not 400 <= status <= 599:
        raise WireError(f"a reset with status {status} and credit {credit}")
    return status, substatus, credit, body[RESET_BODY.size :].decode("utf-8", "replace")


def encode_cache(request_id: int, frame: CacheFrame) -> bytes:
    """CACHE."""
    return encode(Kind.CACHE, request_id, CACHE_BODY.pack(*frame))


def decode_cache(body: bytes) -> CacheFrame:
    """The body of CACHE."""
    try:
        return CacheFrame(*CACHE_BODY.unpack(body))
    except struct.error as error:
        raise WireError(f"a cache frame with {len(body)} bytes") from error


def encode_log(request_id: int, frame: LogFrame) -> bytes:
    """LOG. A NUL inside a text would move the fields behind it: it becomes a space. What is longer than any line of a
    log is cut: a frame has an end."""
    texts = "".join(frame)
    if "\0" in texts or len(texts) > MAX_LOG_CHARACTERS:
        frame = LogFrame(*(text[:MAX_LOG_CHARACTERS].replace("\0", " ") for text in frame))
    return encode(Kind.LOG, request_id, "\0".join(frame).encode("utf-8", "replace"))


def decode_log(body: bytes) -> LogFrame:
    """The body of LOG."""
    texts = body.decode("utf-8", "replace").split("\0")
    if len(texts) != len(LogFrame._fields):
        raise WireError(f"a log frame of {len(texts)} texts")
    frame = LogFrame(*texts)
    for number in (frame.status, frame.win32_status):
        if number and not (number.isascii() and number.isdigit() and len(number) <= 10):
            raise WireError(f"a log frame with the number {number!r}")
    if frame.status and not 100 <= int(frame.status) <= 999:
        raise WireError(f"a log frame with the status {frame.status}")
    return frame
