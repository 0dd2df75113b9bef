"""What the load asks for, and what a right answer is: every answer depends on its request's number, so that one that is
truncated or somebody else's is found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

FILE_BYTES: Final = 300 * 1024
STREAM_LINES: Final = 12
STREAM_PAUSE_SECONDS: Final = 0.02
WAIT_SECONDS: Final = 0.2
_PIECE_PAUSE_SECONDS: Final = 0.02

IDEMPOTENT: Final = frozenset({"GET", "PUT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request. `expected(number)` is the body of its right answer; a body is sent in `pieces` of
    `piece_bytes`, with a pause between them. `keeps_connection`: later requests go over the same connection.
    `is_program`: a CGI program answers it."""

    name: str
    method: str
    expected: Callable[[int], bytes]
    keeps_connection: bool = True
    pieces: int = 0
    piece_bytes: int = 0
    piece_pause_seconds: float = _PIECE_PAUSE_SECONDS
    is_program: bool = False

    def body(self, number: int) -> list[bytes]:
        """The request's body, as it is sent."""
        return [piece_of(number, index, self.piece_bytes) for index in range(self.pieces)]


def piece_of(number: int, index: int, size: int) -> bytes:
    """Bytes that no other request sends."""
    word = f"{number}.{index} ".encode()
    return (word * (size // len(word) + 1))[:size]


def page(number: int) -> bytes:
    """Lines with the number, more or fewer of them."""
    return f"page {number}\n".encode() * (1 + number % 40)


def waited(number: int) -> bytes:
    """What the handler says that takes WAIT_SECONDS before its first byte."""
    return f"waited {number}\n".encode()


def streamed(number: int) -> bytes:
    """What the CGI program says line by line."""
    lines = [f"line {index} of {number}\n" for index in range(STREAM_LINES)]
    return "".join([*lines, f"end of {number}\n"]).encode()


@lru_cache(maxsize=1)
def file_content() -> bytes:
    """The static file."""
    return b"".join(hashlib.sha256(index.to_bytes(8, "big")).digest() for index in range(FILE_BYTES // 32))


def _digest(pieces: int, piece_bytes: int) -> Callable[[int], bytes]:
    def expected(number: int) -> bytes:
        whole = b"".join(piece_of(number, index, piece_bytes) for index in range(pieces))
        return f"{number} {len(whole)} {hashlib.sha256(whole).hexdigest()}\n".encode()

    return expected


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind(name="page", method="GET", expected=page),
        Kind(name="connect", method="GET", expected=page, keeps_connection=False),
        Kind(name="wait", method="GET", expected=waited),
        Kind(name="file", method="GET", expected=lambda _number: file_content()),
        Kind(name="put", method="PUT", expected=_digest(2, 1500), pieces=2, piece_bytes=1500),
        Kind(name="upload", method="POST", expected=_digest(12, 8000), pieces=12, piece_bytes=8000),
        Kind(name="stream", method="GET", expected=streamed, is_program=True),
    )
}
"""Every kind by name."""
