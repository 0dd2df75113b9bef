"""What may enter the cache and what may be answered from it, rule by rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.http1.request_head import RequestHead
from host.http1.writer import read_worker_head
from host.listener.cache_rules import (
    RULES,
    Offer,
    conditions_of,
    fields_of,
    head_of_not_modified,
    is_unmodified,
    why_not,
)
from host.wire.frames import CacheFlag, CacheFrame, ResponseFlag, ResponseFrame

UNTIL_INVALID = CacheFrame(0, 0)
DATE = b"Tue, 15 Nov 1994 12:45:26 GMT"


def offer(
    *,
    method: bytes = b"GET",
    target: bytes = b"/a",
    fields: bytes = b"Host: x\r\n",
    head: bytes = b"200 OK\r\nContent-Type: text/plain\r\n",
    body: bytes = b"x",
    flags: int = 1,
    policy: CacheFrame = UNTIL_INVALID,
    is_kept_back: bool = False,
    content_length: int = 0,
    max_bytes: int = 262144,
) -> Offer:
    """An answer that may enter, but for what is said."""
    request = RequestHead(method, target, 1, fields, 100)
    request.content_length = content_length
    frame = ResponseFrame(flags, 1, int(head[:3]), 0, 0, head, body)
    return Offer(request, frame, read_worker_head(head), policy, fields_of(head), is_kept_back, max_bytes)


BREAKS = {
    "its worker leaves, or its log line is its own": offer(is_kept_back=True),
    "a filter or the user's name keeps it out": offer(flags=1 | ResponseFlag.NO_CACHE),
    "the method is not GET": offer(method=b"HEAD"),
    "the request has a body": offer(content_length=3),
    "the URL has a query": offer(target=b"/a?b"),
    "the request has Authorization, a precondition or Translate: f": offer(
        fields=b"Host: x\r\nAuthorization: Basic eDp5\r\n"
    ),
    "the request asks for a part": offer(fields=b"Host: x\r\nRange: bytes=0-1\r\n"),
    "the request has cookies": offer(fields=b"Host: x\r\nCookie: a=b\r\n"),
    "the status": offer(head=b"404 Not Found\r\n"),
    "the body is empty or was cut": offer(head=b"200 OK\r\nContent-Length: 1\r\n", body=b"xyz"),
    "it is larger than uriMaxUriBytes": offer(body=b"x" * 100, max_bytes=100),
    "its header block is too long": offer(head=b"200 OK\r\nA: " + b"b" * 1100 + b"\r\n"),
    "it sets a cookie": offer(head=b"200 OK\r\nset-Cookie: a=b\r\n"),
    "it varies": offer(head=b"200 OK\r\nVary: Accept-Language\r\n"),
    "it is a part": offer(head=b"200 OK\r\nContent-Range: bytes 0-0/5\r\n"),
    "it asks for credentials": offer(head=b"200 OK\r\nWWW-Authenticate: Basic\r\n"),
    "it is private": offer(head=b"200 OK\r\nCache-Control: max-age=3, private\r\n"),
    "Last-Modified is no date": offer(head=b"200 OK\r\nLast-Modified: yesterday\r\n"),
}


@pytest.mark.parametrize("reason", [reason for reason, _ in RULES])
def test_every_rule_keeps_an_answer_out(reason: str) -> None:
    """Each rule of the table by an answer that breaks this one alone."""
    assert why_not(BREAKS[reason]) == reason
    assert [found for found, holds in RULES if not holds(BREAKS[reason])] == [reason]


def test_an_everyday_answer_may_enter() -> None:
    """So may one to a client with cookies if they do not matter, and one with a date and a tag."""
    assert why_not(offer()) == ""
    ignoring = CacheFrame(CacheFlag.IGNORES_COOKIES, 0)
    assert why_not(offer(fields=b"Host: x\r\nCookie: a=b\r\n", policy=ignoring)) == ""
    assert (
        why_not(offer(head=b'200 OK\r\nETag: "a"\r\nLast-Modified: ' + DATE + b"\r\nCache-Control: no-cache\r\n")) == ""
    )


@pytest.mark.parametrize("name", [b"Authorization", b"IF-MATCH", b"If-Match", b"if-unmodified-since"])
@pytest.mark.parametrize("before", [b"", b"Host: x\r\n", b"Host: x\r\n" + b"A: b\r\n" * 400])
def test_a_request_that_a_worker_must_see_is_recognised(name: bytes, before: bytes) -> None:
    """Wherever the field stands, however it is written; also in a block that is too long to be remembered."""
    assert conditions_of(before + name + b": x\r\n").is_special
    assert not conditions_of(before + b"X-" + name + b": x\r\n").is_special
    assert not conditions_of(before + b"X: " + name + b": x\r\n").is_special


def test_an_answer_to_a_request_for_a_part_stays_out() -> None:
    """Also when it is the whole, and when only If-Range is there."""
    assert why_not(offer(fields=b'Host: x\r\nIf-Range: "a"\r\n')) == "the request asks for a part"


def test_a_range_and_its_condition_are_read() -> None:
    """Of two fields of one name a list is made, which no range of ours is."""
    found = conditions_of(b'RANGE: bytes=1-\r\nif-range: "a"\r\n')
    assert (found.is_special, found.byte_range, found.if_range) == (False, b"bytes=1-", b'"a"')
    assert conditions_of(b"Range: bytes=1-\r\nRange: bytes=0-0\r\n").byte_range == b"bytes=1-,bytes=0-0"


def test_translate_counts_with_f_alone() -> None:
    """Translate: f asks for the source; anything else is an everyday request (RFC 4918's predecessors, IIS)."""
    assert conditions_of(b"Translate: F \r\n").is_special
    assert not conditions_of(b"Translate: t\r\n").is_special


@pytest.mark.parametrize(
    ("fields", "is_304"),
    [
        (b'If-None-Match: "a"\r\n', True),
        (b'If-None-Match: "b", W/"a"\r\n', True),
        (b'If-None-Match: "b"\r\nIf-None-Match: "a"\r\n', True),
        (b"If-None-Match: *\r\n", True),
        (b'If-None-Match: "b"\r\nIf-Modified-Since: ' + DATE + b"\r\n", False),
        (b"If-Modified-Since: " + DATE + b"\r\n", True),
        (b"If-Modified-Since: Tue, 15 Nov 1994 12:45:27 GMT\r\n", True),
        (b"If-Modified-Since: Tue, 15 Nov 1994 12:45:25 GMT\r\n", False),
        (b"If-Modified-Since: soon\r\n", False),
        (b"Host: x\r\n", False),
    ],
)
def test_304_is_answered_by_tag_or_date(fields: bytes, is_304: bool) -> None:
    """RFC 9110 13.2.2: a tag decides alone."""
    assert is_unmodified(conditions_of(fields), b'"a"', DATE) is is_304
    assert not is_unmodified(conditions_of(b'If-None-Match: ""\r\n'), b"", b"")


def test_the_head_of_304_says_nothing_of_the_content() -> None:
    """RFC 9110 15.4.5."""
    raw_head = (
        b'200 OK\r\nContent-Type: a/b\r\nETag: "x"\r\nContent-Encoding: gzip\r\nContent-Location: /b\r\nExpires: 0\r\n'
    )
    assert head_of_not_modified(raw_head) == (
        b'304 Not Modified\r\nETag: "x"\r\nContent-Location: /b\r\nExpires: 0\r\n'
    )


@given(
    st.lists(
        st.tuples(st.sampled_from([b"A", b"Cookie", b"if-match", b"X-If-Match"]), st.binary(max_size=8)), max_size=6
    )
)
def test_any_block_is_read_as_a_plain_loop_would(lines: list[tuple[bytes, bytes]]) -> None:
    """The regular expression against the slow way."""
    block = b"".join(name + b": " + value.translate(None, b"\r\n\0") + b"\r\n" for name, value in lines)
    names = [name for name, _ in lines]
    found = conditions_of(block)
    assert (found.is_special, found.has_cookie) == (b"if-match" in names, b"Cookie" in names)
