"""Files that somebody has compressed beforehand, beside the files that they stand for."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from extensions import static_file
from host.api import HttpError, Response
from host.compression.encoders import compress_whole
from tests.compression.private_folder import settle
from tests.compression.test_encoders import TEXT, decode
from tests.extensions.requests import STATIC_SETTINGS, content_of, make_request, open_descriptors
from tests.worker.front import run

SETTINGS = replace(
    STATIC_SETTINGS, static_content=replace(STATIC_SETTINGS.static_content, serve_precompressed_files=True)
)
SUFFIXES = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
BROWSER = "gzip, deflate, br, zstd"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A page with a sibling in every coding. What was kept of other tests' files is forgotten."""
    static_file._kept.clear()
    root = tmp_path / "root"
    root.mkdir()
    page = root / "page.html"
    page.write_bytes(TEXT)
    for coding, suffix in SUFFIXES.items():
        (root / f"page.html{suffix}").write_bytes(compress_whole(coding, 7, TEXT))
    settle(root / "page.html.gz")
    return root


def get(root: Path, accepted: str = BROWSER, method: str = "GET", **fields: str) -> Response:
    sent = {"Accept-Encoding": accepted} if accepted else {}
    sent |= {name.replace("_", "-"): value for name, value in fields.items()}
    request = make_request(root, "/page.html", method, sent, settings=SETTINGS)
    response = run(static_file.handle(request))
    assert response is not None
    return response


@pytest.mark.parametrize(
    ("accepted", "coding"), [(BROWSER, "br"), ("gzip, zstd", "zstd"), ("br;q=0.1, gzip", "gzip"), ("", ""), ("x", "")]
)
def test_the_client_gets_what_it_understands(root: Path, accepted: str, coding: str) -> None:
    """The page's own type, the sibling's bytes; everybody is told that they vary. Asked again, it is the same."""
    for _ in range(2):
        response = get(root, accepted)
        fields = response.headers
        assert (fields["Content-Type"], fields.get("Content-Encoding")) == ("text/html", coding)
        assert (fields.get_all("Vary"), response.cache) == (["Accept-Encoding"], None)
        assert (fields.get("Accept-Ranges"), response.source_file is None) == ("" if coding else "bytes", bool(coding))
        assert decode(coding, content_of(response)) == TEXT


def test_a_sibling_has_a_tag_of_its_own(root: Path) -> None:
    """It is strong: the bytes are what they are. One of another coding is no match."""
    tags = {get(root, accepted).headers["ETag"] for accepted in ("br", "zstd", "gzip", "identity")}
    assert len(tags) == 4
    assert all(tag.startswith('"') for tag in tags)
    tag = get(root, "gzip").headers["ETag"]
    unmodified = get(root, "gzip", If_None_Match=tag)
    assert (unmodified.status, unmodified.headers["ETag"], unmodified.headers["Vary"]) == (304, tag, "Accept-Encoding")
    assert get(root, "br", If_None_Match=tag).status == 200
    with pytest.raises(HttpError) as caught:
        get(root, "br", If_Match=tag)
    assert caught.value.status == 412


def test_ranges_are_those_of_the_page(root: Path) -> None:
    """A part of coded bytes helps nobody; the tag of a sibling asks for the whole."""
    part = get(root, Range="bytes=5-9")
    assert (part.status, part.headers.get("Content-Encoding"), part.headers["Vary"]) == (206, "", "Accept-Encoding")
    assert content_of(part) == TEXT[5:10]
    tag = get(root, "br").headers["ETag"]
    whole = get(root, "br", Range="bytes=5-9", If_Range=tag)
    assert (whole.status, content_of(whole)) == (200, TEXT)


def test_head_says_what_get_says(root: Path) -> None:
    """The sibling's length."""
    response = get(root, "gzip", "HEAD")
    assert response.headers["Content-Length"] == str((root / "page.html.gz").stat().st_size)
    assert (response.headers["Content-Encoding"], response.body) == ("gzip", b"")


def test_an_older_sibling_is_none(root: Path) -> None:
    """The page was changed since, and nobody has compressed it."""
    changed = (root / "page.html").stat().st_mtime_ns
    os.utime(root / "page.html.br", ns=(changed - 1, changed - 1))
    assert get(root).headers["Content-Encoding"] == "zstd"
    for suffix in (".zst", ".gz"):
        (root / f"page.html{suffix}").unlink()
    response = get(root)
    assert (response.headers.get("Content-Encoding"), response.headers.get("Vary")) == ("", "")


def test_a_sibling_that_leads_out_or_is_no_file_is_none(root: Path, tmp_path: Path) -> None:
    """The page itself is sent: a link that leads out of the folder is never followed."""
    outside = tmp_path / "secret"
    outside.write_bytes(b"secret")
    for suffix in (".zst", ".gz"):
        (root / f"page.html{suffix}").unlink()
    (root / "page.html.br").unlink()
    (root / "page.html.br").symlink_to(outside)
    os.mkdir(root / "page.html.gz")
    before = open_descriptors()
    response = get(root)
    assert (response.headers.get("Content-Encoding"), content_of(response)) == ("", TEXT)
    assert open_descriptors() == before


def test_a_sibling_is_a_file_of_its_own_too(root: Path) -> None:
    """Who asks for it by name gets it as what it is, whatever was kept of it before."""
    content_of(get(root, "gzip"))
    static = replace(SETTINGS.static_content, mime_map={**SETTINGS.static_content.mime_map, ".gz": "application/gzip"})
    settings = replace(SETTINGS, static_content=static)
    request = make_request(root, "/page.html.gz", fields={"Accept-Encoding": BROWSER}, settings=settings)
    response = run(static_file.handle(request))
    assert response is not None
    assert (response.headers["Content-Type"], response.headers.get("Content-Encoding")) == ("application/gzip", "")
    content_of(response)


def test_it_is_off_by_default(root: Path) -> None:
    """A .gz beside a file may be something else."""
    response = run(static_file.handle(make_request(root, "/page.html", fields={"Accept-Encoding": BROWSER})))
    assert response is not None
    assert (response.headers.get("Content-Encoding"), response.headers.get("Vary")) == ("", "")
    content_of(response)
