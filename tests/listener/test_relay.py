"""Queues, credit, demand, and workers that die: what is requeued, replayed, refused, cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from host.wire.codec import encode, encode_number
from host.wire.control_messages import Demand, Event, WorkerGone, WorkerPaused
from host.wire.frames import Kind, RequestFlag
from tests.listener.running_listener import RunningListener

Start = Callable[..., RunningListener]


def test_a_worker_gets_nothing_before_its_credit(front: RunningListener) -> None:
    """Then what it can take, oldest first."""
    worker = front.worker(credit=0)
    clients = [front.client() for _ in range(3)]
    for place, client in enumerate(clients):
        client.get(f"/{place}")
        front.message(Demand) if place == 0 else None
        waiting = 0
        while waiting <= place:
            waiting = front.run(lambda: len(front.listener.requests()))
    assert worker.has_nothing_to_do()
    worker.send(encode_number(Kind.CREDIT, 0, 2))
    (first, one), (second, two) = worker.request(), worker.request()
    assert (one.target, two.target) == (b"/0", b"/1")
    assert worker.has_nothing_to_do()
    worker.answer(first)
    third, three = worker.request()
    assert three.target == b"/2"
    for number in (second, third):
        worker.answer(number)
    assert [client.read_response()[0] for client in clients] == [200, 200, 200]


def test_demand_is_said_when_requests_wait_and_again_each_second(front: RunningListener) -> None:
    """Until a worker has taken them."""
    client = front.client()
    client.get()
    demand = front.message(Demand)
    assert (demand.queue, demand.waiting) == ("A", 1)
    front.pass_seconds(1)
    assert front.message(Demand).waiting == 1
    worker = front.worker()
    worker.answer(worker.request()[0])
    client.read_response()
    front.pass_seconds(1)
    assert front.messages.empty()


def test_a_demand_that_was_met_does_not_delay_the_next(front: RunningListener) -> None:
    """A worker came, answered and ended within the second: the next request asks for another one at once."""
    client = front.client()
    client.get()
    front.message(Demand)
    worker = front.worker()
    worker.answer(worker.request()[0])
    client.read_response()
    worker.die()
    front.message(WorkerGone)
    client.get("/again")
    while front.run(lambda: len(front.listener.requests())) < 1:
        pass
    assert isinstance(front.messages.get_nowait(), Demand)  # with the request, not with the clock's next tick


def test_many_waiting_requests_are_one_demand_a_second(front: RunningListener) -> None:
    """The service is told, not flooded."""
    clients = [front.client() for _ in range(5)]
    for client in clients:
        client.get()
    while front.run(lambda: len(front.listener.requests())) < 5:
        pass
    assert front.message(Demand).waiting == 1
    assert front.messages.empty()


def test_a_full_queue_refuses(start: Start) -> None:
    """503 QueueFull; those that wait keep their places."""
    front = start(queue_length=1)
    first, second = front.client(), front.client()
    first.get()
    front.message(Demand)
    second.get("/second")
    assert second.read_to_end().startswith(b"HTTP/1.1 503 ")
    refusal = front.log.next_refusal()
    assert (refusal.reason, refusal.status, refusal.queue, refusal.site_id) == ("QueueFull", 503, "A", 1)
    worker = front.worker()
    worker.answer(worker.request()[0])
    assert first.read_response()[0] == 200


@pytest.mark.parametrize("reason", ["Disabled", "AppOffline", "AppShutdown"])
def test_behind_a_tcp_load_balancer_a_refusal_is_a_closed_connection(start: Start, reason: str) -> None:
    """loadBalancerCapabilities TcpLevel."""
    front = start(balancer="TcpLevel")
    front.run(lambda: front.listener.set_queue_state("A", reason))
    client = front.client()
    client.get()
    assert client.read_to_end() == b""
    refusal = front.log.next_refusal()
    assert (refusal.reason, refusal.status) == (reason, 0)


@pytest.mark.parametrize("reason", ["Disabled", "AppOffline", "AppShutdown"])
def test_a_stopped_pool_refuses_new_and_waiting_requests(front: RunningListener, reason: str) -> None:
    """Its own only; and takes requests again when it is started."""
    waiting, new, other = front.client(), front.client(), front.client()
    waiting.get()
    front.message(Demand)
    front.run(lambda: front.listener.set_queue_state("A", reason))
    assert waiting.read_to_end().startswith(b"HTTP/1.1 503 ")
    new.get()
    assert new.read_to_end().startswith(b"HTTP/1.1 503 ")
    assert {front.log.next_refusal().reason for _ in range(2)} == {reason}
    shop = front.worker("B1", pool="B")
    other.get("/shop")
    shop.answer(shop.request()[0])
    assert other.read_response()[0] == 200
    front.run(lambda: front.listener.set_queue_state("A", ""))
    worker, client = front.worker(), front.client()
    client.get()
    worker.answer(worker.request()[0])
    assert client.read_response()[0] == 200


def test_nobody_waits_in_the_queue_for_ever(start: Start) -> None:
    """connectionTimeout of the site: closed without a word, HTTPERR Timer_ReqQueue."""
    front = start(connection_timeout=10)
    client = front.client()
    client.get()
    front.message(Demand)
    front.pass_seconds(9)
    assert front.log.refusals.empty()
    front.pass_seconds(2)
    assert client.read_to_end() == b""
    assert front.log.next_refusal().reason == "Timer_ReqQueue"


def test_a_client_that_leaves_the_queue_is_never_served(front: RunningListener) -> None:
    """HTTPERR Client_Reset."""
    leaving, staying = front.client(), front.client()
    leaving.send(b"POST /gone HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nab")
    front.message(Demand)
    leaving.close()
    assert front.log.next_refusal().reason == "Client_Reset"
    staying.get("/here")
    worker = front.worker()
    number, frame = worker.request()
    assert frame.target == b"/here"
    worker.answer(number)


def test_a_body_that_came_while_waiting_goes_with_the_request(front: RunningListener) -> None:
    """And the rest follows."""
    client = front.client()
    client.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 200000\r\n\r\n")
    front.message(Demand)
    client.send(b"x" * 200_000)
    worker = front.worker()
    number, frame = worker.request()
    got = len(frame.body)
    while got < 200_000:
        got += len(worker.take(Kind.BODY)[1])
    if not frame.flags & RequestFlag.BODY_COMPLETE:
        worker.take(Kind.BODY_END)
    worker.answer(number)
    assert client.read_response()[0] == 200


# --- workers that die


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
def test_an_idempotent_request_is_given_to_another_worker(front: RunningListener, method: str) -> None:
    """Once; the client notices nothing."""
    worker, client = front.worker("A1"), front.client()
    client.get("/x", method=method)
    worker.request()
    worker.die()
    gone = front.message(WorkerGone)
    assert (gone.worker, gone.in_hand, gone.broken) == ("A1", 1, "")
    assert front.message(Event).id == "request-replayed"
    assert front.message(Demand).waiting == 1
    second = front.worker("A2")
    number, frame = second.request()
    assert frame.target == b"/x"
    assert frame.flags & RequestFlag.REPLAYED
    second.answer(number)
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_the_second_death_is_a_502_that_says_why_to_a_local_client(front: RunningListener) -> None:
    """HTTPERR: Connection_Abandoned_By_ReqQueue. The service learns both."""
    client = front.client()
    client.get()
    for name in ("A1", "A2"):
        worker = front.worker(name)
        worker.request()
        worker.die()
        assert front.message(WorkerGone).worker == name
    answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"A2" in answer
    refusal = front.log.next_refusal()
    assert (refusal.status, refusal.reason) == (502, "Connection_Abandoned_By_ReqQueue")


def test_of_a_worker_that_hangs_the_culprit_is_refused_and_the_others_are_replayed(front: RunningListener) -> None:
    """Given to another worker, the request that holds one would hold that one too."""
    worker = front.worker()
    culprit, bystander = front.client(), front.client()
    culprit.get("/culprit")
    number, _ = worker.request()
    bystander.get("/bystander")
    worker.request()
    other = front.worker("A2")
    front.run(lambda: front.listener.drop_worker("A1", [number, 12345]))
    assert culprit.read_to_end().startswith(b"HTTP/1.1 502 ")
    again, frame = other.request()
    assert frame.target == b"/bystander"
    other.answer(again)
    assert bystander.read_response()[0] == 200
    front.run(lambda: front.listener.drop_worker("unheard of", []))


def test_a_pool_without_replay_gives_up_at_once(start: Start) -> None:
    """replayIdempotentRequests false."""
    front = start(replay=False)
    worker, client = front.worker(), front.client()
    client.get()
    worker.request()
    worker.die()
    assert client.read_to_end().startswith(b"HTTP/1.1 502 ")


def test_a_post_that_nobody_started_goes_back_to_the_head(front: RunningListener) -> None:
    """With its body, before others that wait."""
    worker = front.worker("A1", credit=1)
    first, second = front.client(), front.client()
    first.post(b"abc", target="/first")
    worker.request()
    second.get("/second")
    front.message(Demand)
    worker.die()
    other = front.worker("A2")
    number, frame = other.request()
    assert (frame.target, frame.body) == (b"/first", b"abc")
    other.answer(number)
    number, frame = other.request()
    assert frame.target == b"/second"
    other.answer(number)
    assert first.read_response()[0] == second.read_response()[0] == 200


def test_a_post_that_was_started_is_a_502(front: RunningListener) -> None:
    """It may have been acted on."""
    worker, client = front.worker(), front.client()
    client.post(b"abc")
    number, _ = worker.request()
    worker.started(number)
    worker.die()
    assert client.read_to_end().startswith(b"HTTP/1.1 502 ")


def test_a_body_too_large_to_keep_is_a_502(front: RunningListener) -> None:
    """64 KiB are kept."""
    worker, client = front.worker(), front.client()
    client.post(b"x" * 70_000)
    number, frame = worker.request()
    got = len(frame.body)
    while got < 70_000:
        got += len(worker.take(Kind.BODY)[1])
    worker.die()
    assert client.read_to_end().startswith(b"HTTP/1.1 502 ")
    assert number


def test_a_body_that_is_still_coming_follows_to_the_next_worker(front: RunningListener) -> None:
    """What was sent is sent again, what comes later comes once."""
    worker, client = front.worker("A1"), front.client()
    client.send(b"PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 6\r\n\r\nabc")
    _, frame = worker.request()
    assert frame.body == b"abc"
    worker.die()
    front.message(WorkerGone)
    second = front.worker("A2")
    number, frame = second.request()
    assert frame.body == b"abc"
    client.send(b"def")
    assert second.take(Kind.BODY)[1] == b"def"
    second.take(Kind.BODY_END)
    second.answer(number)
    assert client.read_response()[0] == 200


def test_an_answer_that_has_begun_is_cut(front: RunningListener) -> None:
    """Never completed silently."""
    worker, client = front.worker(), front.client()
    client.get(version="1.0")
    number, _ = worker.request()
    worker.begin(number, b"part")
    client.read_until(b"part")
    worker.die()
    assert client.is_reset()
    assert front.log.next_refusal().reason == "Connection_Abandoned_By_ReqQueue"
    record = front.log.next_request()
    assert (record.status, record.win32_status) == (200, 1236)


def test_an_answer_that_was_complete_survives_its_worker(front: RunningListener) -> None:
    """Sent and dead in one breath."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.answer(worker.request()[0])
    worker.die()
    assert client.read_response()[2] == b"hello"


def test_other_workers_take_over_at_once(front: RunningListener) -> None:
    """With credit they need no demand."""
    first, second = front.worker("A1", credit=2), front.worker("A2", credit=1)
    client = front.client()
    client.get("/x")
    first.request()
    first.die()
    number, frame = second.request()
    assert frame.target == b"/x"
    second.answer(number)
    assert client.read_response()[0] == 200


def test_a_returning_request_meets_a_closed_door(front: RunningListener) -> None:
    """The pool was stopped meanwhile: 503 with its reason."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.request()
    front.run(lambda: front.listener.set_queue_state("A", "AppOffline"))
    worker.die()
    assert client.read_to_end().startswith(b"HTTP/1.1 503 ")
    assert front.log.next_refusal().reason == "AppOffline"


def test_without_a_service_nobody_waits_for_a_worker_that_cannot_come(front: RunningListener) -> None:
    """Who waits where no worker is gets 503 AppShutdown at once; a worker that is there serves to its end."""
    waiting, served, late = front.client(), front.client(), front.client()
    waiting.get()
    front.message(Demand)
    shop = front.worker("B1", pool="B")
    front.run(front.listener.expect_no_worker)
    assert waiting.read_to_end().startswith(b"HTTP/1.1 503 ")
    assert front.log.next_refusal().reason == "AppShutdown"
    served.get("/shop")
    shop.answer(shop.request()[0])
    assert served.read_response()[0] == 200
    late.get("/shop")
    shop.request()
    shop.die()
    assert late.read_to_end().startswith(b"HTTP/1.1 503 ")
    assert front.log.next_refusal().reason == "AppShutdown"


def test_the_death_of_an_idle_worker_is_reported(front: RunningListener) -> None:
    """Nothing was in its hands."""
    front.worker("A1").die()
    gone = front.message(WorkerGone)
    assert (gone.in_hand, gone.broken) == (0, "")


# --- workers that lie

LIES = {
    "unknown kind": b"\x05\0\0\0\1\0\0\0\xff",
    "oversized frame": b"\xff\xff\xff\xff\1\0\0\0\x12",
    "frame for a request it does not have": encode(Kind.STARTED, 4_000_000),
    "request frame": encode(Kind.REQUEST, 0),
    "data before a response": None,
    "two responses": None,
    "short number": encode(Kind.CREDIT, 0, b"\0"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_worker_that_breaks_the_dialogue_loses_its_link_only(front: RunningListener, lie: str) -> None:
    """Its requests meet their fate, other workers serve on."""
    liar, client = front.worker("A1"), front.client()
    client.get()
    number, _ = liar.request()
    if lie == "data before a response":
        liar.data(number, b"x")
    elif lie == "two responses":
        liar.answer(number)
        client.read_response()
        liar.answer(number)
        client.get()
    else:
        liar.send(LIES[lie] or b"")
    gone = front.message(WorkerGone)
    assert gone.broken
    assert liar.sees_end()
    honest = front.worker("A2")
    honest.answer(honest.request()[0])
    assert client.read_response()[0] == 200


def test_a_worker_that_dies_in_the_middle_of_a_frame_has_broken_its_link(front: RunningListener) -> None:
    """The service is told so."""
    worker = front.worker()
    worker.send(b"\x09\0\0\0")
    worker.die()
    assert "inside a frame" in front.message(WorkerGone).broken


# --- draining


def test_a_detached_worker_finishes_what_it_has(front: RunningListener) -> None:
    """DRAIN; nothing more comes; others take the rest."""
    old, client, next_client = front.worker("A1"), front.client(), front.client()
    client.get("/old")
    number, _ = old.request()
    front.run(lambda: front.listener.detach_worker("A1"))
    old.take(Kind.DRAIN)
    new = front.worker("A2")
    next_client.get("/new")
    new.answer(new.request()[0])
    assert next_client.read_response()[0] == 200
    assert old.has_nothing_to_do()
    old.answer(number)
    assert client.read_response()[0] == 200
    old.die()
    assert front.message(WorkerGone).in_hand == 0


def test_detaching_an_unknown_worker_is_no_problem(front: RunningListener) -> None:
    """It may have died just now."""
    front.run(lambda: front.listener.detach_worker("nobody"))


def test_an_aborted_request_may_go_on_talking(front: RunningListener) -> None:
    """Frames that cross the ABORT are no lie; the credit comes back with the last one."""
    worker, client = front.worker(credit=1), front.client()
    client.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nab")
    number, _ = worker.request()
    client.close()
    worker.take(Kind.ABORT)
    worker.started(number)
    worker.grant_body(number, 10)
    worker.begin(number)
    worker.data(number, b"x")
    worker.end(number)
    worker.take(Kind.SESSION_END)
    other = front.client()
    other.get()
    worker.answer(worker.request()[0])
    assert other.read_response()[0] == 200


def test_a_demand_says_how_many_workers_have_granted_credit(front: RunningListener) -> None:
    """One that is attached and has said nothing yet is not known to be out of credit."""
    worker = front.worker("A#1", credit=0)
    client = front.client()
    client.get()
    assert front.message(Demand).workers == 0
    worker.send(encode_number(Kind.CREDIT, 0, 1))
    number, _ = worker.request()
    second = front.client()
    second.get()
    front.pass_seconds(1)
    assert front.message(Demand).workers == 1
    worker.answer(number)
    worker.answer(worker.request()[0])
    assert [one.read_response()[0] for one in (client, second)] == [200, 200]


def test_one_worker_more_that_is_not_enough_is_said_at_once(front: RunningListener) -> None:
    """A web garden has grown to what a crowd needs in milliseconds, not by one worker a second."""
    clients = [front.client() for _ in range(3)]
    for client in clients:
        client.get()
    while front.run(lambda: len(front.listener.requests())) < 3:
        pass
    assert front.message(Demand).workers == 0
    workers = []
    for known in (1, 2):
        worker = front.worker(f"A#{known}", credit=1)
        workers.append((worker, worker.request()[0]))
        assert front.messages.get_nowait() == Demand(queue="A", waiting=3 - known, workers=known)
    last = front.worker("A#3", credit=1)
    workers.append((last, last.request()[0]))
    assert front.messages.empty()
    for worker, number in workers:
        worker.answer(number)
    assert [client.read_response()[0] for client in clients] == [200, 200, 200]


def test_a_paused_worker_gets_nothing_until_it_is_resumed(front: RunningListener) -> None:
    """Its link and its credit stay; what waits meanwhile is demanded, and goes to it at once afterwards."""
    worker = front.worker("A#1")
    front.run(lambda: front.listener.pause_worker("A#1", 7))
    answer = front.message(WorkerPaused)
    assert (answer.worker, answer.number, answer.is_paused) == ("A#1", 7, True)
    client = front.client()
    client.get("/later")
    assert front.message(Demand).workers == 0
    assert worker.has_nothing_to_do()
    front.run(lambda: front.listener.resume_worker("A#1"))
    number, request = worker.request()
    assert request.target == b"/later"
    worker.answer(number)
    assert client.read_response()[0] == 200
    front.run(lambda: front.listener.resume_worker("A#1"))  # once more is no problem
    front.run(lambda: front.listener.resume_worker("unknown"))


def test_a_worker_with_a_request_is_not_paused(front: RunningListener) -> None:
    """The service may know it as idle while a request is on its way to it."""
    worker = front.worker("A#1")
    client = front.client()
    client.get()
    number, _ = worker.request()
    front.run(lambda: front.listener.pause_worker("A#1", 1))
    assert front.message(WorkerPaused).is_paused is False
    worker.answer(number)
    assert client.read_response()[0] == 200
    client.get("/next")
    worker.answer(worker.request()[0])
    assert client.read_response()[0] == 200


def test_a_paused_worker_can_be_detached(front: RunningListener) -> None:
    """It is told to drain, and a resume comes too late."""
    worker = front.worker("A#1")
    front.run(lambda: front.listener.pause_worker("A#1", 1))
    front.message(WorkerPaused)
    front.run(lambda: front.listener.detach_worker("A#1"))
    worker.take(Kind.DRAIN)
    front.run(lambda: front.listener.resume_worker("A#1"))
    front.run(lambda: front.listener.pause_worker("A#1", 2))
    assert front.message(WorkerPaused).is_paused is False
    client = front.client()
    client.get()
    assert front.message(Demand).workers == 0
    assert worker.has_nothing_to_do()
