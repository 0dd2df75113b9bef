"""A request's body from its beginning, although part of it was read ahead: for a child request that inherits it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from host.api import BodyTooLarge, HttpError, RequestBody
from host.isapi.session import Session


def rest_of_body(session: Session) -> RequestBody | None:
    """What the child reads; None when the body was not touched."""
    ahead = session.take_unread()
    return None if not ahead else PrefixedBody(ahead, session.request.body)


class PrefixedBody:
    """Bytes that are here, and a body that goes on behind them. `host.api.RequestBody`."""

    def __init__(self, ahead: bytes, rest: RequestBody) -> None:
        self._ahead = ahead
        self._rest = rest

    @property
    def length(self) -> int | None:
        """What the client announced."""
        return self._rest.length

    @property
    def is_at_end(self) -> bool:
        """Whether everything has been read."""
        return not self._ahead and self._rest.is_at_end

    @property
    def is_complete(self) -> bool:
        """Whether no read waits any more."""
        return self._rest.is_complete

    async def read(self, limit: int | None = None) -> bytes:
        """Everything."""
        ahead = self._take()
        return ahead + await self._rest.read(_left(limit, ahead))

    async def read_some(self) -> bytes:
        """The next piece."""
        return self._take() or await self._rest.read_some()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.read_some():
            yield piece

    def read_blocking(self, limit: int | None = None) -> bytes:
        """Everything."""
        ahead = self._take()
        return ahead + self._rest.read_blocking(_left(limit, ahead))

    def read_some_blocking(self) -> bytes:
        """The next piece."""
        return self._take() or self._rest.read_some_blocking()

    def refuse_above(self, most_bytes: int, refusal: HttpError) -> None:
        """What lies here counts."""
        self._rest.refuse_above(max(0, most_bytes - len(self._ahead)), refusal)

    def _take(self) -> bytes:
        ahead, self._ahead = self._ahead, b""
        return ahead


def _left(limit: int | None, ahead: bytes) -> int | None:
    if limit is None:
        return None
    if len(ahead) > limit:
        raise BodyTooLarge(limit)
    return limit - len(ahead)
