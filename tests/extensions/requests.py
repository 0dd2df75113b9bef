"""Builds the real `Request` that an extension or filter is called with, without a worker around it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

from host.api import ApplicationInfo, BodyTooLarge, Connection, FileBody, HandlerMapping, HttpError, Request, Response
from host.config.model import PathSettings, StaticContent

MIME_MAP = {".html": "text/html", ".txt": "text/plain", ".bin": "application/octet-stream", ".jpg": "image/jpeg"}
STATIC_MODULES = "StaticFileModule,DefaultDocumentModule,DirectoryListingModule"
STATIC_MAPPING = HandlerMapping(name="StaticFile", path="*", modules=STATIC_MODULES)
STATIC_SETTINGS = PathSettings(static_content=StaticContent(mime_map=MIME_MAP), default_documents=("index.html",))
LOCAL = Connection("127.0.0.1", 50000, "127.0.0.1", 8080, 1)
REMOTE = Connection("203.0.113.7", 50000, "198.51.100.1", 80, 2)


class BytesBody:
    """A request body that has arrived whole: the worker's own reads from its channel."""

    def __init__(self, data: bytes = b"", *, chunked: bool = False) -> None:
        self._left = data
        self._length = None if chunked else len(data)
        self.most_bytes: int | None = None

    @property
    def length(self) -> int | None:
        return self._length

    @property
    def is_at_end(self) -> bool:
        return not self._left

    @property
    def is_complete(self) -> bool:
        return True

    async def read(self, limit: int | None = None) -> bytes:
        return self.read_blocking(limit)

    async def read_some(self) -> bytes:
        return self.read_some_blocking()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := self.read_some_blocking():
            yield piece

    def read_blocking(self, limit: int | None = None) -> bytes:
        if limit is not None and len(self._left) > limit:
            raise BodyTooLarge(limit)
        data, self._left = self._left, b""
        return data

    def read_some_blocking(self) -> bytes:
        data, self._left = self._left[:4096], self._left[4096:]
        return data

    def refuse_above(self, most_bytes: int, refusal: HttpError) -> None:
        self.most_bytes = most_bytes


def make_request(
    root: Path,
    target: str = "/",
    method: str = "GET",
    fields: dict[str, str] | None = None,
    *,
    body: bytes = b"",
    settings: PathSettings = STATIC_SETTINGS,
    mapping: HandlerMapping | None = STATIC_MAPPING,
    connection: Connection = LOCAL,
) -> Request:
    """A request as the worker hands it to a handler: `target` decoded once and joined to `root`."""
    raw_path, _, raw_query = target.partition("?")
    path = unquote(raw_path, errors="surrogateescape")
    lines = [f"{name}: {value}\r\n" for name, value in {"Host": "localhost:8080", **(fields or {})}.items()]
    return Request(
        id="5f0c",
        method=method,
        raw_target=target,
        http_version="1.1",
        raw_headers="".join(lines).encode("latin-1"),
        connection=connection,
        application=ApplicationInfo(1, "Default Web Site", "/", str(root), "DefaultAppPool"),
        body=BytesBody(body),
        path=path,
        raw_query=raw_query,
        physical_path=str(root) + path.rstrip("/"),
        physical_root=str(root),
        script_name=path,
        mapping=mapping,
        settings=settings,
        server_name="localhost",
    )


def content_of(response: Response) -> bytes:
    """Every byte of the body. Closes the descriptors, as the worker does once the listener has them."""
    pieces = response.body if isinstance(response.body, list) else [response.body]
    return b"".join(_bytes_of(piece) for piece in pieces)


def _bytes_of(piece: object) -> bytes:
    if isinstance(piece, bytes):
        return piece
    assert isinstance(piece, FileBody)
    try:
        return os.pread(piece.descriptor, piece.length, piece.offset)
    finally:
        os.close(piece.descriptor)


def open_descriptors() -> int:
    """How many descriptors this process has open: a handler that leaks one makes it grow."""
    return len(os.listdir("/proc/self/fd"))
