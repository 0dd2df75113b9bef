"""Builds the real `Request` that an extension or filter is called with, without a worker around it."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from host.api import ApplicationInfo, Connection, FileBody, HandlerMapping, Request, Response
from host.api.whole_body import WholeBody
from host.config.model import PathSettings, StaticContent

MIME_MAP = {".html": "text/html", ".txt": "text/plain", ".bin": "application/octet-stream", ".jpg": "image/jpeg"}
STATIC_MODULES = "StaticFileModule,DefaultDocumentModule,DirectoryListingModule"
STATIC_MAPPING = HandlerMapping(name="StaticFile", path="*", modules=STATIC_MODULES)
STATIC_SETTINGS = PathSettings(static_content=StaticContent(mime_map=MIME_MAP), default_documents=("index.html",))
LOCAL = Connection("127.0.0.1", 50000, "127.0.0.1", 8080, 1)
REMOTE = Connection("203.0.113.7", 50000, "198.51.100.1", 80, 2)


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
        body=WholeBody(body),
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
