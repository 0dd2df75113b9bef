"""wsgi.file_wrapper, and classes that an application derives from it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

from host.python_apps.wsgi_file import FileWrapper


def test_only_regular_binary_files_go_by_descriptor(tmp_path: Path) -> None:
    """From where they stand; at most what was promised; pipes, text and memory do not."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(3)
        for length, expected in ((None, 7), (4, 4), (100, 7)):
            body = FileWrapper(file).as_file(length)
            assert body is not None
            assert (body.offset, body.length) == (3, expected)
            os.close(body.descriptor)
        assert list(FileWrapper(file, 4)) == [b"3456", b"789"]
    reader, writer = os.pipe()
    with path.open() as text, os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb"):
        assert [FileWrapper(one).as_file(None) for one in (text, pipe, io.BytesIO(b"x"), object())] == [None] * 4
    wrapped = FileWrapper(path.open("rb"))
    wrapped.close()
    assert wrapped.filelike.closed


class Counted(FileWrapper):
    """Knows how often it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1
        super().close()


class Upper(FileWrapper):
    """Makes something of what is read."""

    def __iter__(self) -> Iterator[bytes]:
        return (piece.upper() for piece in super().__iter__())


def test_an_application_may_derive_a_class_from_it(tmp_path: Path) -> None:
    """A file goes by its descriptor unless the class gives other bytes than the file's."""
    path = tmp_path / "file"
    path.write_bytes(b"text")
    with path.open("rb") as file:
        body = Counted(file).as_file(None)
        assert body is not None
        os.close(body.descriptor)
        assert Upper(file).as_file(None) is None
        assert list(Upper(file)) == [b"TEXT"]
        wrapped = Counted(file)
        wrapped.close()
        assert (wrapped.closed, file.closed) == (1, True)
