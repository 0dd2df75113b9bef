"""What a WSGI application wraps files in. Not compiled: an application may derive a class of its own from it, as it may
from the standard library's."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any, Final

from host.api import FileBody

_BLOCK_BYTES: Final = 65536


class FileWrapper:
    """wsgi.file_wrapper: a file that the listener sends from its descriptor when it is a real one."""

    def __init__(self, filelike: Any, block_size: int = _BLOCK_BYTES) -> None:
        self.filelike = filelike
        self.block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.filelike.read(self.block_size), b"")

    def close(self) -> None:
        """Close what was wrapped, if it can be closed."""
        if hasattr(self.filelike, "close"):
            self.filelike.close()

    def as_file(self, length: int | None) -> FileBody | None:
        """From where it stands to its end, or `length` bytes; None for what is no regular file, and where a class of
        the application's own makes something of what is read. The descriptor is a new one, so that the application
        may close its own."""
        if type(self).__iter__ is not FileWrapper.__iter__:
            return None
        try:
            descriptor = self.filelike.fileno()
            offset = self.filelike.tell()
            status = os.fstat(descriptor)
        except (AttributeError, OSError, ValueError, TypeError):
            return None
        if not stat.S_ISREG(status.st_mode) or isinstance(self.filelike.read(0), str):
            return None
        left = max(0, status.st_size - offset)
        return FileBody(os.dup(descriptor), offset, left if length is None else min(length, left))
