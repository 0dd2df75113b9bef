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
from host.gateway.fastcgi_response import REQUEST_ID, Received, ResponseReader


def reader() -> ResponseReader:
    made = ResponseReader()
    made.begin()
    return made


def test_output_errors_and_end_in_order() -> None:
    """STDERR between STDOUT; the empty records that end the streams say nothing."""
    data = encode_stream(RecordType.STDOUT, 1, b"one") + encode_stream(RecordType.STDERR, 1, b"oops")
    data += encode_stream(RecordType.STDOUT, 1, b"two") + encode_record(RecordType.STDOUT, 1)
    data += encode_record(RecordType.STDERR, 1) + encode_end(1, 3)
    expected = [Received(b"one"), Received(error_text=b"oops"), Received(b"two"), Received(end=EndRequest(3, 0))]
    assert list(reader().receive(data)) == expected


def test_one_request_after_the_other() -> None:
    """The connection is used again; nothing may come between the requests."""
    made = reader()
    list(made.receive(encode_end(REQUEST_ID)))
    made.begin()
    assert list(made.receive(encode_end(REQUEST_ID))) == [Received(end=EndRequest(0, 0))]
    with pytest.raises(MalformedRecord, match="not under way"):
        list(made.receive(encode_stream(RecordType.STDOUT, 1, b"late")))


def test_half_a_record_behind_the_end_spoils_the_connection() -> None:
    """The next request must not be answered with the rest of it."""
    made = reader()
    list(made.receive(encode_end(REQUEST_ID) + b"\1\6\0"))
    with pytest.raises(MalformedRecord):
        made.begin()


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
