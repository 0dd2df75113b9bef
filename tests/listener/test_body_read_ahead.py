"""`<listener bodyReadAhead>`: a short body is here before a worker is given its request."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from host.config.listener_settings import ListenerSettings
from host.wire.frames import Kind, RequestFlag
from tests.listener.running_listener import RunningListener

Start = Callable[..., RunningListener]
HOST = b"Host: 127.0.0.1\r\n"
SLOW = b"POST /slow HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nab"


@pytest.fixture
def front(start: Start) -> RunningListener:
    """With what is in force when nothing is configured."""
    return start(connection_timeout=10, listener=ListenerSettings())


def test_a_short_body_that_comes_slowly_holds_no_workers_turn(front: RunningListener) -> None:
    """The only credit goes to who has sent everything; the slow one's request comes whole, when it is."""
    worker, slow, other = front.worker(credit=1), front.client(), front.client()
    slow.send(SLOW)
    front.settle()
    other.get("/other")
    number, frame = worker.request()
    assert frame.target == b"/other"
    slow.send(b"cd")
    worker.answer(number)
    assert other.read_response()[0] == 200
    slow.send(b"e")
    number, frame = worker.request()
    assert (frame.target, frame.body, frame.content_length) == (b"/slow", b"abcde", 5)
    assert frame.flags & RequestFlag.BODY_COMPLETE
    worker.answer(number)
    assert slow.read_response()[0] == 200


def test_who_is_waited_for_is_shown_with_the_id_that_it_keeps(front: RunningListener) -> None:
    """`isapy list requests`: it is in no queue, so no pool is blamed for it."""
    worker, slow = front.worker(credit=1), front.client()
    slow.send(SLOW)
    front.settle()
    (row,) = front.run(front.listener.requests)
    assert (row.pipeline_state, row.worker) == ("ReadEntityBody", "")
    slow.send(b"cde")
    number, _ = worker.request()
    assert row.request_id.endswith(f"-{number}")
    (later,) = front.run(front.listener.requests)
    assert (later.request_id, later.worker) == (row.request_id, "A1")
    worker.answer(number)
    assert slow.read_response()[0] == 200


def test_a_short_body_that_never_comes_is_no_workers_business(front: RunningListener) -> None:
    """Closed after connectionTimeout without a byte: HTTPERR says Timer_EntityBody, as when a worker waits for it."""
    worker, slow = front.worker(credit=1), front.client()
    slow.send(SLOW)
    front.settle()
    front.pass_seconds(9)
    slow.send(b"c")
    front.settle()
    front.pass_seconds(9)
    assert front.run(lambda: front.listener.connection_count) == 1
    front.pass_seconds(3)
    assert front.log.next_refusal().reason == "Timer_EntityBody"
    assert slow.is_reset()
    assert worker.has_nothing_to_do()


def test_a_client_that_leaves_in_the_middle_is_forgotten(front: RunningListener) -> None:
    """Its request was nobody's yet; the connection is at its end."""
    worker, leaving = front.worker(credit=1), front.client()
    leaving.send(SLOW)
    front.settle()
    leaving.socket.shutdown(socket.SHUT_WR)
    assert leaving.read_to_end() == b""
    assert front.log.next_refusal().reason == "Connection_Dropped"
    assert worker.has_nothing_to_do()
    assert front.run(lambda: front.listener.connection_count) == 0


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 49153\r\n\r\nab",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nab",
    ],
)
def test_other_bodies_are_passed_on_as_they_come(front: RunningListener, head: bytes) -> None:
    """A long one, one whose length nobody knows, and one that the client sends only when it is asked."""
    worker, client = front.worker(), front.client()
    client.send(head)
    number, frame = worker.request()
    assert not frame.flags & RequestFlag.BODY_COMPLETE
    worker.answer(number)
    assert client.read_response()[0] == 200


def test_what_follows_a_body_that_was_waited_for_is_read_in_its_turn(front: RunningListener) -> None:
    """Pipelined behind the last byte of it."""
    worker, client = front.worker(), front.client()
    client.send(SLOW)
    front.settle()
    client.send(b"cdeGET /next HTTP/1.1\r\n" + HOST + b"\r\n")
    for target in (b"/slow", b"/next"):
        number, frame = worker.request()
        assert frame.target == target
        worker.answer(number)
        assert client.read_response()[0] == 200


def test_a_body_at_hand_goes_with_its_request_to_the_next_worker(front: RunningListener) -> None:
    """Nothing has begun: the worker's death costs the client nothing, whatever the method."""
    first, client = front.worker(), front.client()
    client.send(SLOW + b"cde")
    assert first.request()[1].body == b"abcde"
    second = front.worker("A2")
    first.die()
    number, frame = second.request()
    assert frame.body == b"abcde"
    assert second.has_nothing_to_do()
    second.answer(number)
    assert client.read_response()[0] == 200


def test_none_is_read_ahead_when_the_limit_is_zero(start: Start) -> None:
    """Each piece is passed on."""
    front = start(listener=ListenerSettings(body_read_ahead_bytes=0))
    worker, client = front.worker(), front.client()
    client.send(SLOW)
    number, frame = worker.request()
    assert frame.body == b"ab"
    client.send(b"cde")
    assert worker.take(Kind.BODY)[1] == b"cde"
    worker.answer(number)
    assert client.read_response()[0] == 200
