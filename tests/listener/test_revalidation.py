"""Stale answers that are used while somebody asks if they are still good (RFC 5861 section 3); the worker is the
test's, and so is the clock."""

from __future__ import annotations

import pytest

from host.listener.revalidation import FAILED_SECONDS
from host.wire.codec import decode_session_end, encode_response
from host.wire.control_messages import WorkerGone
from host.wire.frames import Kind, RequestFrame, ResponseFlag, ResponseFrame
from tests.listener.running_listener import Client, RunningListener, TestWorker
from tests.listener.test_shared_answering import SHARED, STILL_GOOD, TEN, asks, field, fill, got, respond

MEANWHILE = TEN.replace(b"=10", b"=10, stale-while-revalidate=30")
AGAIN = STILL_GOOD.replace(b"=20", b"=20, stale-while-revalidate=30")
FAILING = b"503 Service Unavailable\r\n"


def kept(front: RunningListener) -> list[int]:
    """Seconds for which each answer that is kept is fresh."""
    return [row.expires_in for row in front.run(lambda: front.listener.cache_contents(1)).rows]


def use_stale(front: RunningListener, client: Client, worker: TestWorker) -> tuple[int, RequestFrame]:
    """A client gets an answer that is stale; what the worker is asked because of that."""
    fill(client, worker, MEANWHILE)
    front.pass_seconds(12)
    assert got(client)[::2] == (200, b"hello")
    return worker.request()


def is_over(front: RunningListener, worker: TestWorker, request: RequestFrame) -> bool:
    """Whether the worker hears that the connection of that question has ended."""
    number = decode_session_end(worker.take(Kind.SESSION_END)[1])
    front.settle()
    return number == connection_of(request) and not front.run(front.listener.requests)


def connection_of(request: RequestFrame) -> int:
    return int(request.connection.split(b"\0")[4])


def test_a_client_gets_what_is_stale_at_once_and_one_question_is_asked(front: RunningListener) -> None:
    """However many clients there are; the answer to the question is nobody's, has no line in the log, and makes what is
    stored fresh again."""
    worker, client = front.worker(), front.client()
    first = fill(client, worker, MEANWHILE)
    front.pass_seconds(12)
    for one in (client, front.client(), client):
        status, fields, body = got(one, 'If-None-Match: "v0"\r\nX-Own: 1\r\n')
        assert (status, body, fields["age"]) == (200, b"hello", "12")
    number, request = worker.request()
    assert (request.target, request.method, field(request, b"x-own")) == (b"/a", b"GET", [b"1"])
    assert field(request, b"if-none-match") == [b'"v1"']  # not the client's: nobody gets that 304
    assert request.connection.split(b"\0")[:4] == first.connection.split(b"\0")[:4]
    assert connection_of(request) != connection_of(first)
    (row,) = front.run(front.listener.requests)
    assert (row.url, row.connection_id) == ("/a", connection_of(request))
    respond(worker, number, b"", AGAIN)
    assert is_over(front, worker, request)
    status, fields, body = got(client)
    assert (status, body, fields["age"], fields["x-more"]) == (200, b"hello", "0", "yes")
    assert worker.has_nothing_to_do()
    front.settle()
    assert front.log.requests.qsize() == 5
    front.pass_seconds(50)
    assert [got(client)[1]["age"] for _ in range(2)] == ["50", "50"]
    number, request = worker.request()
    respond(worker, number, b"newer", MEANWHILE.replace(b"v1", b"v2"))
    assert is_over(front, worker, request)
    assert got(client)[2] == b"newer"
    front.pass_seconds(41)
    assert asks(front, client, worker)  # too old: whoever asks waits for the answer


@pytest.mark.parametrize(
    ("head", "body", "offers", "is_kept"),
    [
        (FAILING, b"x", True, True),
        (b"404 Not Found\r\n", b"x", True, False),
        (b"200 OK\r\nCache-Control: no-store\r\n", b"x", True, False),
        (MEANWHILE, b"newer", False, False),
        (AGAIN, b"", False, False),
        (AGAIN.replace(b"v1", b"v2"), b"", True, False),
    ],
)
def test_what_answers_the_question_is_stored_or_takes_out_what_is(
    front: RunningListener, head: bytes, body: bytes, offers: bool, is_kept: bool
) -> None:
    """As when a client waits for it; an error alone leaves things as they are, and after a second somebody asks
    again."""
    worker, client = front.worker(), front.client()
    number, request = use_stale(front, client, worker)
    respond(worker, number, body, head, SHARED if offers else None)
    assert is_over(front, worker, request)
    if not is_kept:
        assert kept(front) == []
        assert asks(front, client, worker)
        return
    assert got(client)[2] == b"hello"
    assert worker.has_nothing_to_do()
    front.pass_seconds(FAILED_SECONDS)
    assert got(client)[1]["age"] == "13"
    assert worker.request()[1].target == b"/a"


@pytest.mark.parametrize("head", [b"200 OK\r\nContent-Length: 9\r\n", FAILING])
def test_an_answer_in_pieces_is_not_waited_for(front: RunningListener, head: bytes) -> None:
    """Nothing in pieces is stored: the worker is told that nobody reads it."""
    worker, client = front.worker(), front.client()
    number, request = use_stale(front, client, worker)
    worker.begin(number, b"in ", head=head)
    assert worker.take(Kind.ABORT)[0] == number
    assert is_over(front, worker, request)
    worker.data(number, b"pieces")
    worker.end(number)
    front.settle()
    assert kept(front) == ([-2] if head == FAILING else [])
    assert asks(front, client, worker) is (head != FAILING)


def test_a_question_that_nobody_answers_changes_nothing(front: RunningListener) -> None:
    """The pool is off, its worker gives up, dies twice, or has not taken it in time."""
    worker, client = front.worker("A1"), front.client()
    number, request = use_stale(front, client, worker)
    worker.reset(number, 504)
    assert is_over(front, worker, request)
    front.pass_seconds(FAILED_SECONDS)
    front.run(lambda: front.listener.set_queue_state("A", "AppOffline"))
    assert [got(client)[1]["age"] for _ in range(2)] == ["13", "13"]
    front.run(lambda: front.listener.set_queue_state("A", ""))
    front.pass_seconds(FAILED_SECONDS)
    assert got(client)[1]["age"] == "14"
    worker.request()
    assert len(front.run(front.listener.requests)) == 1
    worker.die()
    front.message(WorkerGone)
    assert kept(front) == []  # as all that a worker has made, but what may stand in for errors
    other = front.worker("A2")
    assert other.request()[1].target == b"/a"
    other.die()
    front.message(WorkerGone)
    assert not front.run(front.listener.requests)


def test_a_question_in_the_queue_is_given_up_with_it(front: RunningListener) -> None:
    """Nobody takes it within the site's connectionTimeout; and none is left when the listener ends."""
    worker, client = front.worker(credit=1), front.client()
    fill(client, worker, MEANWHILE.replace(b"=30", b"=3000"))
    client.get("/other")
    worker.request()  # its only turn
    front.pass_seconds(12)
    other = front.client()
    assert got(other)[1]["age"] == "12"
    assert len(front.run(front.listener.requests)) == 2
    front.pass_seconds(61)
    assert got(other)[1]["age"] == "73"  # what nobody asks for leaves the cache
    front.pass_seconds(60)
    assert front.run(lambda: [row.url for row in front.listener.requests()]) == ["/other"]
    front.pass_seconds(FAILED_SECONDS)
    assert got(front.client())[1]["age"] == "134"
    assert len(front.run(front.listener.requests)) == 2
    front.drain(0.0)
    assert not front.run(front.listener.requests)


def test_a_draining_worker_is_no_judge(front: RunningListener) -> None:
    """What it says may not be stored, and its successor is asked: what may stand in for errors stays."""
    worker, client = front.worker("A1"), front.client()
    fill(client, worker, MEANWHILE.replace(b"=30", b"=30, stale-if-error=90"))
    front.pass_seconds(12)
    assert got(client)[1]["age"] == "12"
    number, request = worker.request()
    front.run(lambda: front.listener.detach_worker("A1"))
    worker.take(Kind.DRAIN)
    respond(worker, number, b"", AGAIN)
    assert is_over(front, worker, request)
    assert kept(front) == [-12]  # it is not fresh at all any more
    other = front.worker("A2")
    client.get("/a")
    respond(other, other.request()[0], b"", AGAIN)
    assert client.read_response()[1]["age"] == "0"


def test_a_question_about_what_was_flushed_stores_nothing(front: RunningListener) -> None:
    """Whoever flushes the cache wants what comes from then on."""
    worker, client = front.worker(), front.client()
    number, request = use_stale(front, client, worker)
    front.run(lambda: front.listener.flush_cache(0, ""))
    respond(worker, number, b"", AGAIN)
    assert is_over(front, worker, request)
    assert kept(front) == []


def test_an_answer_of_two_statuses_is_a_lie_here_too(front: RunningListener) -> None:
    """It costs the worker its link, and the listener nothing."""
    worker, client = front.worker(), front.client()
    number, _ = use_stale(front, client, worker)
    frame = ResponseFrame(int(ResponseFlag.COMPLETE), 1, 200, 0, 0, b"404 Not Found\r\n", b"")
    worker.send(encode_response(number, frame))
    assert worker.sees_end()
    assert "another" in front.message(WorkerGone).broken
    assert not front.run(front.listener.requests)
