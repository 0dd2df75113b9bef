"""One queue per pool: who waits, which worker takes the next request, who is refused.

The worker pulls: it grants credits, and a request is handed out against one, the oldest request first, to the worker
with most credit. The queue decides and returns what to do; the relay does it. A queue that takes nothing (pool stopped,
rapid-fail protection) is a queue whose door is an object that refuses with a reason. Time comes in as an argument.

A request whose client still sends its body may stay with a worker as long as that client likes. Together they have half
of each worker's places. One too many is held here, outside the queue, until one of these is free or its body is whole
(decision 078).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, Protocol, TypeVar


class Taker(Protocol):
    """What the queue knows of a worker: how many more requests it can take now, and how many of these may be such whose
    clients still send their bodies."""

    credit: int

    @property
    def upload_room(self) -> int:
        """May be negative."""


class Waiter(Protocol):
    """What the queue knows of a request: when it has waited too long (the clock's seconds), and whether its client
    still sends its body."""

    queue_deadline: float

    @property
    def awaits_body(self) -> bool:
        """It may become false, never true."""


RequestT = TypeVar("RequestT", bound=Waiter)
WorkerT = TypeVar("WorkerT", bound=Taker)


class Refusal(NamedTuple):
    """A request is not taken: 503 with HTTPERR's `reason`, or a closed connection where a TCP load balancer looks on
    (`failure/@loadBalancerCapabilities="TcpLevel"`)."""

    reason: str
    closes_only: bool


class OpenDoor(Generic[RequestT, WorkerT]):
    """Takes requests until `limit` wait. `submit` gives the worker that takes the request now (one credit is spent), a
    refusal, or None when it waits."""

    __slots__ = ("_full", "_limit", "_waiting", "_workers")

    def __init__(
        self, workers: list[WorkerT], waiting: OrderedDict[RequestT, None], limit: int, *, closes_only: bool
    ) -> None:
        self._workers = workers
        self._waiting = waiting
        self._limit = limit
        self._full: Final = Refusal("QueueFull", closes_only)

    def submit(self, request: RequestT) -> WorkerT | Refusal | None:
        """QueueFull at the limit; nobody overtakes those that wait."""
        waiting = self._waiting
        if not waiting:
            workers = self._workers
            worker = workers[0] if len(workers) == 1 else best_worker(workers)
            if worker is not None and worker.credit > 0:
                worker.credit -= 1
                return worker
        if len(waiting) >= self._limit:
            return self._full
        waiting[request] = None
        return None


class ClosedDoor(Generic[RequestT, WorkerT]):
    """Refuses all in OpenDoor's place: Disabled, AppOffline, AppShutdown."""

    __slots__ = ("_refusal",)

    def __init__(self, refusal: Refusal) -> None:
        self._refusal: Final = refusal

    def submit(self, request: RequestT) -> WorkerT | Refusal | None:
        """Always the same reason."""
        del request
        return self._refusal


class RequestQueue(Generic[RequestT, WorkerT]):
    """The queue of one pool. `submit(request)` is its door's: the worker that takes the request now (one credit is
    spent), a refusal, or None when it waits."""

    __slots__ = ("_closes_only", "_held", "_limit", "_reason", "_waiting", "name", "submit", "workers")

    def __init__(self, name: str, *, limit: int, closes_only: bool = False) -> None:
        self.name: Final = name
        self.workers: Final[list[WorkerT]] = []
        self._waiting: Final[OrderedDict[RequestT, None]] = OrderedDict()
        self._held: Final[OrderedDict[RequestT, None]] = OrderedDict()
        self._reason = ""
        self.submit: Callable[[RequestT], WorkerT | Refusal | None]
        self.set_limit(limit, closes_only=closes_only)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def held(self) -> list[RequestT]:
        """Those that are held outside the queue."""
        return list(self._held)

    @property
    def has_any(self) -> bool:
        """Whether somebody waits or is held."""
        return bool(self._waiting or self._held)

    @property
    def needs_worker(self) -> bool:
        """Whether somebody waits whom another worker would serve: who is held has some, unless all have ended."""
        return bool(self._waiting or (self._held and not self.workers))

    def submit_upload(self, request: RequestT) -> WorkerT | Refusal | None:
        """`submit` for a request whose client still sends its body; it may be held afterwards (`is_held`)."""
        if self._reason or self._waiting or best_worker(self.workers) is None:
            return self.submit(request)
        worker = _best_for_upload(self.workers)
        if worker is None:
            self._held[request] = None
            return None
        worker.credit -= 1
        return worker

    def is_held(self, request: RequestT) -> bool:
        """Whether it is held outside the queue."""
        return request in self._held

    def release(self, request: RequestT) -> None:
        """It is held no more: its body is whole, and it is submitted like any other."""
        del self._held[request]

    def set_limit(self, limit: int, *, closes_only: bool) -> None:
        """`queueLength` and how a refusal looks; requests that wait already stay."""
        self._limit = limit
        self._closes_only = closes_only
        self._set_door()

    def set_state(self, reason: str) -> tuple[Refusal, list[RequestT]] | None:
        """Take requests again (empty reason), or refuse all from now on: those that wait come back to be refused."""
        self._reason = reason
        self._set_door()
        if not reason:
            return None
        refused = [*self._waiting, *self._held]
        self._waiting.clear()
        self._held.clear()
        return Refusal(reason, self._closes_only), refused

    def _set_door(self) -> None:
        door: OpenDoor[RequestT, WorkerT] | ClosedDoor[RequestT, WorkerT]
        if self._reason:
            door = ClosedDoor(Refusal(self._reason, self._closes_only))
        else:
            door = OpenDoor(self.workers, self._waiting, self._limit, closes_only=self._closes_only)
        self.submit = door.submit

    def requeue(self, request: RequestT) -> Refusal | None:
        """A request whose worker died goes back to the head, whatever the limit; a closed door refuses it."""
        if self._reason:
            return Refusal(self._reason, self._closes_only)
        self._waiting[request] = None
        self._waiting.move_to_end(request, last=False)
        return None

    def withdraw(self, request: RequestT) -> bool:
        """The client left; whether the request was waiting here."""
        for places in (self._waiting, self._held):
            if request in places:
                del places[request]
                return True
        return False

    def next_assignment(self) -> tuple[RequestT, WorkerT | None] | None:
        """Who goes next, now that there may be credit, of which one is spent; without a worker it is held from now on.
        None: nobody. To be called until it says so; whoever is handed out must count in `upload_room` by then."""
        if self._held:
            worker = _best_for_upload(self.workers)
            if worker is not None:
                worker.credit -= 1
                return self._held.popitem(last=False)[0], worker
        if not self._waiting:
            return None
        worker = best_worker(self.workers)
        if worker is None:
            return None
        request = self._waiting.popitem(last=False)[0]
        if request.awaits_body:
            worker = _best_for_upload(self.workers)
            if worker is None:
                self._held[request] = None
                return request, None
        worker.credit -= 1
        return request, worker

    def expired(self, now: float) -> list[RequestT]:
        """Requests that waited too long; they are out of the queue."""
        late = []
        for places in (self._waiting, self._held):
            late += [request for request in places if request.queue_deadline <= now]
        for request in late:
            self.withdraw(request)
        return late


def best_worker(workers: list[WorkerT]) -> WorkerT | None:
    """The worker with most credit, if there is one with any."""
    if not workers:
        return None
    worker = workers[0]
    if len(workers) > 1:
        worker = max(workers, key=_credit_of)
    return worker if worker.credit > 0 else None


def _best_for_upload(workers: list[WorkerT]) -> WorkerT | None:
    """The worker with most credit of those that may be given one more request whose body is on its way."""
    return best_worker([worker for worker in workers if worker.upload_room > 0])


def _credit_of(worker: Taker) -> int:
    return worker.credit
