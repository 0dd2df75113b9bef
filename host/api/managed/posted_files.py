"""Files that a client has uploaded with a form (multipart/form-data)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from host.api.managed.contracts import HttpException


class HttpPostedFile:
    """One uploaded file. `file_name` is what the client calls it: never use it as a path."""

    def __init__(self, file_name: str, content_type: str, content_length: int, input_stream: BinaryIO) -> None:
        self.file_name = file_name
        self.content_type = content_type
        self.content_length = content_length  # bytes
        self.input_stream = input_stream  # at its beginning

    def save_as(self, path: str) -> None:
        """Write the whole file; one that is there is overwritten. Raises HttpException for a relative path (ASP.NET:
        requireRootedSaveAsFilename), OSError."""
        if not os.path.isabs(path):
            raise HttpException(500, f"save_as needs an absolute path, not {path!r}; server.map_path gives one")
        position = self.input_stream.tell()
        self.input_stream.seek(0)
        with open(path, "wb") as file:
            shutil.copyfileobj(self.input_stream, file)
        self.input_stream.seek(position)


class MultipartForm(NamedTuple):
    """Fields and files, each with the field's name, in the order in which they came."""

    fields: list[tuple[str, str]]
    files: list[tuple[str, HttpPostedFile]]


class HttpFileCollection:
    """The uploaded files in their order: by number, or the first one of a field by its name, without case."""

    def __init__(self, files: Sequence[tuple[str, HttpPostedFile]] = ()) -> None:
        self._files = tuple(files)

    @property
    def all_keys(self) -> list[str]:
        """The field of each file."""
        return [name for name, _ in self._files]

    def get_multiple(self, name: str) -> list[HttpPostedFile]:
        """Every file of that field."""
        return [file for field, file in self._files if field.casefold() == name.casefold()]

    def __getitem__(self, key: str | int) -> HttpPostedFile | None:
        """None for a field that has sent no file, as in ASP.NET. Raises IndexError for a number."""
        if isinstance(key, int):
            return self._files[key][1]
        return next(iter(self.get_multiple(key)), None)

    def __contains__(self, name: object) -> bool:
        return bool(self.get_multiple(str(name)))

    def __iter__(self) -> Iterator[str]:
        return iter(self.all_keys)

    def __len__(self) -> int:
        return len(self._files)
