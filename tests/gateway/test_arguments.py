"""Indexed queries as command line words."""

from __future__ import annotations

import pytest

from host.gateway.arguments import query_words


@pytest.mark.parametrize(
    ("raw_query", "words"),
    [
        ("a+b%20c", (b"a", b"b c")),
        ("one", (b"one",)),
        ("a%3Db", (b"a=b",)),
        ("%C3%BC+%ff", (b"\xc3\xbc", b"\xff")),
        ("%3Bls+$(id)", (b";ls", b"$(id)")),
        ("a++b", (b"a", b"", b"b")),
        ("", ()),
        ("a=b", ()),
        ("a+b=c", ()),
        ("-s", ()),
        ("%2Ds", ()),
        ("-d+allow_url_include%3d1", ()),
        ("a+-d", ()),
        ("a%zz", ()),
        ("a%4", ()),
        ("a%00b", ()),
        ("+".join("x" * 1025), ()),
    ],
)
def test_words_of_a_query(raw_query: str, words: tuple[bytes, ...]) -> None:
    """Split at plus signs and decoded; nothing at all as soon as one word is wrong or looks like a switch."""
    assert query_words("GET", raw_query) == words


@pytest.mark.parametrize(("method", "expected"), [("HEAD", (b"a",)), ("POST", ()), ("get", ())])
def test_only_get_and_head_have_words(method: str, expected: tuple[bytes, ...]) -> None:
    """RFC 3875 section 4.4; methods are case-sensitive."""
    assert query_words(method, "a") == expected
