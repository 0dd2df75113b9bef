"""A piece of a file that a worker opened and the listener sends."""

from __future__ import annotations

import os


class FilePiece:
    """`length` bytes from `offset`; its descriptor may still be on its way (-1)."""

    __slots__ = ("descriptor", "length", "offset")

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length
        self.descriptor = -1

    def take_descriptor(self) -> int:
        """The descriptor, which is the caller's from now on."""
        descriptor, self.descriptor = self.descriptor, -1
        return descriptor

    def close(self) -> None:
        """Drop it."""
        if self.descriptor >= 0:
            os.close(self.take_descriptor())
