"""Reads a big file over one connection, again and again, and throws the bytes away where the kernel has them."""

from __future__ import annotations

import socket
import time
from typing import Final

from bench.load import LoadFailed, LoadResult

_PIECE_BYTES: Final = 1 << 20
_TIMEOUT_SECONDS: Final = 30.0


def download(port: int, path: str, *, seconds: float) -> LoadResult:
    """Whole downloads until `seconds` have passed, one at least. Raises LoadFailed for a wrong or short answer.

    The percentiles are those of the time until the last byte of a download.
    """
    started = time.monotonic()
    times: list[float] = []
    total = 0
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS) as connection:
        while not times or time.monotonic() - started < seconds:
            begun = time.monotonic()
            total += _one(connection, port, path)
            times.append(time.monotonic() - begun)
    times.sort()
    return LoadResult(
        requests=len(times),
        seconds=time.monotonic() - started,
        bytes=total,
        errors=0,
        p50_seconds=times[len(times) // 2],
        p99_seconds=times[-1],
    )


def _one(connection: socket.socket, port: int, path: str) -> int:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    raw_head = b""
    while b"\r\n\r\n" not in raw_head:
        piece = connection.recv(4096)
        if not piece:
            raise LoadFailed(f"connection closed in the response's head: {raw_head[:100]!r}")
        raw_head += piece
    raw_head, _, beginning = raw_head.partition(b"\r\n\r\n")
    length = _content_length(raw_head)
    missing = length - len(beginning)
    buffer = bytearray(_PIECE_BYTES)
    while missing:
        # MSG_TRUNC: the kernel counts the bytes and drops them (tcp(7)), so that the reader costs little
        count = connection.recv_into(buffer, min(missing, _PIECE_BYTES), socket.MSG_TRUNC)
        if count == 0:
            raise LoadFailed(f"connection closed with {missing} of {length} bytes missing")
        missing -= count
    return length


def _content_length(raw_head: bytes) -> int:
    lines = raw_head.decode("latin-1").split("\r\n")
    if not lines[0].startswith("HTTP/1.1 200"):
        raise LoadFailed(f"the answer is {lines[0]}")
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    raise LoadFailed("the answer has no Content-Length")
