"""A body that was collected before its application's turn: the whole of it, in every way it can be read."""

from __future__ import annotations

import asyncio

import pytest

from host.api import BodyTooLarge
from host.api.whole_body import WholeBody
from host.python_apps.collected_body import collected


def collect(data: bytes) -> WholeBody:
    """What becomes of a client's bytes."""
    return asyncio.run(collected(WholeBody(data)))


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 1 << 20])
def test_all_of_it_comes_in_pieces(size: int) -> None:
    """Nothing, a byte, exactly a piece, one more, and what is in a file."""
    data = bytes(size)[1:] + b"x" * bool(size)

    async def pieces(body: WholeBody) -> list[bytes]:
        return [piece async for piece in body]

    body = collect(data)
    assert body.is_complete
    assert (body.length, body.is_at_end) == (size, size == 0)
    found = asyncio.run(pieces(body))
    assert b"".join(found) == data
    assert all(len(piece) <= 65536 for piece in found)
    assert body.is_at_end
    assert body.read_some_blocking() == b""
    assert asyncio.run(body.read_some()) == b""


def test_all_at_once_is_what_is_left_and_may_be_limited() -> None:
    """As every body does it."""
    body = collect(b"x" * 70000)
    assert len(body.read_some_blocking()) == 65536
    with pytest.raises(BodyTooLarge):
        body.read_blocking(4463)
    assert asyncio.run(body.read(4464)) == b"x" * 4464
    assert body.is_at_end
