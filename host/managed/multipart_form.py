"""multipart/form-data taken apart (RFC 7578). Imported with the first such form."""

from __future__ import annotations

import io
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from host.api.managed.contracts import HttpException
from host.api.managed.posted_files import HttpPostedFile, MultipartForm

MOST_PARTS: Final = 1000
"""aspnet:MaxHttpCollectionKeys: a form with more would cost more than it says."""

_OCTETS: Final = "application/octet-stream"


def parse_multipart(content_type: str, body: bytes) -> MultipartForm:
    """The parts of a body of that type. Raises HttpException 400 when it is malformed, cut, or has too many parts."""
    form = MultipartForm([], [])
    is_whole = []

    def count() -> None:
        if len(form.fields) + len(form.files) >= MOST_PARTS:
            raise HttpException(400, f"the form has more than {MOST_PARTS} parts")

    def on_field(field: Field) -> None:
        count()
        form.fields.append((_text(field.field_name), _text(field.value)))

    def on_file(file: File) -> None:
        count()
        stream = file.file_object
        assert isinstance(stream, io.BytesIO), "nothing is put aside"
        stream.seek(0)
        posted = HttpPostedFile(_text(file.file_name), file.content_type or _OCTETS, file.size, stream)
        form.files.append((_text(file.field_name), posted))

    unlimited = float("inf")  # the request's own limit has been kept by now
    limits = {"MAX_MEMORY_FILE_SIZE": unlimited, "MAX_FIELD_SIZE": unlimited, "MAX_FIELDS": unlimited}
    try:
        _, options = parse_options_header(content_type)
        parser = FormParser(
            "multipart/form-data",
            on_field,
            on_file,
            on_end=lambda: is_whole.append(True),
            boundary=options.get(b"boundary"),
            config=limits,
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise HttpException(400, f"the form cannot be read: {error}") from error
    if not is_whole:
        raise HttpException(400, "the form ends before its last boundary")
    return form


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")
