"""Static files: real files, real descriptors, every status the handler answers with."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from extensions import static_file
from host.api import FileBody, HandlerMapping, HttpError, Response
from host.config.model import PathSettings, RequestFiltering, StaticContent
from tests.extensions.requests import MIME_MAP, STATIC_SETTINGS, content_of, make_request, open_descriptors

LONG_AGO = 784111777
LARGE = bytes(range(256)) * 256  # 64 KiB: above what is kept in memory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "wwwroot"
    (root / "docs").mkdir(parents=True)
    (root / "index.html").write_text("<h1>hi</h1>")
    (root / "small.txt").write_bytes(b"0123456789")
    (root / "large.bin").write_bytes(LARGE)
    (tmp_path / "secret.txt").write_text("secret")
    for file in (root / "small.txt", tmp_path / "secret.txt"):
        os.utime(file, (LONG_AGO, LONG_AGO))
    return root


def ask(root: Path, target: str, method: str = "GET", fields: dict[str, str] | None = None, **more: Any) -> Response:
    response = asyncio.run(static_file.handle(make_request(root, target, method, fields, **more)))
    assert isinstance(response, Response)
    return response


def refused(
    root: Path, target: str, method: str = "GET", fields: dict[str, str] | None = None, **more: Any
) -> HttpError:
    with pytest.raises(HttpError) as caught:
        ask(root, target, method, fields, **more)
    return caught.value


def pair(error: HttpError) -> tuple[int, int]:
    return error.status, error.substatus


def with_static(**changes: Any) -> PathSettings:
    return PathSettings(static_content=StaticContent(mime_map=MIME_MAP, **changes))


# --- whole files -------------------------------------------------------------------------------------------------


def test_a_small_file_travels_as_bytes_with_its_validators(root: Path) -> None:
    """One frame: type, Last-Modified, strong ETag, Accept-Ranges and content."""
    response = ask(root, "/small.txt")
    assert (response.status, response.body) == (200, b"0123456789")
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["Last-Modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert re.fullmatch(r'"[0-9a-f]+:a"', response.headers["ETag"])


def test_a_large_file_travels_as_a_descriptor(root: Path) -> None:
    """Its bytes never pass through Python; the response owns the descriptor."""
    before = open_descriptors()
    response = ask(root, "/large.bin")
    assert isinstance(response.body, FileBody)
    assert (response.body.offset, response.body.length) == (0, len(LARGE))
    assert response.headers["Content-Length"] == str(len(LARGE))
    assert content_of(response) == LARGE
    assert open_descriptors() == before


def test_a_changed_file_is_read_again(root: Path) -> None:
    """What is kept in memory is checked against the file each time, also when only the bytes differ."""
    first = ask(root, "/small.txt")
    (root / "small.txt").write_bytes(b"abcdefghij")
    second = ask(root, "/small.txt")
    assert second.body == b"abcdefghij"
    assert first.headers["ETag"] != second.headers["ETag"]
    (root / "new.txt").write_bytes(b"replaced..")
    (root / "new.txt").replace(root / "small.txt")
    assert ask(root, "/small.txt").body == b"replaced.."


def test_a_file_that_was_written_just_now_is_not_kept(root: Path) -> None:
    """Written again at once it may have the same size and, where the kernel counts ticks, the same times."""
    file = root / "small.txt"
    is_young = False
    while not is_young:  # until one is asked for and answered within its first milliseconds
        file.write_bytes(b"abcdefghij")
        static_file._kept.clear()
        assert ask(root, "/small.txt").body == b"abcdefghij"
        is_young = time.time_ns() - file.stat().st_mtime_ns < static_file.SETTLED_NANOSECONDS
    assert (str(file), "") not in static_file._kept
    os.utime(file, (LONG_AGO, LONG_AGO))
    ask(root, "/small.txt")
    assert (str(file), "") in static_file._kept


def test_changed_settings_change_the_head_of_a_kept_file(root: Path) -> None:
    """The kept head belongs to the settings it was made from."""
    ask(root, "/small.txt")
    changed = PathSettings(static_content=StaticContent(mime_map={".txt": "text/x-other"}, set_etag=False))
    response = ask(root, "/small.txt", settings=changed)
    assert response.headers["Content-Type"] == "text/x-other"
    assert "ETag" not in response.headers


def test_what_one_request_changes_in_its_head_stays_its_own(root: Path) -> None:
    """Filters change response fields; the kept head must not learn from them."""
    ask(root, "/small.txt").headers.add("X-Once", "1")
    assert "X-Once" not in ask(root, "/small.txt").headers


@pytest.mark.parametrize(("name", "size"), [("small.txt", 10), ("large.bin", len(LARGE))])
def test_head_has_the_length_and_no_body(root: Path, name: str, size: int) -> None:
    """HEAD keeps no descriptor open."""
    before = open_descriptors()
    response = ask(root, "/" + name, "HEAD")
    assert (response.headers["Content-Length"], response.body) == (str(size), b"")
    assert open_descriptors() == before


def test_an_empty_file_is_an_empty_answer(root: Path) -> None:
    """Length 0 is a length."""
    (root / "empty.txt").touch()
    assert ask(root, "/empty.txt").body == b""
    assert ask(root, "/empty.txt", "HEAD").headers["Content-Length"] == "0"


def test_options_says_what_is_allowed(root: Path) -> None:
    """RFC 9110 section 9.3.7: of a file and of a folder."""
    for path in ("/small.txt", "/docs/"):
        response = ask(root, path, "OPTIONS")
        assert (response.status, response.body, response.headers["Allow"]) == (200, b"", "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "get"])
def test_other_methods_are_refused_with_allow(root: Path, method: str) -> None:
    """405.0, and what is allowed (RFC 9110 section 15.5.6)."""
    error = refused(root, "/small.txt", method)
    assert pair(error) == (405, 0)
    assert error.headers == {"Allow": "GET, HEAD, OPTIONS"}


def test_last_modified_is_never_in_the_future(root: Path) -> None:
    """RFC 9110 section 8.8.2.1: a file dated 2100 is as new as now."""
    os.utime(root / "small.txt", (4102444800, 4102444800))
    assert "2100" not in ask(root, "/small.txt").headers["Last-Modified"]


def test_memory_for_small_files_is_bounded(root: Path) -> None:
    """The oldest entry leaves when a new one comes."""
    for number in range(static_file.KEPT_FILES + 3):
        (root / f"{number}.txt").write_text(str(number))
        os.utime(root / f"{number}.txt", (LONG_AGO, LONG_AGO))
        assert ask(root, f"/{number}.txt").body == str(number).encode()
    assert len(static_file._kept) == static_file.KEPT_FILES


# --- types and client cache --------------------------------------------------------------------------------------


def test_a_type_that_is_not_mapped_is_404_3_and_says_what_to_add(root: Path) -> None:
    """IIS serves only what mimeMap names."""
    (root / "data.xyz").touch()
    (root / "README").touch()
    error = refused(root, "/data.xyz")
    assert pair(error) == (404, 3)
    assert '<mimeMap fileExtension=".xyz"' in error.remedy
    assert pair(refused(root, "/README")) == (404, 3)


def test_a_refused_type_leaves_no_descriptor_open(root: Path) -> None:
    """Refusals happen after the file was opened, too."""
    (root / "data.xyz").write_bytes(LARGE)
    before = open_descriptors()
    refused(root, "/data.xyz")
    refused(root, "/large.bin", fields={"Range": "bytes=999999-"})
    assert open_descriptors() == before


def test_dot_maps_no_extension_and_dot_star_maps_any(root: Path) -> None:
    """IIS's two special keys; extensions compare without case."""
    (root / "README").touch()
    (root / "PICTURE.JPG").touch()
    settings = PathSettings(static_content=StaticContent(mime_map={".": "text/a", ".*": "text/b", ".jpg": "image/c"}))
    assert ask(root, "/README", settings=settings).headers["Content-Type"] == "text/a"
    assert ask(root, "/small.txt", settings=settings).headers["Content-Type"] == "text/b"
    assert ask(root, "/PICTURE.JPG", settings=settings).headers["Content-Type"] == "image/c"


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, {}),
        ({"cache_control_mode": "DisableCache"}, {"Cache-Control": "no-cache"}),
        ({"cache_control_mode": "UseMaxAge", "cache_control_max_age_seconds": 60}, {"Cache-Control": "max-age=60"}),
        (
            {"cache_control_mode": "UseMaxAge", "cache_control_custom": "public"},
            {"Cache-Control": "max-age=86400, public"},
        ),
        ({"cache_control_custom": "private"}, {"Cache-Control": "private"}),
        (
            {"cache_control_mode": "UseExpires", "http_expires": "Fri, 01 Jan 2100 00:00:00 GMT"},
            {"Expires": "Fri, 01 Jan 2100 00:00:00 GMT"},
        ),
    ],
)
def test_client_cache_modes(root: Path, changes: dict[str, Any], fields: dict[str, str]) -> None:
    """clientCache/@cacheControlMode and its companions."""
    headers = ask(root, "/small.txt", settings=with_static(**changes)).headers
    assert {name: headers[name] for name in ("Cache-Control", "Expires") if name in headers} == fields


# --- conditions and ranges ---------------------------------------------------------------------------------------


def test_a_file_the_client_has_is_304_with_its_validators(root: Path) -> None:
    """RFC 9110 section 15.4.5: ETag and Cache-Control stay, the type goes; no body, no descriptor."""
    before = open_descriptors()
    for name in ("small.txt", "large.bin"):
        first = ask(root, "/" + name, "HEAD")
        again = ask(root, "/" + name, fields={"If-None-Match": first.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert "Content-Type" not in again.headers
    assert open_descriptors() == before


def test_a_failed_precondition_is_412(root: Path) -> None:
    """If-Match names another representation."""
    assert pair(refused(root, "/small.txt", fields={"If-Match": '"other"'})) == (412, 0)


@pytest.mark.parametrize("name", ["small.txt", "large.bin"])
def test_one_range_is_206_with_content_range(root: Path, name: str) -> None:
    """From memory and from the file alike."""
    content = (root / name).read_bytes()
    response = ask(root, "/" + name, fields={"Range": "bytes=2-5"})
    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes 2-5/{len(content)}"
    assert response.headers["Content-Length"] == "4"
    assert content_of(response) == content[2:6]


@pytest.mark.parametrize("name", ["small.txt", "large.bin"])
def test_several_ranges_are_a_multipart_body(root: Path, name: str) -> None:
    """RFC 9110 section 14.6, taken apart with its own boundary; every file piece owns its descriptor."""
    before = open_descriptors()
    content = (root / name).read_bytes()
    response = ask(root, "/" + name, fields={"Range": "bytes=0-1,4-6,-1"})
    kind, _, boundary = response.headers["Content-Type"].partition("; boundary=")
    body = content_of(response)
    assert (response.status, kind) == (206, "multipart/byteranges")
    assert response.headers["Content-Length"] == str(len(body))
    begin, *parts, end = body.split(f"\r\n--{boundary}".encode())
    assert (begin, end) == (b"", b"--\r\n")
    assert [part.partition(b"\r\n\r\n")[2] for part in parts] == [content[0:2], content[4:7], content[-1:]]
    assert f"Content-Range: bytes 4-6/{len(content)}".encode() in parts[1]
    assert open_descriptors() == before


def test_an_unsatisfiable_range_is_416_with_the_size(root: Path) -> None:
    """RFC 9110 section 15.5.17."""
    error = refused(root, "/small.txt", fields={"Range": "bytes=10-"})
    assert (pair(error), error.headers) == ((416, 0), {"Content-Range": "bytes */10"})


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("HEAD", {"Range": "bytes=0-1"}),
        ("GET", {"Range": "bytes=0-1", "If-Range": '"other"'}),
        ("GET", {"Range": "bytes=0-,0-,0-"}),
        ("GET", {"Range": "pages=1"}),
    ],
)
def test_a_range_that_does_not_apply_gives_the_whole_file(root: Path, method: str, fields: dict[str, str]) -> None:
    """200, never an error."""
    assert ask(root, "/small.txt", method, fields).status == 200


def test_if_range_with_the_right_tag_gives_the_part(root: Path) -> None:
    """The resumed download."""
    tag = ask(root, "/small.txt").headers["ETag"]
    assert ask(root, "/small.txt", fields={"Range": "bytes=5-", "If-Range": tag}).body == b"56789"


# --- folders -----------------------------------------------------------------------------------------------------


def test_a_folder_without_its_slash_is_redirected_with_its_query(root: Path) -> None:
    """301, relative to this server."""
    response = ask(root, "/docs?x=1&y=%20")
    assert (response.status, response.headers["Location"]) == (301, "/docs/?x=1&y=%20")


def test_the_slash_redirect_never_leads_to_another_server(root: Path) -> None:
    """`//host` in a Location would be a network-path reference (RFC 3986 section 4.2)."""
    (root / "evil.example").mkdir()
    assert ask(root, "//evil.example").headers["Location"] == "/evil.example/"
    (root / "a\\b é?").mkdir()
    assert ask(root, "/a%5Cb%20%C3%A9%3F").headers["Location"] == "/a%5Cb%20%C3%A9%3F/"


def test_the_first_existing_default_document_is_answered_in_place(root: Path) -> None:
    """The host runs its URL with the same method and body, so that its own handler answers."""
    settings = PathSettings(default_documents=("default.htm", "index.html", "small.txt"))
    response = ask(root, "/?q=1", settings=settings)
    assert (response.internal_target, response.internal_keeps_request) == ("/index.html?q=1", True)


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "BREW"])
def test_a_form_that_is_sent_to_a_folder_is_for_its_default_document(root: Path, method: str) -> None:
    """It may be a program (`<form method="post" action="./">`): its own handler says what it takes. A folder without
    one, one that is hidden, and one that is not there are refused as before."""
    response = ask(root, "/?q=1", method)
    assert (response.internal_target, response.internal_keeps_request) == ("/index.html?q=1", True)
    if method != "OPTIONS":
        for path in ("/docs/", "/none/"):
            assert pair(refused(root, path, method)) == (405, 0)
    (root / ".git").mkdir()
    (root / ".git" / "index.html").touch()
    assert pair(refused(root, "/.git/", method)) == pair(refused(root, "/.git/"))


def test_a_folder_of_that_name_is_no_default_document(root: Path) -> None:
    """Only files count."""
    (root / "docs" / "index.html").mkdir()
    assert pair(refused(root, "/docs/")) == (403, 14)


def test_nothing_to_show_is_403_14_with_what_to_do(root: Path) -> None:
    """No default document, or switched off, and no browsing."""
    error = refused(root, "/docs/")
    assert pair(error) == (403, 14)
    assert "directoryBrowse" in error.remedy
    off = PathSettings(default_document_enabled=False, default_documents=("index.html",))
    assert pair(refused(root, "/", settings=off)) == (403, 14)


def test_a_listing_is_escaped_sorted_and_hides_what_is_hidden(root: Path, tmp_path: Path) -> None:
    """Folders first; markup in names stays text; hidden segments, dot files and outward links are left out."""
    docs = root / "docs"
    for name in ("b.txt", "A.txt", "<b>&.txt", ".env", "web.config", "50%.txt", "bin"):
        (docs / name).touch()
    (docs / "zoo").mkdir()
    (docs / "out.txt").symlink_to(tmp_path / "secret.txt")
    (docs / "in.txt").symlink_to(root / "small.txt")
    (docs / "broken").symlink_to(root / "gone")
    hidden = RequestFiltering(hidden_segments=("bin",))
    page = content_of(
        ask(root, "/docs/", settings=PathSettings(directory_browse_enabled=True, request_filtering=hidden))
    )
    names = re.findall(r'href="\./([^"]*)">([^<]*)<', page.decode())
    assert names == [
        ("zoo/", "zoo/"),
        ("50%25.txt", "50%.txt"),
        ("%3Cb%3E%26.txt", "&lt;b&gt;&amp;.txt"),
        ("A.txt", "A.txt"),
        ("b.txt", "b.txt"),
        ("in.txt", "in.txt"),
    ]


def test_a_listing_shows_names_that_are_no_utf_8(root: Path) -> None:
    """Any bytes but NUL and slash are a file name on Linux; no URL leads to such a file (400),
    so it is shown without a link."""
    (Path(os.fsdecode(os.fsencode(root / "docs") + b"/caf\xe9.txt"))).write_text("au lait")
    page = content_of(ask(root, "/docs/", settings=PathSettings(directory_browse_enabled=True))).decode()
    assert "caf\ufffd.txt" in page
    assert "caf%E9" not in page


def test_a_mapping_that_names_one_module_gets_that_one_only(root: Path) -> None:
    """As in IIS, the listing belongs to DirectoryListingModule and files to StaticFileModule."""
    files_only = HandlerMapping(name="Files", path="*", modules="StaticFileModule")
    request = make_request(root, "/", mapping=files_only)
    assert asyncio.run(static_file.handle(request)) is None
    folders_only = HandlerMapping(name="Folders", path="*", modules="DefaultDocumentModule")
    assert asyncio.run(static_file.handle(make_request(root, "/small.txt", mapping=folders_only))) is None


# --- attacks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/out.txt", "/outdir/secret.txt", "/up/secret.txt"])
def test_a_link_out_of_the_root_is_404(root: Path, tmp_path: Path, target: str) -> None:
    """Whether the file or a folder on the way is the link; the remedy names the switch."""
    (root / "out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "outdir").symlink_to(tmp_path)
    (root / "up").symlink_to("..")
    before = open_descriptors()
    error = refused(root, target)
    assert pair(error) == (404, 0)
    assert "followSymbolicLinksOutsideRoot" in error.remedy
    assert open_descriptors() == before


def test_a_link_out_of_the_root_is_served_when_allowed(root: Path, tmp_path: Path) -> None:
    """And is refused again when that is taken back, although the file is kept in memory."""
    (root / "out.txt").symlink_to(tmp_path / "secret.txt")
    allowing = with_static(follow_symbolic_links_outside_root=True)
    assert ask(root, "/out.txt", settings=allowing).body == b"secret"
    assert pair(refused(root, "/out.txt")) == (404, 0)


def test_links_inside_the_root_and_a_root_that_is_a_link_are_fine(root: Path, tmp_path: Path) -> None:
    """`current -> releases/42` is how people deploy."""
    (root / "in.txt").symlink_to("small.txt")
    (tmp_path / "current").symlink_to(root)
    assert ask(tmp_path / "current", "/in.txt").body == b"0123456789"


def test_a_folder_beside_the_root_with_its_name_as_prefix_is_outside(root: Path, tmp_path: Path) -> None:
    """`wwwroot-old` is not below `wwwroot`."""
    (tmp_path / "wwwroot-old").mkdir()
    (tmp_path / "wwwroot-old" / "x.txt").write_text("old")
    (root / "x.txt").symlink_to(tmp_path / "wwwroot-old" / "x.txt")
    assert pair(refused(root, "/x.txt")) == (404, 0)


def test_a_file_seen_through_a_wider_folder_is_not_kept_for_a_narrower_one(root: Path) -> None:
    """The same physical path may belong to two virtual directories; each has its own border."""
    (root / "docs" / "x.txt").symlink_to(root / "small.txt")
    assert ask(root, "/docs/x.txt").body == b"0123456789"
    narrower = make_request(root / "docs", "/x.txt")
    with pytest.raises(HttpError) as caught:
        asyncio.run(static_file.handle(narrower))
    assert caught.value.status == 404


def test_a_listed_folder_may_not_lie_outside_either(root: Path, tmp_path: Path) -> None:
    """Names are content."""
    (root / "outdir").symlink_to(tmp_path)
    assert pair(refused(root, "/outdir/", settings=PathSettings(directory_browse_enabled=True))) == (404, 0)


@pytest.mark.parametrize(
    "target",
    [
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%252e%252e/secret.txt",
        "/..%5csecret.txt",
        "/docs/../../secret.txt",
    ],
)
def test_climbing_forms_that_reach_the_handler_show_nothing(root: Path, target: str) -> None:
    """The worker maps URLs and refuses these first; were one to slip through, nothing outside is shown."""
    assert refused(root, target).status == 404


@pytest.mark.parametrize(
    "target",
    [
        "/small.txt.",
        "/small.txt/",
        "/small.txt%20",
        "/small.asp;.jpg",
        "/small.txt::$DATA",
        "/SMALL.TXT",
        "/small.txt/.",
    ],
)
def test_other_spellings_of_a_name_are_other_names(root: Path, target: str) -> None:
    """What Windows folds together stays apart: no spelling shows a file that its mapping does not know."""
    assert refused(root, target).status == 404


def test_a_semicolon_in_a_name_belongs_to_the_name(root: Path) -> None:
    """`file.asp;.jpg` was an upload attack on IIS 6: it is a picture here, and only if it exists."""
    (root / "file.asp;.jpg").write_text("<% evil %>")
    assert ask(root, "/file.asp;.jpg").headers["Content-Type"] == "image/jpeg"


def test_nul_in_a_name_is_400(root: Path) -> None:
    """No file name has it."""
    assert pair(refused(root, "/small.txt%00.jpg")) == (400, 0)


@pytest.mark.parametrize("target", ["/.env", "/.git/config", "/docs/.hidden/x.txt"])
def test_dot_names_are_hidden(root: Path, target: str) -> None:
    """404.9, whether they exist or not."""
    (root / ".env").write_text("PASSWORD=1")
    assert pair(refused(root, target)) == (404, 9)


def test_well_known_is_not_hidden(root: Path) -> None:
    """RFC 8615; certificate renewal depends on it."""
    (root / ".well-known").mkdir()
    (root / ".well-known" / "security.txt").write_text("Contact: x")
    assert ask(root, "/.well-known/security.txt").body == b"Contact: x"


@pytest.mark.parametrize("name", ["web.config", "Web.Config"])
def test_web_config_is_never_served(root: Path, name: str) -> None:
    """404.8 even when no filter guards it and its type is mapped."""
    (root / name).write_text("<configuration/>")
    settings = PathSettings(static_content=StaticContent(mime_map={".config": "text/xml"}))
    assert pair(refused(root, "/" + name, settings=settings)) == (404, 8)


def test_a_fifo_and_a_device_are_refused_without_waiting(root: Path) -> None:
    """Opening a fifo for reading would block the worker's loop until somebody writes."""
    os.mkfifo(root / "pipe.txt")
    (root / "null.txt").symlink_to("/dev/null")
    assert pair(refused(root, "/pipe.txt")) == (404, 0)
    assert pair(refused(root, "/null.txt")) == (404, 0)


def test_a_missing_file_is_404_and_an_overlong_name_too(root: Path) -> None:
    """Never a 500."""
    assert pair(refused(root, "/missing.txt")) == (404, 0)
    assert pair(refused(root, "/" + "x" * 300)) == (404, 0)
    assert pair(refused(root, "/small.txt/tail")) == (404, 0)


def test_a_loop_of_links_is_404(root: Path) -> None:
    """ELOOP."""
    (root / "loop.txt").symlink_to("loop.txt")
    assert pair(refused(root, "/loop.txt")) == (404, 0)


def test_a_tail_behind_a_file_is_404(root: Path) -> None:
    """Static content takes no PATH_INFO."""
    request = make_request(root, "/small.txt")
    request.path_info = "/tail"
    with pytest.raises(HttpError) as caught:
        asyncio.run(static_file.handle(request))
    assert pair(caught.value) == (404, 0)


def test_the_default_settings_of_the_tests_name_a_default_document() -> None:
    """Guards the folder tests above against settings that would make them pass for another reason."""
    assert STATIC_SETTINGS.default_documents == ("index.html",)
    assert static_file.in_process_only()
    assert set(static_file.module_names()) == {"StaticFileModule", "DefaultDocumentModule", "DirectoryListingModule"}


def test_a_file_the_worker_may_not_read_is_401_3(root: Path) -> None:
    """IIS's answer when the file's permissions deny access; the remedy names whose access is missing."""
    error = static_file.refusal(make_request(root, "/small.txt"), PermissionError(13, "Permission denied"))
    assert (pair(error), error.win32_status) == ((401, 3), 5)
    assert "pool's user" in error.remedy


def test_running_out_of_descriptors_is_500(root: Path) -> None:
    """Not a 404: the file is there."""
    error = static_file.refusal(make_request(root, "/small.txt"), OSError(24, "Too many open files"))
    assert pair(error) == (500, 0)
