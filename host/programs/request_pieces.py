"""A request's body for a connection to a server: small ones whole before anything is sent, large ones as they come.

A client that sends slowly occupies no process before its body is large; a chunked body is collected first, because the
application must be told its length, and others when too many processes wait for clients.
"""

from __future__ import annotations

import os
from typing import Final

from host.api import RequestBody
from host.programs.request_input import spool

SMALL_BYTES: Final = 65536
"""A body up to this size is complete before the application hears of the request."""

_PIECE_BYTES: Final = 65536


class RequestPieces:
    """`await open()`, send `first`, then all that `read_some` gives, unless `is_whole`; `close()` in any case."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self._descriptor = -1
        self.first = b""
        self.is_whole = True
        """Whether `first` is all."""
        self.length: int | None = None
        """Bytes of the body; None when there is none."""

    def open_at_once(self, *, announces_length: bool) -> bool:
        """As `open`, when nothing has to be waited for: there is no body, or a small one that is here. False when
        `open` is to see to it. Raises ClientGone, and a filter's HttpError."""
        body = self._body
        length = body.length
        if length is None or length > SMALL_BYTES:
            return False
        if length == 0:
            self.length = 0 if announces_length else None
        elif body.is_complete:
            self.length = length
            self.first = body.read_blocking()
        else:
            return False
        return True

    @property
    def is_to_come(self) -> bool:
        """Whether `open` would let the application wait for the client."""
        return (self._body.length or 0) > SMALL_BYTES and not self._body.is_complete

    async def open(self, *, announces_length: bool, collects: bool = False) -> None:
        """Find out the length. `announces_length`: the client sent a Content-Length, if only 0; `collects`: the body is
        to be here before the application hears of the request, however long it is. Raises ClientGone."""
        expected = self._body.length
        if expected is None or (collects and self.is_to_come):
            self._descriptor, self.length = await spool(self._body)
            if self.length <= SMALL_BYTES:
                self.first = os.read(self._descriptor, SMALL_BYTES)
                self.close()
            else:
                self.is_whole = False
        elif expected == 0:
            self.length = 0 if announces_length else None
        else:
            self.length = expected
            if expected <= SMALL_BYTES:
                self.first = await self._body.read()
            else:
                self.is_whole = False

    async def read_some(self) -> bytes:
        """The next piece of what follows `first`; empty at the end. Raises ClientGone."""
        if self._descriptor >= 0:
            return os.read(self._descriptor, _PIECE_BYTES)  # just written: it comes from memory
        return b"" if self.is_whole else await self._body.read_some()

    def close(self) -> None:
        """Let go of what was collected."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
