"""Uploads in managed code: HttpRequest.Files, and Form of a multipart body."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.api.managed import HttpException, HttpFileCollection
from host.managed.multipart_form import MOST_PARTS, parse_multipart
from tests.managed.test_runtime import MODES, serve, write_application
from tests.worker.front import run
from tests.worker.site import Site

TYPE = 'multipart/form-data; boundary="--edge"'
CONTENT = bytes(range(256)) * 600


def part(disposition: str, content: bytes, *, content_type: str = "") -> bytes:
    """One part, its boundary before it."""
    head = f"----edge\r\nContent-Disposition: form-data; {disposition}\r\n"
    head += f"Content-Type: {content_type}\r\n" if content_type else ""
    return head.encode() + b"\r\n" + content + b"\r\n"


BODY = b"".join(
    (
        part('name="title"', "Grüße".encode()),
        part('name="photo"; filename="C:\\\\x\\\\süß.bin"', CONTENT, content_type="image/png"),
        part('name="TITLE"', b"again"),
        part('name="photo"; filename="two.txt"', b"second\r\n----edg"),
        part('name="empty"; filename=""', b"", content_type="application/octet-stream"),
        b"----edge--\r\n",
    )
)


def test_parts_are_fields_and_files_in_their_order() -> None:
    """Names as they came; bytes untouched, also those that resemble a boundary."""
    fields, files = parse_multipart(TYPE, BODY)
    assert fields == [("title", "Grüße"), ("TITLE", "again")]
    found = [(name, one.content_type, one.content_length, one.input_stream.read()) for name, one in files]
    octets = "application/octet-stream"
    second = b"second\r\n----edg"
    assert found == [
        ("photo", "image/png", len(CONTENT), CONTENT),
        ("photo", octets, len(second), second),
        ("empty", octets, 0, b""),
    ]
    assert files[0][1].file_name.endswith("süß.bin")
    assert files[2][1].file_name == ""


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        (TYPE, BODY[:-8], "ends before its last boundary"),
        (TYPE, b"no boundary at all", "cannot be read"),
        ("multipart/form-data", BODY, "cannot be read"),
        (TYPE, BODY.replace(b"form-data; name", b"form-data; nome", 1), "cannot be read"),
        (TYPE, part('name="a"', b"") * (MOST_PARTS + 1) + b"----edge--", f"more than {MOST_PARTS} parts"),
    ],
)
def test_a_form_that_is_malformed_is_a_400(content_type: str, body: bytes, reason: str) -> None:
    """Half an upload is never taken for a whole one."""
    with pytest.raises(HttpException, match=reason) as raised:
        parse_multipart(content_type, body)
    assert raised.value.status == 400


def test_files_are_found_by_field_without_case_and_by_number(tmp_path: Path) -> None:
    """The first one of a field; None for a field without a file; SaveAs writes all of it, under absolute paths only."""
    files = HttpFileCollection(parse_multipart(TYPE, BODY).files)
    first = files["PHOTO"]
    assert first is not None
    assert (len(files), files.all_keys, files[0], files["title"]) == (3, ["photo", "photo", "empty"], first, None)
    assert files.get_multiple("photo") == [files[0], files[1]]
    assert list(files) == files.all_keys
    assert "Photo" in files
    with pytest.raises(IndexError):
        files[3]
    first.input_stream.read(10)
    target = tmp_path / "saved.bin"
    target.write_bytes(b"of before" * 100_000)
    first.save_as(str(target))
    assert target.read_bytes() == CONTENT
    assert first.input_stream.tell() == 10
    with pytest.raises(HttpException, match="absolute"):
        first.save_as("saved.bin")


@MODES
def test_a_handler_has_form_and_files_of_an_upload(tmp_path: Path, mode: str) -> None:
    """Beside the whole body; a urlencoded form has no files; a broken one is refused."""
    site = Site(tmp_path)
    code = """
    class Upload(IHttpHandler):
        def process_request(self, context):
            request = context.request
            names = [f"{field}:{request.files[number].content_length}" for number, field in enumerate(request.files)]
            context.response.write(f"{request.form['title']} {names} {len(request.input_stream.getvalue())}")
    """
    write_application(site, mode, code, {"*.up": "Upload"}, {})

    async def main() -> None:
        front = await serve(site, mode)
        head = f"Content-Type: {TYPE}\r\n".encode()
        answer = await front.ask("/a.up", method="POST", fields=head, body=BODY)
        names = f"['photo:{len(CONTENT)}', 'photo:15', 'empty:0']"
        assert answer.text == f"Grüße,again {names} {len(BODY)}"
        plain = b"Content-Type: application/x-www-form-urlencoded\r\n"
        answer = await front.ask("/a.up", method="POST", fields=plain, body=b"title=t")
        assert answer.text == "t [] 7"
        answer = await front.ask("/a.up", method="POST", fields=head, body=BODY[:-10])
        assert answer.status == 400
        assert "last boundary" in answer.text

    run(main())
