"""Path patterns of handler mappings."""

from __future__ import annotations

import pytest

from host.worker.url_patterns import WHOLE, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "path", "lengths"),
    [
        ("*", "/any/thing", [WHOLE]),
        ("*.py", "/a.py", [5]),
        ("*.py", "/a.PY", [5]),
        ("*.py", "/a.py/tail", [5]),
        ("*.py", "/d.py/a.py/tail", [5, 10]),
        ("*.py", "/a.pyc", []),
        ("*.py", "/apy", []),
        ("*.py", "/.py", [4]),
        ("trace.axd", "/deep/Trace.axd", [15]),
        ("trace.axd", "/mytrace.axd", []),
        ("*.", "/folder/name", [12]),
        ("*.", "/folder/name.txt", []),
        ("*.", "/folder/", []),
        ("*.", "/dot.ted/name", [13]),
        ("cgi-bin/*", "/cgi-bin/a/b", [WHOLE]),
        ("/cgi-bin/*", "/cgi-bin/", [WHOLE]),
        ("/cgi-bin/*", "/cgi-bin", []),
        ("/cgi-bin/*", "/other/cgi-bin/a", []),
        ("/api/*.json", "/api/v1/a.json", [WHOLE]),
        ("/api/*.json", "/api/v1/a.xml", []),
        ("a*z.txt", "/a-to-z.txt", [11]),
        ("*.htm,*.html", "/x.html", [7]),
        ("*.[x]", "/a.x", []),
        ("*.[x]", "/a.[x]", [6]),
        ("*a*b*.x", "/zazbz.x/t", [8]),
        ("*a*b*.x", "/zbza.x", []),
        ("**.x", "/.x", [3]),
        ("*ab*b.x", "/ab.x", []),
        ("*ab*b.x", "/aabb.x", [7]),
        ("/a/*/b/*", "/A/x/y/B/", [WHOLE]),
        ("wiki/*", "/w\N{LATIN SMALL LETTER DOTLESS I}ki/x", []),
        ("wiki/*", "/WİKİ/x", []),
        ("*.cgis", "/x.cgi\N{LATIN SMALL LETTER LONG S}", []),
        ("*.kit", "/x.KİT/y.\N{KELVIN SIGN}IT", [12]),
        ("*.ÄΣ", "/x.äσ", [5]),
    ],
)
def test_patterns_match_where_iis_matches(pattern: str, path: str, lengths: list[int]) -> None:
    """Segments anywhere in the path, folders of the application, everything; letters without case."""
    assert compile_pattern(pattern)(path, "/") == lengths


def test_folder_patterns_are_relative_to_the_application() -> None:
    """With a leading slash they may also name the path from the site's root."""
    for pattern in ("cgi-bin/*", "/cgi-bin/*"):
        assert compile_pattern(pattern)("/shop/cgi-bin/a", "/shop") == [WHOLE]
    assert compile_pattern("/shop/cgi-bin/*")("/shop/cgi-bin/a", "/shop") == [WHOLE]
    assert compile_pattern("shop/cgi-bin/*")("/shop/cgi-bin/a", "/shop") == []


def test_stars_cost_no_more_than_the_length_of_a_path() -> None:
    """Some thousand steps where an expression that goes back would take as many as the path has characters, to the
    power of the stars: a client's URL must not hold up a worker. With that, this test would not end."""
    for pattern in ("*-*-*-*-*-*.x", "/a/*-*-*-*-*-*.x"):
        assert compile_pattern(pattern)("/a/" + "-a" * 8000 + "y", "/") == []
        assert compile_pattern(pattern)("/a/" + "-a" * 8000 + ".x", "/") != []


def test_a_pattern_is_compiled_once_in_a_process_and_those_forked_from_it() -> None:
    """A pool's parent compiles what its workers will need."""
    assert compile_pattern("*.once, /once/*") is compile_pattern("*.once, /once/*")
