"""What becomes of a request whose worker dies: every rule."""

from __future__ import annotations

import pytest

from host.http1.errors import RemoteProtocolError
from host.http1.request_head import RequestHead
from host.listener.exchange import MAX_DEATHS, Exchange, Fate, fate_of
from host.listener.request_body import KEPT_FOR_REPLAY, RequestBody
from host.wire.request_dialogue import RequestState
from tests.listener.running_listener import Sizes, routing

ROUTES = routing(80, Sizes())
NO_REPLAY = routing(80, Sizes(replay=False))


class Somebody:
    """Stands for a client that is there; nothing is asked of it."""


def exchange(method: bytes = b"GET", state: RequestState = RequestState.SENT, *, replay: bool = True) -> Exchange:
    route = (ROUTES if replay else NO_REPLAY).find(b"127.0.0.1", b"/")
    it = Exchange(Somebody(), RequestHead(method, b"/", 1, b"", 0), route, 0.0)  # type: ignore[arg-type]
    it.state = state
    return it


def with_body(size: int) -> RequestBody:
    body = RequestBody()
    body.receive(b"x" * size)
    return body


def test_a_request_whose_client_left_is_forgotten() -> None:
    """Nobody waits."""
    it = exchange()
    it.client = None
    assert fate_of(it) is Fate.FORGET


def test_a_response_that_has_begun_is_cut() -> None:
    """Never completed silently, never begun twice."""
    assert fate_of(exchange(state=RequestState.RESPONDING)) is Fate.CUT


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
@pytest.mark.parametrize("state", [RequestState.SENT, RequestState.STARTED])
def test_an_idempotent_request_is_replayed_once(method: bytes, state: RequestState) -> None:
    """The second death gives it up."""
    it = exchange(method, state)
    assert fate_of(it) is Fate.REPLAY
    it.deaths = 1
    assert fate_of(it) is Fate.REFUSE


def test_a_pool_can_forbid_replay() -> None:
    """failure/@replayIdempotentRequests."""
    assert fate_of(exchange(replay=False)) is Fate.REFUSE


def test_any_other_request_returns_to_the_queue_while_nobody_started_it() -> None:
    """Whatever the pool says about replay: nothing happened. It may cost so many workers and no more."""
    it = exchange(b"POST", replay=False)
    assert fate_of(it) is Fate.REQUEUE
    it.deaths = MAX_DEATHS - 1
    assert fate_of(it) is Fate.REFUSE


def test_a_started_request_that_is_not_idempotent_is_given_up() -> None:
    """It may have been acted on."""
    assert fate_of(exchange(b"POST", RequestState.STARTED)) is Fate.REFUSE


@pytest.mark.parametrize(("method", "fate"), [(b"PUT", Fate.REPLAY), (b"POST", Fate.REQUEUE)])
def test_a_body_must_be_at_hand(method: bytes, fate: Fate) -> None:
    """64 KiB are kept."""
    it = exchange(method)
    it.body = with_body(KEPT_FOR_REPLAY)
    assert fate_of(it) is fate
    it.body = with_body(KEPT_FOR_REPLAY + 1)
    assert fate_of(it) is Fate.REFUSE


def test_the_routes_of_these_tests_are_real() -> None:
    """Another host has none."""
    with pytest.raises(RemoteProtocolError):
        ROUTES.find(b"elsewhere", b"/")
