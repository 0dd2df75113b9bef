"""Requests whose clients still send their bodies have half of a worker's places: who asks without one finds another.

The worker of these tests takes four requests at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from host.config.listener_settings import ListenerSettings
from host.listener.body_spool import MOST_OF_ONE, SpoolRoom
from host.wire.codec import decode_request, encode_number
from host.wire.control_messages import Demand
from host.wire.frames import Kind, RequestFlag, RequestFrame
from tests.listener.running_listener import WAIT_SECONDS, Client, RunningListener, TestWorker
from tests.listener.test_body_spool import files_of_at_most, wait

Start = Callable[..., RunningListener]
PLACES = 4
LONG = os.urandom(3_000_000)
HUGE = LONG * 7
"""More than the kernel takes for two sockets."""

HOST = "Host: 127.0.0.1\r\n"
LENGTH = f"Content-Length: {len(LONG)}\r\n"
HUGE_LENGTH = f"Content-Length: {len(HUGE)}\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
ASKED_FIRST = "Content-Length: 5\r\nExpect: 100-continue\r\n"
SECONDS = 10


@pytest.fixture
def front(start: Start) -> RunningListener:
    """With what is in force when nothing is configured, but for the time that a client has."""
    return start(connection_timeout=SECONDS, listener=ListenerSettings())


def begin(front: RunningListener, fields: str = LENGTH, target: str = "/slow") -> Client:
    """A client that has sent a head, and that the listener has heard of."""
    client = front.client()
    client.send(f"POST {target} HTTP/1.1\r\n{HOST}{fields}\r\n".encode())
    front.settle()
    return client


def occupy(front: RunningListener, fields: str = LENGTH, *, credit: int = PLACES) -> tuple[TestWorker, list[Client]]:
    """A worker that has as many slow uploads as it is given: their numbers are 1 and 2."""
    worker = front.worker(credit=credit)
    slow = [begin(front, fields, f"/occupies/{number}") for number in range(credit // 2)]
    for number in range(credit // 2):
        assert worker.request()[1].target == f"/occupies/{number}".encode()
    return worker, slow


def room_of(front: RunningListener) -> SpoolRoom:
    return front.listener._context.spool_room


def next_request(worker: TestWorker) -> tuple[int, RequestFrame]:
    """The next request; what is said of others before it is passed over."""
    while True:
        kind, number, data = worker.next_frame()
        if kind is Kind.REQUEST:
            return number, decode_request(data)


def shown(front: RunningListener) -> list[str]:
    """What is shown of the requests that no worker has."""
    return [row.pipeline_state for row in front.run(front.listener.requests) if not row.worker]


def body_of(worker: TestWorker, number: int, first: bytes) -> bytes:
    """All of it, by frames to BODY_END."""
    got = bytearray(first)
    worker.grant_body(number, len(first))
    while True:
        kind, of, data = worker.next_frame()
        assert of == number
        if kind is Kind.BODY_END:
            return bytes(got)
        assert kind is Kind.BODY
        got += data
        worker.grant_body(number, len(data))


@pytest.mark.parametrize("fields", [LENGTH, CHUNKED, ASKED_FIRST])
def test_slow_uploads_leave_others_half_of_a_workers_places(front: RunningListener, fields: str) -> None:
    """However many there are of them, and whatever they say of their length."""
    worker, _ = occupy(front, fields)
    for _ in range(3):
        begin(front, fields)
    assert worker.has_nothing_to_do()
    others = [front.client() for _ in range(PLACES // 2)]
    for other in others:
        other.get("/other")
        assert worker.request()[1].target == b"/other"
    assert shown(front) == ["ReadEntityBody"] * 3


def test_one_too_many_is_collected_and_comes_whole(front: RunningListener) -> None:
    """Past two that never end: the client is rid of all of it, the worker gets every byte, the room is free again."""
    worker, _ = occupy(front)
    most = room_of(front).left_bytes
    client = begin(front)
    client.send(LONG)
    number, frame = worker.request()
    assert (frame.target, frame.content_length) == (b"/slow", len(LONG))
    assert not frame.flags & RequestFlag.BODY_COMPLETE
    assert front.run(lambda: room_of(front).left_bytes) < most
    assert body_of(worker, number, frame.body) == LONG
    assert front.run(lambda: room_of(front).left_bytes) == most
    worker.answer(number)
    assert client.read_response()[0] == 200


def test_a_short_one_in_chunks_needs_no_room(front: RunningListener) -> None:
    """It waits where it is, and comes in one frame; what follows on the connection is its next request."""
    worker, _ = occupy(front)
    client = begin(front, CHUNKED)
    client.send(b"3\r\nabc\r\n")
    front.settle()
    assert worker.has_nothing_to_do()
    client.send(b"2\r\nde\r\n0\r\n\r\nGET /next HTTP/1.1\r\n" + HOST.encode() + b"\r\n")
    number, frame = worker.request()
    assert (frame.target, frame.body) == (b"/slow", b"abcde")
    assert frame.flags & RequestFlag.BODY_COMPLETE
    worker.answer(number)
    number, frame = worker.request()
    assert frame.target == b"/next"
    worker.answer(number)
    assert [client.read_response()[0] for _ in range(2)] == [200, 200]
    assert room_of(front).begun == 0


def test_a_client_that_waits_to_be_asked_is_asked_by_the_listener(front: RunningListener) -> None:
    """No worker has it who could."""
    worker, slow = occupy(front, ASKED_FIRST)
    client = begin(front, ASKED_FIRST)
    assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"abcde")
    number, frame = worker.request()
    assert (frame.body, frame.flags & RequestFlag.EXPECT_CONTINUE) == (b"abcde", 0)
    worker.answer(number)
    assert client.read_response()[0] == 200
    worker.grant_body(1, 0)
    assert slow[0].read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("how", ["answered", "whole", "gone"])
def test_a_place_that_is_free_is_given_to_the_oldest(front: RunningListener, how: str) -> None:
    """Because the worker has answered, the client has sent everything, or it has left and the worker has let go."""
    worker, slow = occupy(front, "Content-Length: 60000\r\n")
    first, second = begin(front, LENGTH, "/first"), begin(front, LENGTH, "/second")
    first.send(LONG[:1000])
    front.settle()
    assert worker.has_nothing_to_do()
    if how == "answered":
        worker.answer(1)
    elif how == "whole":
        slow[0].send(bytes(60000))
    else:
        slow[0].close()
        assert worker.take(Kind.ABORT)[0] == 1
        worker.reset(1)
    number, frame = next_request(worker)
    assert (frame.target, frame.body) == (b"/first", LONG[:1000])
    front.settle()
    first.send(LONG[1000:2000])
    assert worker.take(Kind.BODY) == (number, LONG[1000:2000])
    second.close()


def test_who_is_held_is_shown_and_costs_no_worker(front: RunningListener) -> None:
    """`isapy list requests` says that its body is awaited; no demand for another worker is made."""
    worker, _ = occupy(front)
    begin(front)
    assert shown(front) == ["ReadEntityBody"]
    front.pass_seconds(2)
    assert worker.has_nothing_to_do()
    with_demand = [message for message in list(front.messages.queue) if isinstance(message, Demand)]
    assert not with_demand


def test_who_is_held_and_sends_nothing_is_closed_in_time(front: RunningListener) -> None:
    """As everywhere: connectionTimeout without a byte. Every byte counts, however long the whole takes."""
    occupy(front)
    client = begin(front)
    for _ in range(4):
        front.pass_seconds(SECONDS - 1)
        client.send(b"x")
        front.settle()
    front.pass_seconds(SECONDS + 2)
    reasons = {front.log.next_refusal().reason for _ in range(3)}
    assert reasons == {"Timer_EntityBody"}
    assert client.is_reset()


def test_who_is_held_and_leaves_is_forgotten(front: RunningListener) -> None:
    """No worker ever hears of it; what it had sent is nobody's memory any more."""
    worker, _ = occupy(front)
    most = room_of(front).left_bytes
    client = begin(front)
    client.send_until_stalled(LONG[: len(LONG) // 2])
    wait(front, lambda: room_of(front).left_bytes < most)
    client.close()
    assert front.log.next_refusal().reason == "Client_Reset"
    assert front.run(lambda: room_of(front).left_bytes) == most
    assert worker.has_nothing_to_do()


def test_without_room_it_waits_in_the_client_for_a_place(front: RunningListener) -> None:
    """And comes when there is one, or is closed when none was free in time. What has no body is served all the same."""
    worker, _ = occupy(front)
    room = room_of(front)
    most, room.left_bytes = room.left_bytes, 0
    lucky, late = begin(front, HUGE_LENGTH, "/lucky"), begin(front, HUGE_LENGTH, "/late")
    assert lucky.send_until_stalled(HUGE) < len(HUGE)
    assert late.send_until_stalled(HUGE) < len(HUGE)
    other = front.client()
    other.get("/other")
    number, frame = worker.request()
    assert frame.target == b"/other"
    worker.answer(number)
    assert shown(front) == ["Queued", "Queued"]
    worker.answer(1)
    number, frame = worker.request()
    assert frame.target == b"/lucky"
    worker.answer(number)
    front.pass_seconds(1)
    room.left_bytes = most
    assert worker.request()[1].target == b"/late"


def test_no_place_in_time_closes(front: RunningListener) -> None:
    """HTTPERR says Timer_ReqQueue, as of every request that no worker took."""
    occupy(front)
    room_of(front).left_bytes = 0
    client = begin(front, HUGE_LENGTH)
    client.send_until_stalled(HUGE)
    front.pass_seconds(SECONDS + 2)
    assert "Timer_ReqQueue" in {front.log.next_refusal().reason for _ in range(3)}
    assert client.is_reset()


def test_what_has_room_again_is_read_on(front: RunningListener) -> None:
    """A second later at most."""
    worker, _ = occupy(front)
    room = room_of(front)
    most, room.left_bytes = room.left_bytes, 0
    client = begin(front, HUGE_LENGTH)
    sent = client.send_until_stalled(HUGE)
    room.left_bytes = most
    front.pass_seconds(1)
    client.send(HUGE[sent:])
    number, frame = worker.request()
    assert body_of(worker, number, frame.body) == HUGE


def test_who_is_held_when_memory_ends_is_told_so(front: RunningListener) -> None:
    """503, and HTTPERR has a line."""
    worker, _ = occupy(front)
    most = room_of(front).left_bytes
    client = begin(front)
    with files_of_at_most(100_000):
        client.send_until_stalled(LONG)
        assert client.read_response()[0] == 503
    refusal = front.log.next_refusal()
    assert (refusal.status, refusal.reason, refusal.target) == (503, "N/A", "/slow")
    assert front.run(lambda: room_of(front).left_bytes) == most
    assert worker.has_nothing_to_do()


def test_what_can_never_be_whole_here_is_not_begun(front: RunningListener) -> None:
    """More than the room for one: it is neither read nor asked for before it has a place."""
    worker, _ = occupy(front)
    client = begin(front, f"Content-Length: {MOST_OF_ONE + 1}\r\nExpect: 100-continue\r\n")
    front.settle()
    client.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.socket.recv(1)
    client.socket.settimeout(WAIT_SECONDS)
    worker.answer(1)
    number, frame = worker.request()
    assert frame.flags & RequestFlag.EXPECT_CONTINUE
    worker.grant_body(number, 0)
    assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_who_is_held_survives_every_worker(front: RunningListener) -> None:
    """Two die, the third gets it whole; while there is none, one is demanded."""
    worker, _ = occupy(front)
    client = begin(front)
    client.send(LONG[:1000])
    front.settle()
    worker.die()
    front.message(Demand)
    third = front.worker("A3", credit=1)
    number, frame = third.request()
    assert (number, frame.target, frame.body) == (3, b"/slow", LONG[:1000])
    client.send(LONG[1000:])
    assert body_of(third, number, b"") == LONG[1000:]


def test_a_closed_queue_refuses_who_is_held(front: RunningListener) -> None:
    """503 with the reason, at once."""
    occupy(front)
    client = begin(front)
    front.run(lambda: front.listener.set_queue_state("A", "Disabled"))
    assert client.read_response()[0] == 503
    assert front.log.next_refusal().reason == "Disabled"


def test_who_is_whole_takes_the_queues_rules(start: Start) -> None:
    """A full queue refuses it like any other; who is held does not count in it."""
    front = start(queue_length=1, listener=ListenerSettings())
    occupy(front)
    held = [begin(front, CHUNKED) for _ in range(3)]
    for _ in range(PLACES // 2 + 1):
        front.client().get("/other")
    front.settle()
    held[0].send(b"0\r\n\r\n")
    assert held[0].read_response()[0] == 503
    assert front.log.next_refusal().reason == "QueueFull"


def test_the_only_place_is_an_uploads_too(front: RunningListener) -> None:
    """Half of one is one: somebody must be served."""
    worker = front.worker(credit=1)
    client = begin(front)
    number, frame = worker.request()
    client.send(LONG)
    assert body_of(worker, number, frame.body) == LONG


def test_an_upload_that_waited_for_credit_is_held_in_its_turn(front: RunningListener) -> None:
    """Nobody had a place; those that come are given to the oldest, and the rest to who has no body."""
    worker = front.worker(credit=0)
    uploads = [begin(front, LENGTH, f"/upload/{number}") for number in range(3)]
    other = front.client()
    other.get("/other")
    front.settle()
    worker.send(encode_number(Kind.CREDIT, 0, 4))
    targets = [worker.request()[1].target for _ in range(3)]
    assert targets == [b"/upload/0", b"/upload/1", b"/other"]
    front.settle()
    assert worker.has_nothing_to_do()
    uploads[2].send(LONG)
    assert worker.request()[1].target == b"/upload/2"
