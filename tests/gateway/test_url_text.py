"""Paths as they stand in a URL."""

from __future__ import annotations

import pytest

from host.gateway.url_text import url_text


@pytest.mark.parametrize(
    ("path", "raw_query", "text"),
    [
        ("/a b/é?", "", "/a%20b/%C3%A9%3F"),
        ("/a/b.html", "x=1&y=%20", "/a/b.html?x=1&y=%20"),
        ("/a+b@c;d='e'(f)!,$&*~:", "", "/a+b@c;d='e'(f)!,$&*~:"),
        ("/50%", "", "/50%25"),
        ("/\udcff", "", "/%FF"),
    ],
)
def test_path_and_query_become_text(path: str, raw_query: str, text: str) -> None:
    """Only what cannot stand in a path is encoded, bytes that are no UTF-8 too; the query is as it came."""
    assert url_text(path, raw_query) == text
