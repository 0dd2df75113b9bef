"""URLs that extensions hand in."""

from __future__ import annotations

import pytest

from host.api.isapi import IsapiError
from host.isapi.urls import as_location, as_target, normalized


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/", "/"),
        ("/a/b.txt?q=/../x", "/a/b.txt"),
        ("/a/./b/../c", "/a/c"),
        ("/a//b\\c", "/a/b/c"),
        ("/a%2Fb%20c", "/a/b c"),
        ("/a/b/..", "/a/"),
        (b"/%C3%BC", "/ü"),
    ],
)
def test_urls_are_normalised_as_the_server_does(url: str | bytes, path: str) -> None:
    """Decoded, one kind of slash, no dots."""
    assert normalized(url) == path


@pytest.mark.parametrize("url", ["/..", "/a/../../b", "relative", "", "/%2e%2e/x"])
def test_nothing_leads_above_the_root(url: str) -> None:
    """However it is written: 87."""
    with pytest.raises(IsapiError) as caught:
        normalized(url)
    assert caught.value.code == 87


def test_targets_and_locations_can_be_sent() -> None:
    """Blanks, line ends and quotes are encoded; what is encoded stays so."""
    assert as_target("/a b%20c?d=<e>") == "/a%20b%20c?d=%3Ce%3E"
    assert as_target("/ü") == "/%FC"
    assert as_location('http://x/a"\r\nB: c') == "http://x/a%22%0D%0AB:%20c"
    with pytest.raises(IsapiError):
        as_target("a")
