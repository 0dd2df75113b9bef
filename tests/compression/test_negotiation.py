"""Types, fields and clients that decide whether an answer is compressed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from host.api import Headers
from host.compression.negotiation import (
    KEPT_TYPES,
    add_vary,
    describe_coded,
    is_excluded,
    is_type_on,
    read_fields,
    rules_of,
    weaken_entity_tag,
)
from host.config.compression import Compression, Scheme
from tests.extensions.requests import make_request

TYPES = {
    "text/*": True,
    "text/event-stream": False,
    "application/json": False,
    "application/json;charset=utf-8": True,
    "*/*": False,
}


@pytest.mark.parametrize(
    ("content_type", "is_on"),
    [
        ("text/html", True),
        ("Text/HTML; charset=utf-8", True),
        ("text/event-stream", False),
        ("application/json", False),
        ("application/json; charset=UTF-8", True),
        ("image/png", False),
        ("", False),
    ],
)
def test_the_most_specific_type_decides(content_type: str, is_on: bool) -> None:
    """The whole value, then the type, then all of its kind, then everything."""
    assert is_type_on(TYPES, content_type) is is_on


def test_rules_remember_the_types_that_they_were_asked_for() -> None:
    """Each list its own answers, and not more of them than there is room for."""
    rules = rules_of(Compression(static_types=TYPES, dynamic_types={"*/*": True}))
    for _ in range(2):
        assert (rules.is_static_type("text/css"), rules.is_static_type("image/png")) == (True, False)
        assert rules.is_dynamic_type("image/png")
    for number in range(KEPT_TYPES * 2):
        assert not rules.is_static_type(f"image/x-{number}")
    assert len(rules.static_types) <= KEPT_TYPES


def test_without_an_entry_nothing_is_on() -> None:
    """An emptied list compresses nothing, and */* everything."""
    assert not is_type_on({}, "text/html")
    assert is_type_on({"*/*": True}, "anything/at-all")
    assert is_type_on({"*/*": True}, "")


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ([], True),
        ([("Content-Encoding", "identity")], True),
        ([("Content-Encoding", "gzip")], False),
        ([("Cache-Control", "max-age=5, no-transform")], False),
        ([("Cache-Control", "private"), ("cache-control", "No-Transform")], False),
        ([("Cache-Control", "no-transformation")], True),
    ],
)
def test_nothing_is_coded_twice_or_against_its_makers_will(fields: list[tuple[str, str]], may: bool) -> None:
    """RFC 9111 section 5.2.2.6."""
    assert read_fields(Headers(fields)).is_final is not may


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["Accept-Encoding"]),
        (["Origin"], ["Origin, Accept-Encoding"]),
        (["Origin", "Cookie"], ["Origin, Cookie, Accept-Encoding"]),
        (["accept-encoding"], ["accept-encoding"]),
        (["*"], ["*"]),
    ],
)
def test_vary_is_said_once(before: list[str], after: list[str]) -> None:
    """Beside what varies already."""
    headers = Headers([("Vary", value) for value in before])
    add_vary(headers, read_fields(headers).vary)
    assert headers.get_all("Vary") == after


@pytest.mark.parametrize(("before", "after"), [('"a"', 'W/"a"'), ('W/"a"', 'W/"a"'), ("", "")])
def test_a_strong_tag_becomes_a_weak_one(before: str, after: str) -> None:
    """RFC 9110 section 8.8.1: other bytes need another strong tag, or a weak one."""
    headers = Headers([("ETag", before)] if before else [])
    weaken_entity_tag(headers)
    assert headers.get("ETag") == after


def test_what_was_said_of_the_bytes_is_taken_back() -> None:
    """Lengths and digests of bytes that are not sent; cache fields only where they are wanted."""
    names = ("Content-Length", "Content-MD5", "Content-Digest", "Repr-Digest", "Digest", "Accept-Ranges")
    headers = Headers([*((name, "1") for name in names), ("Cache-Control", "private"), ("X-Other", "1")])
    describe_coded(headers, "br", Compression())
    assert headers.items() == [("Cache-Control", "private"), ("X-Other", "1"), ("Content-Encoding", "br")]
    describe_coded(headers, "br", Compression(sends_cache_headers=True, expires="never", cache_control="no-cache"))
    assert (headers["Expires"], headers["Cache-Control"]) == ("never", "no-cache")


@pytest.mark.parametrize(
    ("fields", "switch"),
    [({"Via": "1.1 proxy"}, "not_for_proxies"), ({"Range": "bytes=0-"}, "not_for_ranges")],
)
def test_who_is_excluded(tmp_path: Path, fields: dict[str, str], switch: str) -> None:
    """Each rule by its own switch."""
    request = make_request(tmp_path, "/", fields=fields)
    assert is_excluded(request, Compression())
    assert not is_excluded(request, replace(Compression(), **{switch: False}))  # type: ignore[arg-type]
    assert not is_excluded(make_request(tmp_path, "/"), Compression())


def test_http_1_0_is_excluded(tmp_path: Path) -> None:
    """noCompressionForHttp10."""
    request = make_request(tmp_path, "/")
    request.http_version = "1.0"
    assert is_excluded(request, Compression())
    assert not is_excluded(request, Compression(not_for_http_1_0=False))


def test_schemes_say_what_they_are_for(tmp_path: Path) -> None:
    """And how hard they try; several fields are one list."""
    schemes = (
        Scheme(name="br", is_for_dynamic=False, static_level=9),
        Scheme(name="gzip", is_for_static=False, dynamic_level=3),
    )
    rules = rules_of(Compression(schemes=schemes))
    request = make_request(tmp_path, "/")
    request.headers.add("Accept-Encoding", "gzip")
    assert rules.choose_static(request) is None
    request.headers.add("accept-encoding", "br")
    assert (rules.choose_static(request), rules.choose_dynamic(request)) == (("br", 9), ("gzip", 3))
    request.headers.add("Via", "1.1 proxy")
    assert (rules.choose_static(request), rules.choose_dynamic(request)) == (None, None)
