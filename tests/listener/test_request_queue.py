"""The queue of a pool: order, credit, limit, doors."""

from __future__ import annotations

from dataclasses import dataclass

from host.listener.request_queue import Refusal, RequestQueue


@dataclass(eq=False)
class Worker:
    credit: int = 0
    upload_room: int = 1


@dataclass(eq=False)
class Request:
    queue_deadline: float = 100.0
    awaits_body: bool = False


Queue = RequestQueue[Request, Worker]


def queue(*workers: Worker, limit: int = 3, closes_only: bool = False) -> Queue:
    it = Queue("A", limit=limit, closes_only=closes_only)
    it.workers.extend(workers)
    return it


def assignments(it: Queue) -> list[tuple[Request, Worker | None]]:
    """Everybody who goes now."""
    found = []
    while (assignment := it.next_assignment()) is not None:
        found.append(assignment)
        request, worker = assignment
        if worker is not None and request.awaits_body:
            worker.upload_room -= 1
    return found


def test_a_request_goes_straight_to_a_worker_with_credit() -> None:
    """And costs one."""
    worker = Worker(1)
    it = queue(worker)
    assert it.submit(Request()) is worker
    assert worker.credit == 0
    assert it.submit(Request()) is None
    assert it.waiting == 1


def test_the_worker_with_most_credit_takes_it() -> None:
    """Load spreads by what workers say they can take."""
    one, two = Worker(1), Worker(3)
    it = queue(one, two)
    assert [it.submit(Request()) for _ in range(4)] == [two, two, one, two]


def test_waiting_requests_are_handed_out_oldest_first() -> None:
    """Nobody overtakes: a new request waits behind the others."""
    worker = Worker(0)
    it = queue(worker)
    first, second, third = Request(), Request(), Request()
    it.submit(first)
    it.submit(second)
    worker.credit = 2
    assert it.submit(third) is None
    assert assignments(it) == [(first, worker), (second, worker)]
    assert assignments(it) == []
    assert it.waiting == 1


def test_a_full_queue_refuses() -> None:
    """queueLength counts those that wait."""
    it = queue(limit=2)
    assert [it.submit(Request()) for _ in range(3)] == [None, None, Refusal("QueueFull", False)]
    it.set_limit(3, closes_only=True)
    assert [it.submit(Request()) for _ in range(2)] == [None, Refusal("QueueFull", True)]


def test_a_closed_door_refuses_new_and_waiting_requests() -> None:
    """Also when workers have credit; opening takes requests again."""
    worker = Worker(0)
    it = queue(worker)
    waiting = Request()
    it.submit(waiting)
    assert it.set_state("Disabled") == (Refusal("Disabled", False), [waiting])
    worker.credit = 5
    assert it.submit(Request()) == Refusal("Disabled", False)
    assert it.waiting == 0
    assert it.set_state("") is None
    assert it.submit(Request()) is worker


def test_a_changed_limit_does_not_open_a_closed_door() -> None:
    """The reason stays until it is taken back."""
    it = queue(Worker(1))
    it.set_state("AppOffline")
    it.set_limit(10, closes_only=False)
    assert it.submit(Request()) == Refusal("AppOffline", False)


def test_a_request_of_a_dead_worker_returns_to_the_head() -> None:
    """Whatever the limit: it had its place already."""
    worker = Worker(0)
    it = queue(worker, limit=1)
    waiting, returned = Request(), Request()
    it.submit(waiting)
    assert it.requeue(returned) is None
    worker.credit = 1
    assert assignments(it) == [(returned, worker)]


def test_a_closed_door_refuses_a_returning_request() -> None:
    """Nobody would ever take it."""
    it = queue()
    it.set_state("AppOffline")
    assert it.requeue(Request()) == Refusal("AppOffline", False)
    assert it.waiting == 0


def test_a_client_that_left_is_withdrawn() -> None:
    """Its place is free; whoever is not waiting cannot be withdrawn."""
    it = queue()
    request = Request()
    it.submit(request)
    assert it.withdraw(request)
    assert not it.withdraw(request)
    assert it.waiting == 0


def test_requests_that_waited_too_long_come_out() -> None:
    """Each has its own deadline: sites differ."""
    it = queue()
    early, late = Request(10.0), Request(20.0)
    it.submit(late)
    it.submit(early)
    assert it.expired(9.9) == []
    assert it.expired(10.0) == [early]
    assert it.waiting == 1


def test_an_upload_takes_a_place_of_its_own_kind() -> None:
    """The worker with most credit of those that have one. Without any it is held, and overtaken."""
    full, other = Worker(5, upload_room=0), Worker(2)
    it = queue(full, other)
    assert it.submit_upload(Request(awaits_body=True)) is other
    other.upload_room = 0
    held = Request(awaits_body=True)
    assert it.submit_upload(held) is None
    assert (it.is_held(held), it.waiting, it.has_any, it.needs_worker) == (True, 0, True, False)
    assert it.submit(Request()) is full
    assert assignments(it) == []
    full.upload_room = 1
    assert assignments(it) == [(held, full)]
    assert (full.credit, it.has_any) == (3, False)


def test_an_upload_that_waited_for_credit_is_held_when_there_is_some() -> None:
    """It keeps nobody behind it waiting; one whose body has become whole meanwhile goes like any other."""
    worker = Worker(0, upload_room=0)
    it = queue(worker)
    upload, whole, other = Request(awaits_body=True), Request(awaits_body=True), Request()
    assert [it.submit_upload(upload), it.submit_upload(whole), it.submit(other)] == [None, None, None]
    assert (it.waiting, it.needs_worker) == (3, True)
    whole.awaits_body = False
    worker.credit = 3
    assert assignments(it) == [(upload, None), (whole, worker), (other, worker)]
    assert it.held == [upload]
    it.release(upload)
    assert (it.has_any, it.submit(upload)) == (False, worker)


def test_who_is_held_leaves_as_others_do() -> None:
    """Client, time, door; when the last worker has ended, it needs one."""
    worker = Worker(1, upload_room=0)
    it = queue(worker)
    leaving, late, refused = Request(awaits_body=True), Request(5.0, awaits_body=True), Request(awaits_body=True)
    for request in (leaving, late, refused):
        assert it.submit_upload(request) is None
    it.workers.clear()
    assert it.needs_worker
    assert it.withdraw(leaving)
    assert it.expired(5.0) == [late]
    assert it.set_state("Disabled") == (Refusal("Disabled", False), [refused])
    assert it.submit_upload(Request(awaits_body=True)) == Refusal("Disabled", False)
    assert not it.has_any


def test_a_queue_without_workers_hands_out_nothing() -> None:
    """Requests wait for a worker to start."""
    it = queue()
    it.submit(Request())
    assert assignments(it) == []
