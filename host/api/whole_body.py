"""A request's body all of which is here, often an empty one."""

from __future__ import annotations

import mmap
from collections.abc import AsyncIterator
from typing import Final

from host.api.errors import BodyTooLarge, ClientGone, HttpError

_PIECE_BYTES: Final = 65536


class WholeBody:
    """`host.api.RequestBody` for bytes in memory, or for a file that is mapped. No read waits.

    `length` is set to None by who has collected a body whose client has announced none.
    """

    __slots__ = ("_at", "_data", "_is_gone", "_refusal", "length")

    is_complete: Final = True

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self._data = data
        self._at = 0
        self._refusal: HttpError | None = None
        self._is_gone = False
        self.length: int | None = len(data)

    @property
    def is_at_end(self) -> bool:
        """True once everything has been read."""
        return self._at == len(self._data)

    @property
    def received(self) -> int:
        """How many bytes it has had."""
        return self.length or 0

    def read_blocking(self, limit: int | None = None) -> bytes:
        """Everything that is left. Raises BodyTooLarge above `limit` bytes, and what `read_some` raises."""
        left = len(self._data) - self._at
        if limit is not None and left > limit:
            raise BodyTooLarge(limit)
        return self._take(left)

    def read_some_blocking(self) -> bytes:
        """The next piece. Raises ClientGone when the client left, and a filter's refusal."""
        return self._take(_PIECE_BYTES)

    async def read(self, limit: int | None = None) -> bytes:
        """As `read_blocking`."""
        return self.read_blocking(limit)

    async def read_some(self) -> bytes:
        """As `read_some_blocking`."""
        return self.read_some_blocking()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := self.read_some_blocking():
            yield piece

    def refuse_above(self, most_bytes: int, refusal: HttpError) -> None:
        """Reads raise `refusal` when there is more than that."""
        self._refusal = refusal if len(self._data) - self._at > most_bytes else None

    def client_left(self) -> None:
        """Reads raise ClientGone from now on."""
        self._is_gone = True

    def _take(self, most: int) -> bytes:
        if self._is_gone:
            raise ClientGone("the client closed its connection")
        if self._refusal is not None:
            raise self._refusal
        piece = self._data[self._at : self._at + most]
        self._at += len(piece)
        if self._at == len(self._data):  # whoever holds this until the request ends need not hold what was read
            self._data, self._at = b"", 0
        return piece
