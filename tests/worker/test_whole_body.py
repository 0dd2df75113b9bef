"""A body all of which is here: read once, in every way it can be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from host.api import BodyTooLarge, ClientGone, HttpError
from host.api.whole_body import WholeBody

READERS: dict[str, Callable[[WholeBody], bytes]] = {
    "read": lambda body: asyncio.run(body.read()),
    "read_some": lambda body: asyncio.run(body.read_some()),
    "iteration": lambda body: asyncio.run(joined(body)),
    "read_blocking": WholeBody.read_blocking,
    "read_some_blocking": WholeBody.read_some_blocking,
}


async def joined(body: WholeBody) -> bytes:
    return b"".join([piece async for piece in body])


@pytest.fixture(params=READERS)
def read(request: pytest.FixtureRequest) -> Callable[[WholeBody], bytes]:
    """Each way of reading."""
    return READERS[request.param]


def test_what_was_read_is_gone(read: Callable[[WholeBody], bytes]) -> None:
    """The length stays what it was."""
    body = WholeBody(b"data")
    assert (body.length, body.received, body.is_at_end, body.is_complete) == (4, 4, False, True)
    assert read(body) == b"data"
    assert (body.length, body.received, body.is_at_end) == (4, 4, True)
    assert read(body) == b""


def test_a_limit_refuses_more_and_takes_nothing(read: Callable[[WholeBody], bytes]) -> None:
    """What is exactly as long is given."""
    body = WholeBody(b"data")
    with pytest.raises(BodyTooLarge):
        asyncio.run(body.read(3))
    with pytest.raises(BodyTooLarge):
        body.read_blocking(3)
    assert read(body) == b"data"
    assert WholeBody(b"data").read_blocking(4) == b"data"


def test_a_filters_limit_holds_for_every_reader(read: Callable[[WholeBody], bytes]) -> None:
    """The last word of it counts."""
    refusal = HttpError(413, 1, "too long")
    body = WholeBody(b"data")
    body.refuse_above(3, refusal)
    for _ in range(2):
        with pytest.raises(HttpError) as refused:
            read(body)
        assert refused.value is refusal
    body.refuse_above(4, refusal)
    assert read(body) == b"data"


def test_nothing_is_read_when_the_client_has_left(read: Callable[[WholeBody], bytes]) -> None:
    """Nobody is there for whom an answer would be made."""
    body = WholeBody(b"data")
    body.client_left()
    with pytest.raises(ClientGone):
        read(body)
