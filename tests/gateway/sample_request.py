"""A request as a worker builds it, for tests of what handlers make of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from host.api import ApplicationInfo, BodyTooLarge, Connection, HttpError, Request


class PieceBody:
    """A request body that arrives in the given pieces; `length` None is a chunked one."""

    def __init__(self, pieces: Iterable[bytes] = (), length: int | None = 0) -> None:
        self._pieces = iter(pieces)
        self.length = length
        self.bytes_read = 0
        self.is_at_end = length == 0

    @property
    def is_complete(self) -> bool:
        return self.is_at_end

    async def read_some(self) -> bytes:
        return self.read_some_blocking()

    async def read(self, limit: int | None = None) -> bytes:
        return self.read_blocking(limit)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.read_some():
            yield piece

    def read_some_blocking(self) -> bytes:
        piece = next(self._pieces, b"")
        self.bytes_read += len(piece)
        self.is_at_end = not piece
        return piece

    def refuse_above(self, most_bytes: int, refusal: HttpError) -> None:
        raise NotImplementedError  # no filter runs here

    def read_blocking(self, limit: int | None = None) -> bytes:
        found = b"".join(iter(self.read_some_blocking, b""))
        if limit is not None and len(found) > limit:
            raise BodyTooLarge(limit)
        return found


CONNECTION = Connection("192.0.2.7", 40123, "127.0.0.1", 8080, 1)
APPLICATION = ApplicationInfo(1, "Default Web Site", "/", "/srv/www", "DefaultAppPool")


def sample_request(fields: Iterable[tuple[str, str]] = (), **changes: Any) -> Request:
    """A GET of /cgi-bin/show.cgi; `fields` are added to Host, `changes` replace attributes of the request."""
    raw_headers = "".join(f"{name}: {value}\r\n" for name, value in [("Host", "www.example.com:8080"), *fields])
    values: dict[str, Any] = {
        "id": "8000000a-0001",
        "method": "GET",
        "raw_target": "/cgi-bin/show.cgi",
        "http_version": "1.1",
        "raw_headers": raw_headers.encode("latin-1"),
        "connection": CONNECTION,
        "application": APPLICATION,
        "body": PieceBody(),
        "path": "/cgi-bin/show.cgi",
        "physical_path": "/srv/www/cgi-bin/show.cgi",
        "script_name": "/cgi-bin/show.cgi",
        "server_name": "www.example.com",
    }
    return Request(**(values | changes))
