"""One range out of a body that is kept, held against what the handlers make of the same field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.gateway.byte_ranges import Unsatisfiable, parse_ranges
from host.gateway.preconditions import range_applies
from host.http1.writer import read_worker_head
from host.listener.cache_rules import Conditions
from host.listener.cached_parts import Part, head_of_part, is_for_a_worker, read_range, wanted_part
from host.listener.response_cache import CacheEntry
from host.wire.frames import ResponseFrame

DATE = b"Tue, 15 Nov 1994 12:45:26 GMT"
DATE_SECONDS = 784903526
BODY = b"0123456789"


def entry(*fields: bytes, status: bytes = b"200 OK") -> CacheEntry:
    """An answer of ten bytes with these fields."""
    raw_head = status + b"\r\n" + b"".join(field + b"\r\n" for field in fields)
    frame = ResponseFrame(1, 1, int(status[:3]), 0, 0, raw_head, BODY)
    return CacheEntry(("x", False, b"x", b"/"), 1, object(), 1, frame, read_worker_head(raw_head))


def asks(byte_range: bytes, if_range: bytes = b"") -> Conditions:
    """A request with these."""
    return Conditions(is_special=False, has_cookie=False, byte_range=byte_range, if_range=if_range)


TOKENS = st.lists(st.sampled_from(["bytes", "=", "-", ",", "0", "1", "9", "10", "11", " ", "x"]), max_size=8)


@given(st.one_of(TOKENS.map("".join), st.from_regex(r"bytes=[0-9]{0,2}-[0-9]{0,2}", fullmatch=True)))
def test_a_range_means_what_it_means_to_a_handler(text: str) -> None:
    """Whatever the cache reads a handler reads the same way; and a single range that a handler reads, it reads too."""
    found = read_range(text.encode(), len(BODY))
    try:
        ranges = parse_ranges(text.strip(), len(BODY)) or []
    except Unsatisfiable:
        ranges = []
    if found is not None:
        assert [(one.offset, one.length) for one in ranges] == [(found.first, found.last - found.first + 1)]
        assert len(found.cut(BODY)) == ranges[0].length
    elif " " not in text and "," not in text:
        assert ranges == []


@pytest.mark.parametrize("if_range", [b'"a"', b'"b"', b'W/"a"', DATE, b"Tue, 15 Nov 1994 12:45:27 GMT", b"soon"])
@pytest.mark.parametrize("age_seconds", [0, 1, 2, 3, 1000])
def test_if_range_means_what_it_means_to_a_handler(if_range: bytes, age_seconds: int) -> None:
    """A tag, a date, and a date that is too young to be sure of."""
    now = DATE_SECONDS + age_seconds
    kept = entry(b"Accept-Ranges: bytes", b'ETag: "a"', b"Last-Modified: " + DATE)
    applies = range_applies(if_range.decode(), '"a"', DATE_SECONDS, now)
    assert wanted_part(asks(b"bytes=1-2", if_range), kept, now) == (Part(1, 2) if applies else None)


def test_a_weak_tag_names_no_part() -> None:
    """RFC 9110 13.1.5: two answers of one weak tag may differ in their bytes. Nor does a tag name what has none."""
    weak = entry(b"Accept-Ranges: bytes", b'ETag: W/"a"')
    assert wanted_part(asks(b"bytes=1-2", b'W/"a"'), weak, 0) is None
    assert wanted_part(asks(b"bytes=1-2", b'""'), entry(b"Accept-Ranges: bytes"), 0) is None
    assert wanted_part(asks(b"bytes=1-2", DATE), entry(b"Accept-Ranges: bytes"), DATE_SECONDS + 9) is None


def test_only_what_has_parts_gives_them() -> None:
    """The maker has said so of a 200."""
    wanted = asks(b"bytes=1-2")
    assert not is_for_a_worker(b"GET", wanted, entry(b"accept-ranges: bytes"))
    assert not is_for_a_worker(b"HEAD", wanted, entry())
    for other in (
        entry(),
        entry(b"Accept-Ranges: none"),
        entry(b"Accept-Ranges: bytes", status=b"203 Non-Authoritative Information"),
    ):
        assert is_for_a_worker(b"GET", wanted, other)
    assert is_for_a_worker(b"GET", asks(b"bytes=10-"), entry(b"accept-ranges: bytes"))


def test_the_head_of_a_part_has_the_fields_of_the_whole() -> None:
    """But for its length; it says which bytes these are."""
    kept = entry(b"Content-Type: a/b", b"Content-Length: 10", b"Accept-Ranges: bytes")
    head = head_of_part(kept, Part(2, 9))
    assert (head.status, head.content_length) == (206, None)
    assert head.raw_head == (
        b"206 Partial Content\r\nContent-Type: a/b\r\nAccept-Ranges: bytes\r\nContent-Range: bytes 2-9/10\r\n"
    )
