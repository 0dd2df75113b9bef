"""The page of a folder."""

from __future__ import annotations

import pytest

from host.gateway.folder_listing import ListedEntry, listing_page


def test_folders_come_first_and_names_are_only_text() -> None:
    """By name without case; markup in a name is shown, one that is no UTF-8 is no link: its URL is 400."""
    entries = [
        ListedEntry(True, b"b.txt", 1234, 0.0),
        ListedEntry(True, b"<A>\xff", 1, 0.0),
        ListedEntry(False, b"zoo", 0, 0.0),
    ]
    page = listing_page("/x & y/", entries)
    places = [page.index(shown) for shown in ('href="./zoo/"', "not UTF-8", 'href="./b.txt"')]
    assert places == sorted(places)
    assert "<A>" not in page
    assert "%FF" not in page
    assert "&lt;A&gt;\ufffd" in page
    assert "/x &amp; y/" in page
    assert "1,234" in page
    assert "1970-01-01 00:00" in page


@pytest.mark.parametrize("seconds", [1e12, -1e12, 1e30])
def test_a_file_with_an_impossible_time_is_listed_without_it(seconds: float) -> None:
    """One such file must not cost the folder its page."""
    page = listing_page("/", [ListedEntry(True, b"odd", 1, seconds), ListedEntry(True, b"plain", 1, 86400.0)])
    assert 'href="./odd"' in page
    assert "1970-01-02" in page
