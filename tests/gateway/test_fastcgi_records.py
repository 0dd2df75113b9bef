"""FastCGI records: fed whole, byte by byte, with bytes left over; and both ends wired back to back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.gateway.fastcgi_records import (
    LARGEST_CONTENT,
    MANAGEMENT,
    BeginRequest,
    MalformedRecord,
    ProtocolStatus,
    Record,
    RecordReader,
    RecordType,
    Role,
    decode_begin,
    decode_end,
    decode_pairs,
    encode_begin,
    encode_bodyless,
    encode_end,
    encode_pairs,
    encode_params,
    encode_record,
    encode_stream,
)

RECORDS = st.lists(
    st.tuples(st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=300), st.booleans()), max_size=6
)


def read_all(data: bytes, cuts: list[int] | None = None) -> list[Record]:
    """The records of `data` when it arrives in pieces that end at `cuts`."""
    reader = RecordReader()
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts or []}), len(data)]
    found = [record for start, end in itertools.pairwise(places) for record in reader.receive(data[start:end])]
    assert reader.is_between_records
    return found


@given(RECORDS, st.lists(st.integers(0, 5000), max_size=8))
def test_records_come_back_as_they_went_however_they_are_cut(
    records: list[tuple[int, int, bytes, bool]], cuts: list[int]
) -> None:
    """Types, ids and contents; padding is never seen."""
    data = b"".join(encode_record(kind, number, content, pads=pads) for kind, number, content, pads in records)
    assert read_all(data, cuts) == [Record(kind, number, content) for kind, number, content, _ in records]


def test_byte_by_byte() -> None:
    """The smallest pieces, with a padded record among them."""
    data = encode_record(RecordType.STDOUT, 1, b"hello", pads=True) + encode_end(1, 7)
    found = read_all(data, list(range(len(data))))
    assert [record.type for record in found] == [RecordType.STDOUT, RecordType.END_REQUEST]
    assert decode_end(found[1].content) == (7, ProtocolStatus.REQUEST_COMPLETE)


def test_layout_is_that_of_the_specification() -> None:
    """Bytes written out by hand from sections 3.3 and 5.1."""
    assert encode_begin(1, keeps_connection=True) == bytes([1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    assert encode_record(6, 258, b"abc", pads=True) == bytes([1, 6, 1, 2, 0, 3, 5, 0]) + b"abc" + bytes(5)
    assert encode_pairs([(b"A", b"")]) == b"\x01\x00A"
    assert encode_pairs([(b"N" * 128, b"v")])[:6] == b"\x80\x00\x00\x80\x01N"


@given(st.dictionaries(st.binary(max_size=200), st.binary(max_size=400), max_size=8))
def test_name_value_pairs_come_back(pairs: dict[bytes, bytes]) -> None:
    """Short and long lengths, empty names and values, in order."""
    assert decode_pairs(encode_pairs(pairs.items())) == list(pairs.items())


def test_params_larger_than_a_record_are_one_stream() -> None:
    """A variable of 200 KB; the stream ends with a record without content."""
    variables = {b"LARGE": b"v" * 200_000, b"N" * 130: b"x"}
    records = read_all(encode_params(1, encode_pairs(variables.items())))
    assert {record.type for record in records} == {RecordType.PARAMS}
    assert [bool(record.content) for record in records] == [True] * 5 + [False]
    assert dict(decode_pairs(b"".join(record.content for record in records))) == variables


def test_no_pair_goes_on_in_the_next_record() -> None:
    """PHP closes the connection for one that does; only what is larger than a record is cut."""
    variables = {b"HTTP_X_%d" % number: b"v" * 20_000 for number in range(20)}
    records = read_all(encode_params(1, encode_pairs(variables.items())))
    assert [len(decode_pairs(record.content)) for record in records] == [3] * 6 + [2, 0]
    assert dict(pair for record in records for pair in decode_pairs(record.content)) == variables


def test_a_stream_is_cut_into_records() -> None:
    """Nothing for nothing: an empty record would end the stream."""
    assert encode_stream(RecordType.STDIN, 1, b"") == b""
    records = read_all(encode_stream(RecordType.STDIN, 1, b"x" * 200_000))
    assert sum(len(record.content) for record in records) == 200_000
    with pytest.raises(ValueError, match="65536"):
        encode_record(RecordType.STDIN, 1, b"x" * (LARGEST_CONTENT + 1))


def test_begin_request_is_read_back() -> None:
    """What an application does with it; other sizes are refused."""
    for keeps in (True, False):
        begin = decode_begin(read_all(encode_begin(1, Role.FILTER, keeps_connection=keeps))[0].content)
        assert (begin.role, begin.keeps_connection) == (Role.FILTER, keeps)
    with pytest.raises(MalformedRecord):
        decode_begin(b"\0")


def test_questions_to_an_application() -> None:
    """GET_VALUES and its result: names, and names with values, on request 0."""
    names = encode_pairs([(b"FCGI_MAX_CONNS", b""), (b"FCGI_MPXS_CONNS", b"")])
    record = read_all(encode_record(RecordType.GET_VALUES, MANAGEMENT, names))[0]
    assert record.request_id == MANAGEMENT
    assert [name for name, _ in decode_pairs(record.content)] == [b"FCGI_MAX_CONNS", b"FCGI_MPXS_CONNS"]


@pytest.mark.parametrize("content", [b"\x01", b"\x80\x00", b"\x01\x01A", b"\x01\xff\xff\xff\xffA"])
def test_pairs_that_do_not_end_with_their_stream_are_refused(content: bytes) -> None:
    """Also a length of two gigabytes: nothing is reserved for it."""
    with pytest.raises(MalformedRecord):
        decode_pairs(content)


def test_another_version_is_refused_behind_what_was_good() -> None:
    """HTTP on a FastCGI port, or a later version of the protocol."""
    reader = RecordReader()
    given_records = reader.receive(encode_record(6, 1, b"good") + b"HTTP/1.1 400 Bad Request")
    assert next(given_records).content == b"good"
    with pytest.raises(MalformedRecord, match="byte 72"):
        next(given_records)


@pytest.mark.parametrize("size", [0, 7, 9])
def test_an_end_of_another_size_is_refused(size: int) -> None:
    """END_REQUEST has eight bytes."""
    with pytest.raises(MalformedRecord, match=f"{size} bytes"):
        decode_end(bytes(size))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_are_records_or_refused(data: bytes, cuts: list[int]) -> None:
    """Nothing but MalformedRecord is ever raised, and the cuts change nothing."""

    def outcome(places: list[int]) -> list[Record | str]:
        reader, found = RecordReader(), []
        edges = [0, *sorted({cut % (len(data) + 1) for cut in places}), len(data)]
        try:
            for start, end in itertools.pairwise(edges):
                found += list[Record | str]([*reader.receive(data[start:end])])
        except MalformedRecord:
            return ["refused"]
        return found

    assert outcome(cuts) == outcome([])


def test_more_pairs_than_are_remembered_are_encoded_like_the_first() -> None:
    """New values all the time, and the same ones again."""
    same = (b"HTTP_HOST", b"a.test")
    for number in range(5000):
        pairs = [same, (b"UNIQUE_ID", b"%d" % number)]
        assert decode_pairs(encode_pairs(pairs)) == pairs


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 200_000])
@pytest.mark.parametrize("request_id", [1, 2])
def test_a_request_without_a_body_is_one_buffer(size: int, request_id: int) -> None:
    """The same records as one by one: BEGIN_REQUEST, PARAMS and its end, the end of STDIN."""
    pairs = encode_pairs([(b"N", b"v" * size)]) if size else b""
    records = read_all(encode_bodyless(request_id, pairs, keeps_connection=True))
    assert decode_begin(records[0].content) == BeginRequest(Role.RESPONDER, True)
    assert b"".join(record.content for record in records[1:]) == pairs
    kinds = [record.type for record in records]
    assert kinds[-2:] == [RecordType.PARAMS, RecordType.STDIN]
    assert set(kinds[1:-1]) == {RecordType.PARAMS}
    assert {record.request_id for record in records} == {request_id}
    assert all(record.content for record in records[:-2])
