"""A request's body that was collected before the application's one turn was taken (`multithread="false"`).

A client that sends slowly would have the turn for as long as it likes, and everybody else would wait. What is small is
in memory, what is large in a file of the pool's temporary folder, mapped: it goes with the last reference to it.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import AsyncIterator
from typing import Final

from host.api import BodyTooLarge, HttpError, RequestBody
from host.programs.request_input import spool

_PIECE_BYTES: Final = 65536


async def collected(body: RequestBody) -> CollectedBody:
    """All that is left of it. Raises ClientGone, and a filter's HttpError."""
    descriptor, size = await spool(body)
    try:
        return CollectedBody(body.length, mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) if size else b"")
    finally:
        os.close(descriptor)


class CollectedBody:
    """A request's body (`host.api.RequestBody`) that is here. `length` is what the client has announced."""

    is_complete = True

    def __init__(self, length: int | None, data: mmap.mmap | bytes) -> None:
        self.length = length
        self._data = data
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        """True once everything has been read."""
        return self._at == len(self._data)

    def read_blocking(self, limit: int | None = None) -> bytes:
        """Everything that is left."""
        if limit is not None and len(self._data) - self._at > limit:
            raise BodyTooLarge(limit)
        return self._take(len(self._data))

    def read_some_blocking(self) -> bytes:
        """The next piece."""
        return self._take(_PIECE_BYTES)

    async def read(self, limit: int | None = None) -> bytes:
        """Everything that is left."""
        return self.read_blocking(limit)

    async def read_some(self) -> bytes:
        """The next piece."""
        return self.read_some_blocking()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := self.read_some_blocking():
            yield piece

    def refuse_above(self, most_bytes: int, refusal: HttpError) -> None:
        """It was refused while it was collected, if at all."""

    def _take(self, most: int) -> bytes:
        data = self._data[self._at : self._at + most]
        self._at += len(data)
        return data
