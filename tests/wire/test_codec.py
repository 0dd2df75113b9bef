"""Frames as bytes: fed whole, byte by byte, with bytes left over; and every malformed frame."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.wire.codec import (
    FrameDecoder,
    decode_cache,
    decode_end,
    decode_file,
    decode_log,
    decode_number,
    decode_pipe,
    decode_pipe_state,
    decode_request,
    decode_reset,
    decode_response,
    decode_session_end,
    encode,
    encode_cache,
    encode_end,
    encode_file,
    encode_log,
    encode_number,
    encode_pipe,
    encode_pipe_state,
    encode_request,
    encode_reset,
    encode_response,
    encode_session_end,
)
from host.wire.errors import WireError
from host.wire.frames import (
    HEADER,
    MAX_DATA_BYTES,
    MAX_FRAME_BYTES,
    MAX_LOG_CHARACTERS,
    REQUEST_BODY,
    RESPONSE_BODY,
    CacheFlag,
    CacheFrame,
    Kind,
    LogFrame,
    PipeState,
    RequestFlag,
    RequestFrame,
    ResponseFlag,
    ResponseFrame,
)

REQUEST = RequestFrame(
    RequestFlag.HTTP_1_1 | RequestFlag.HAS_BODY,
    b"10.0.0.1\x005000\x0010.0.0.2\x0080\x007",
    b"1:/shop",
    b"POST",
    b"/shop/cart?a=b",
    b"Host: a\r\nA: b\r\n",
    -1,
    b"body",
)
RESPONSE = ResponseFrame(ResponseFlag.COMPLETE, 1, 404, 3, 2, b"404 Not Found\r\nA: b\r\n", b"gone")
LOG = LogFrame("anna", "10.1.1.1", "-", "GET", "/a b", "418", "5")

FRAMES = [
    encode_request(1, REQUEST),
    encode(Kind.BODY, 1, b"more"),
    encode(Kind.BODY_END, 1),
    encode(Kind.ABORT, 1),
    encode_number(Kind.WINDOW, 1, 70000),
    encode_session_end(2**40),
    encode(Kind.DRAIN, 0),
    encode_pipe_state(1, PipeState.ENDED, 2**40),
    encode(Kind.BODY_HELD, 1),
    encode_number(Kind.BODY_WAITS, 1, 1),
    encode_number(Kind.CREDIT, 0, 16),
    encode(Kind.STARTED, 1),
    encode_response(1, RESPONSE),
    encode(Kind.DATA, 1, b"x" * 1000),
    encode_file(1, 3, 2**40, 2**33),
    encode_end(1, 1),
    encode_reset(0xFFFFFFFF, 503, 2, 0, "busy \u00e4"),
    encode_number(Kind.BODY_WINDOW, 1, 0),
    encode_log(1, LOG),
    encode_cache(1, CacheFrame(CacheFlag.IGNORES_COOKIES, 30)),
    encode_number(Kind.INVALIDATE, 0, 2**32 - 1),
    encode_pipe(1, 4, 2**63 - 1),
    encode(Kind.BODY_HOLD, 1),
]
STREAM = b"".join(FRAMES)


def check(frames: list[tuple[Kind, int, bytes]]) -> None:
    """Kinds, numbers and bodies of FRAMES."""
    assert [kind for kind, _, _ in frames] == list(Kind)
    bodies = {kind: body for kind, _, body in frames}
    numbers = {kind: number for kind, number, _ in frames}
    assert numbers[Kind.RESET] == 0xFFFFFFFF
    assert numbers[Kind.DRAIN] == 0
    assert decode_request(bodies[Kind.REQUEST]) == REQUEST
    assert decode_response(bodies[Kind.RESPONSE]) == RESPONSE
    assert bodies[Kind.BODY] == b"more"
    assert bodies[Kind.DATA] == b"x" * 1000
    assert bodies[Kind.BODY_END] == bodies[Kind.ABORT] == bodies[Kind.STARTED] == b""
    assert decode_number(bodies[Kind.WINDOW]) == 70000
    assert decode_number(bodies[Kind.CREDIT]) == 16
    assert decode_number(bodies[Kind.BODY_WINDOW]) == 0
    assert bodies[Kind.BODY_HOLD] == bodies[Kind.BODY_HELD] == b""
    assert decode_number(bodies[Kind.BODY_WAITS]) == 1
    assert decode_session_end(bodies[Kind.SESSION_END]) == 2**40
    assert decode_file(bodies[Kind.FILE]) == (3, 2**40, 2**33)
    assert decode_end(bodies[Kind.END]) == 1
    assert decode_reset(bodies[Kind.RESET]) == (503, 2, 0, "busy \u00e4")
    assert decode_log(bodies[Kind.LOG]) == LOG
    assert decode_cache(bodies[Kind.CACHE]) == (1, 30)
    assert decode_number(bodies[Kind.INVALIDATE]) == 2**32 - 1
    assert decode_pipe(bodies[Kind.PIPE]) == (4, 2**63 - 1)
    assert decode_pipe_state(bodies[Kind.PIPE_STATE]) == (PipeState.ENDED, 2**40)


@pytest.mark.parametrize("size", [1, 2, 8, 9, 100, len(STREAM)])
def test_frames_come_out_however_the_bytes_arrive(size: int) -> None:
    """Pieces of every size give the same frames, and nothing stays behind."""
    decoder = FrameDecoder()
    frames = []
    for at in range(0, len(STREAM), size):
        frames += decoder.receive(STREAM[at : at + size])
    check(frames)
    assert not decoder.has_partial_frame


def test_bytes_of_the_next_frame_wait() -> None:
    """And the decoder says so: a peer that ends here has died in mid-frame."""
    decoder = FrameDecoder()
    frames = decoder.receive(STREAM + FRAMES[1][:7])
    check(frames)
    assert decoder.has_partial_frame
    assert decoder.receive(FRAMES[1][7:]) == [(Kind.BODY, 1, b"more")]


def test_nothing_is_no_frame() -> None:
    """An empty read, which no transport should hand on."""
    assert FrameDecoder().receive(b"") == []


@pytest.mark.parametrize("length", [0, 4, MAX_FRAME_BYTES + 1, 0xFFFFFFFF])
def test_an_impossible_length_is_refused_at_once(length: int) -> None:
    """Before memory is spent on it."""
    with pytest.raises(WireError, match="limit"):
        FrameDecoder().receive(HEADER.pack(length, 1, Kind.DATA))


@pytest.mark.parametrize("kind", [0, 11, 15, 29, 255])
def test_an_unknown_kind_is_refused(kind: int) -> None:
    """A newer peer, or garbage."""
    with pytest.raises(WireError, match="unknown kind"):
        FrameDecoder().receive(HEADER.pack(5, 1, kind))


def test_the_largest_frame_passes() -> None:
    """The limit counts what follows the length field."""
    body = b"x" * (MAX_FRAME_BYTES - 5)
    assert FrameDecoder().receive(encode(Kind.DATA, 1, body)) == [(Kind.DATA, 1, body)]


def test_the_largest_request_head_fits_into_a_frame() -> None:
    """`<listener maxRequestBytes>` may be 16 MiB."""
    frame = REQUEST._replace(fields=b"x" * 16777216, body=b"x" * MAX_DATA_BYTES)
    ((_, _, body),) = FrameDecoder().receive(encode_request(1, frame))
    assert decode_request(body) == frame


def test_texts_without_measure_are_cut() -> None:
    """What a plugin adds to the log, and why it says that it failed."""
    long = "x" * MAX_FRAME_BYTES
    frame = LogFrame(*([long] * len(LogFrame._fields)))._replace(status="", win32_status="")
    ((_, _, body),) = FrameDecoder().receive(encode_log(1, frame))
    assert {len(text) for text in decode_log(body)} == {0, MAX_LOG_CHARACTERS}
    ((_, _, body),) = FrameDecoder().receive(encode_reset(1, 500, 0, 0, "\udcff" + long))
    assert decode_reset(body)[3].startswith("?xxx")


@pytest.mark.parametrize("size", range(REQUEST_BODY.size))
def test_a_request_shorter_than_its_fixed_part(size: int) -> None:
    """Truncated."""
    with pytest.raises(WireError):
        decode_request(encode_request(1, REQUEST)[HEADER.size : HEADER.size + size])


def test_a_request_whose_parts_are_longer_than_itself() -> None:
    """Each of the five lengths."""
    for place in range(1, 6):
        numbers: list[int] = [0, 0, 0, 0, 0, 0, 0]
        numbers[place] = 10
        with pytest.raises(WireError, match="longer than itself"):
            decode_request(REQUEST_BODY.pack(*numbers) + b"123456789")


LONG = b"x" * 65536


@pytest.mark.parametrize(
    "frame",
    [
        REQUEST._replace(connection=LONG),
        REQUEST._replace(application=LONG),
        REQUEST._replace(method=LONG),
        REQUEST._replace(target=LONG),
    ],
)
def test_a_part_too_long_for_its_length_field_is_not_encoded(frame: RequestFrame) -> None:
    """The limits of a request head are far below; this is the last line."""
    with pytest.raises(WireError, match="too long"):
        encode_request(1, frame)


@pytest.mark.parametrize(
    "body", [b"", b"x" * (RESPONSE_BODY.size - 1), RESPONSE_BODY.pack(0, 0, 200, 0, 0, 5) + b"1234"]
)
def test_a_truncated_response(body: bytes) -> None:
    """The fixed part, or the head it announces."""
    with pytest.raises(WireError):
        decode_response(body)


def test_credit_is_nought_or_one() -> None:
    """A worker gives back what one request cost."""
    with pytest.raises(WireError, match="credits"):
        decode_response(RESPONSE_BODY.pack(0, 2, 200, 0, 0, 0))
    for body in (b"", b"\2", b"\1\0"):
        with pytest.raises(WireError):
            decode_end(body)
    with pytest.raises(WireError, match="credit"):
        decode_reset(encode_reset(1, 500, 0, 2, "")[HEADER.size :])


@pytest.mark.parametrize("status", [0, 200, 399, 600])
def test_a_reset_is_an_error(status: int) -> None:
    """400 to 599."""
    with pytest.raises(WireError, match="status"):
        decode_reset(encode_reset(1, status, 0, 0, "")[HEADER.size :])


@pytest.mark.parametrize("body", [b"", b"1234"])
def test_a_truncated_reset(body: bytes) -> None:
    """The fixed part."""
    with pytest.raises(WireError):
        decode_reset(body)


def test_a_resets_reason_is_cut_and_forgiving() -> None:
    """It is for people."""
    assert len(decode_reset(encode_reset(1, 500, 0, 0, "x" * 10000)[HEADER.size :])[3]) == 4096
    assert decode_reset(encode_reset(1, 500, 0, 0, "")[HEADER.size :] + b"\xff")[3] == "\ufffd"


@pytest.mark.parametrize("size", [0, 3, 5])
def test_a_number_has_four_bytes(size: int) -> None:
    """WINDOW, CREDIT, BODY_WINDOW."""
    with pytest.raises(WireError):
        decode_number(b"x" * size)


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_session_end_has_eight_bytes(size: int) -> None:
    """The connection's number."""
    with pytest.raises(WireError):
        decode_session_end(b"x" * size)


@pytest.mark.parametrize("size", [0, 19, 21])
def test_a_file_has_twenty_bytes(size: int) -> None:
    """Sequence, offset, length."""
    with pytest.raises(WireError):
        decode_file(b"x" * size)


@pytest.mark.parametrize("body", [b"", b"\0" * 11, b"\0" * 12, b"\0" * 11 + b"\x80", b"\0" * 13])
def test_a_pipe_has_a_number_and_a_size(body: bytes) -> None:
    """Sequence, and how much may be read: something, and no more than a file can have."""
    with pytest.raises(WireError):
        decode_pipe(body)


@pytest.mark.parametrize("body", [b"", b"\0" * 8, b"\4" + b"\0" * 8, b"\0" * 10])
def test_a_pipe_has_four_states(body: bytes) -> None:
    """One of them, and a number."""
    with pytest.raises(WireError):
        decode_pipe_state(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" * 5,
        b"\0" * 7,
        b"\0\0\0\0\0abc\0",
        b"\0\0\0\0\x0099\0",
        b"\0\0\0\0\x001000\0",
        b"\0\0\0\0\0\x0012345678901",
        b"\0\0\0\0\0\0-1",
        b"\0\0\0\0\0\0\xc2\xb2",
    ],
)
def test_a_malformed_log_frame(body: bytes) -> None:
    """Seven texts, two of them numbers."""
    with pytest.raises(WireError):
        decode_log(body)


def test_a_nul_cannot_move_the_texts_of_a_log_frame() -> None:
    """It becomes a space."""
    frame = decode_log(encode_log(1, LogFrame(user_name="a\0b", target="/x"))[HEADER.size :])
    assert (frame.user_name, frame.client, frame.target) == ("a b", "", "/x")


short = st.binary(max_size=50)


@given(st.integers(0, 255), short, short, short, short, short, st.integers(-(2**63), 2**63 - 1), short)
def test_any_request_survives_the_wire(
    flags: int,
    connection: bytes,
    application: bytes,
    method: bytes,
    target: bytes,
    fields: bytes,
    length: int,
    body: bytes,
) -> None:
    """What is encoded is decoded."""
    frame = RequestFrame(flags, connection, application, method, target, fields, length, body)
    ((kind, number, raw),) = FrameDecoder().receive(encode_request(9, frame))
    assert (kind, number, decode_request(raw)) == (Kind.REQUEST, 9, frame)


@given(st.binary(max_size=200))
def test_garbage_is_frames_or_a_wire_error(data: bytes) -> None:
    """Nothing else can come out."""
    try:
        frames = FrameDecoder().receive(data)
    except WireError:
        return
    for kind, _, body in frames:
        decoder = DECODERS.get(kind)
        if decoder is not None:
            with contextlib.suppress(WireError):
                decoder(body)


DECODERS = {
    Kind.REQUEST: decode_request,
    Kind.RESPONSE: decode_response,
    Kind.FILE: decode_file,
    Kind.PIPE: decode_pipe,
    Kind.PIPE_STATE: decode_pipe_state,
    Kind.END: decode_end,
    Kind.RESET: decode_reset,
    Kind.LOG: decode_log,
    Kind.WINDOW: decode_number,
    Kind.SESSION_END: decode_session_end,
}
