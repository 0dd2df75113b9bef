"""What an application sends for a request, and what it must not send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.gateway.fastcgi_records import (
    MANAGEMENT,
    EndRequest,
    MalformedRecord,
    RecordType,
    encode_begin,
    encode_end,
    encode_record,
    encode_stream,
)
from host.gateway.fastcgi_response import Received, ResponseReader, StrayRecord


def reader() -> ResponseReader:
    made = ResponseReader()
    assert made.begin(keeps_connection=False) == 1
    return made


def test_output_errors_and_end_in_order() -> None:
    """STDERR between STDOUT; the empty records that end the streams say nothing."""
    data = encode_stream(RecordType.STDOUT, 1, b"one") + encode_stream(RecordType.STDERR, 1, b"oops")
    data += encode_stream(RecordType.STDOUT, 1, b"two") + encode_record(RecordType.STDOUT, 1)
    data += encode_record(RecordType.STDERR, 1) + encode_end(1, 3)
    expected = [Received(b"one"), Received(error_text=b"oops"), Received(b"two"), Received(end=EndRequest(3, 0))]
    assert list(reader().receive(data)) == expected


def test_one_request_after_the_other() -> None:
    """The connection is used again, with two ids that take turns; nothing may come between the requests."""
    made = ResponseReader()
    for number in (2, 1, 2, 1):
        assert made.begin(keeps_connection=True) == number
        answer = encode_stream(RecordType.STDOUT, number, b"page") + encode_end(number)
        if number == 2:
            assert list(made.receive(answer)) == [Received(b"page"), Received(end=EndRequest(0, 0))]
        else:
            assert made.receive_plain(answer) == (b"page", EndRequest(0, 0))
    with pytest.raises(MalformedRecord, match="not under way"):
        list(made.receive(encode_stream(RecordType.STDOUT, 1, b"late")))


@pytest.mark.parametrize("late", [encode_stream(RecordType.STDOUT, 2, b"late"), encode_end(2)])
def test_what_comes_behind_the_end_is_not_the_next_answer(late: bytes) -> None:
    """However late, and whether or not the next answer follows in the same packet."""
    for further in (b"", encode_stream(RecordType.STDOUT, 1, b"page") + encode_end(1)):
        made = ResponseReader()
        made.begin(keeps_connection=True)
        list(made.receive(encode_end(2)))
        made.begin(keeps_connection=True)
        assert made.receive_plain(late + further) is None
        with pytest.raises(StrayRecord, match="behind the end"):
            list(made.receive(late + further))


def test_an_application_that_answers_as_request_1_whatever_it_is_asked() -> None:
    """Its first answer shows it: from then on it is asked so."""
    made = ResponseReader()
    answer = encode_stream(RecordType.STDOUT, 1, b"page") + encode_end(1)
    assert made.begin(keeps_connection=True) == 2
    assert made.receive_plain(answer) is None
    assert list(made.receive(answer)) == [Received(b"page"), Received(end=EndRequest(0, 0))]
    for _ in range(3):
        assert made.begin(keeps_connection=True) == 1
        assert made.receive_plain(answer) == (b"page", EndRequest(0, 0))


def test_half_a_record_behind_the_end_spoils_the_connection() -> None:
    """The next request must not be answered with the rest of it."""
    made = reader()
    list(made.receive(encode_end(1) + b"\1\6\0"))
    with pytest.raises(MalformedRecord):
        made.begin(keeps_connection=True)


def test_management_records_are_passed_over() -> None:
    """Request 0 is nobody's."""
    data = encode_record(RecordType.UNKNOWN_TYPE, MANAGEMENT, bytes(8)) + encode_stream(RecordType.STDOUT, 1, b"x")
    assert list(reader().receive(data)) == [Received(b"x")]


@pytest.mark.parametrize(
    "record",
    [
        encode_stream(RecordType.STDOUT, 2, b"another request's"),
        encode_begin(1, keeps_connection=True),
        encode_record(77, 1),
        encode_record(RecordType.END_REQUEST, 1, b"short"),
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_what_no_application_may_send(record: bytes) -> None:
    """Other requests, records of a server, unknown types, a crippled end, another protocol."""
    with pytest.raises(MalformedRecord):
        list(reader().receive(record))


@given(st.binary(max_size=100))
def test_any_bytes_are_a_response_or_refused(data: bytes) -> None:
    """Nothing but MalformedRecord is ever raised."""
    try:
        list(reader().receive(data))
    except MalformedRecord:
        return


STDERR = encode_stream(RecordType.STDERR, 1, b"oops")


def joined(received: list[Received]) -> tuple[bytes, EndRequest | None, bool]:
    """All of the output, the end, and whether there was error text."""
    end = [one.end for one in received if one.end is not None]
    output = b"".join(one.output for one in received)
    return output, end[0] if end else None, any(one.error_text for one in received)


@given(
    outputs=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    pads=st.booleans(),
    status=st.one_of(st.none(), st.integers(0, 2**32 - 1)),
    further=st.sampled_from([b"", b"", b"\0", STDERR, encode_end(1), encode_stream(RecordType.STDOUT, 2, b"x")]),
    begins=st.sampled_from([b"", b"", STDERR, encode_record(RecordType.STDOUT, 1)]),
)
def test_an_everyday_answer_is_read_at_once_as_it_is_read_in_pieces(
    outputs: list[bytes], pads: bool, status: int | None, further: bytes, begins: bytes
) -> None:
    """The short way gives what the long one does, or leaves everything to it."""
    data = begins + b"".join(encode_record(RecordType.STDOUT, 1, one, pads=pads) for one in outputs)
    if status is not None:
        data += encode_end(1, status)
    data += further
    made = reader()
    at_once = made.receive_plain(data)
    if begins != STDERR and not further and (status is None or any(outputs)):
        assert at_once is not None
        assert (*at_once, False) == joined(list(reader().receive(data)))
        assert at_once[1] is None if status is None else at_once[1] == EndRequest(status, 0)
        if status is not None:
            assert made.receive_plain(data) is None  # no request is under way any more
            made.begin(keeps_connection=False)
        assert made.receive_plain(data) == at_once
    elif status is None and further == encode_end(1) and begins != STDERR and any(outputs):
        assert at_once == (b"".join(outputs), EndRequest(0, 0))
    else:
        assert at_once is None


@given(st.lists(st.tuples(st.sampled_from([0, 3, 6, 6, 7]), st.integers(0, 12), st.binary(max_size=12)), max_size=4))
def test_what_is_no_everyday_answer_is_left_to_the_long_way(records: list[tuple[int, int, bytes]]) -> None:
    """Whatever the bytes look like: what the short way gives, the long one gives."""
    data = bytes((1, 6, 0, 1, 0, 1, 0, 0)) + b"o"
    data += b"".join(bytes((1, kind, 0, 1, 0, length, 0, 0)) + content for kind, length, content in records)
    for spoilt in (data, data + encode_end(1)):
        at_once = reader().receive_plain(spoilt)
        if at_once is not None:
            assert (*at_once, False) == joined(list(reader().receive(spoilt)))


def test_half_a_record_before_it_leaves_an_everyday_answer_to_the_long_way() -> None:
    """What has been kept comes first."""
    data = encode_stream(RecordType.STDOUT, 1, b"one") + encode_end(1)
    made = reader()
    assert list(made.receive(data[:3])) == []
    assert made.receive_plain(data) is None
