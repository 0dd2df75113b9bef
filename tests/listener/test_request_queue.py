"""The queue of a pool: order, credit, limit, doors."""

from __future__ import annotations

from dataclasses import dataclass

from host.listener.request_queue import Refusal, RequestQueue


@dataclass(eq=False)
class Worker:
    credit: int = 0


@dataclass(eq=False)
class Request:
    queue_deadline: float = 100.0


Queue = RequestQueue[Request, Worker]


def queue(*workers: Worker, limit: int = 3, closes_only: bool = False) -> Queue:
    it = Queue("A", limit=limit, closes_only=closes_only)
    it.workers.extend(workers)
    return it


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
    assert it.assignments() == [(first, worker), (second, worker)]
    assert it.assignments() == []
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
    assert it.assignments() == [(returned, worker)]


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


def test_a_queue_without_workers_hands_out_nothing() -> None:
    """Requests wait for a worker to start."""
    it = queue()
    it.submit(Request())
    assert it.assignments() == []
