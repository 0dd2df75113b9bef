"""A piece of a file that a worker opened and the listener sends."""

from __future__ import annotations

import os


class FilePiece:
    """`length` bytes from `offset`; its descriptor may still be on its way (-1). `is_granted`: its bytes have already
    been given back to the worker's window."""

    __slots__ = ("descriptor", "is_granted", "length", "offset")

    def __init__(self, offset: int, length: int, *, is_granted: bool) -> None:
        self.offset = offset
        self.length = length
        self.descriptor = -1
        self.is_granted = is_granted

    def take_descriptor(self) -> int:
        """The descriptor, which is the caller's from now on."""
        descriptor, self.descriptor = self.descriptor, -1
        return descriptor

    def close(self) -> None:
        """Drop it."""
        if self.descriptor >= 0:
            os.close(self.take_descriptor())
