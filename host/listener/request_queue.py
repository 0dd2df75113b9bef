"""One queue per pool: who waits, which worker takes the next request, who is refused.

The worker pulls: it grants credits, and a request is handed out against one, the oldest request first, to the worker
with most credit. The queue decides and returns what to do; the relay does it. A queue that takes nothing (pool stopped,
rapid-fail protection) is a queue whose door is an object that refuses with a reason. Time comes in as an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, NamedTuple, Protocol, TypeVar


class Taker(Protocol):
    """What the queue knows of a worker: how many more requests it can take now."""

    credit: int


class Waiter(Protocol):
    """What the queue knows of a request: when it has waited too long (the clock's seconds)."""

    queue_deadline: float


RequestT = TypeVar("RequestT", bound=Waiter)
WorkerT = TypeVar("WorkerT", bound=Taker)


class Refusal(NamedTuple):
    """A request is not taken: 503 with HTTPERR's `reason`, or a closed connection where a TCP load balancer looks on
    (`failure/@loadBalancerCapabilities="TcpLevel"`)."""

    reason: str
    closes_only: bool


class Door(Protocol):
    """Decides whether a request may enter the queue."""

    def refusal(self, waiting: int) -> Refusal | None:
        """Why a request may not enter a queue in which so many wait; None lets it in."""


class OpenDoor:
    """Takes requests until `limit` wait."""

    __slots__ = ("_full", "_limit")

    def __init__(self, limit: int, *, closes_only: bool) -> None:
        self._limit = limit
        self._full: Final = Refusal("QueueFull", closes_only)

    def refusal(self, waiting: int) -> Refusal | None:
        """QueueFull at the limit."""
        return self._full if waiting >= self._limit else None


class ClosedDoor:
    """Takes nothing: Disabled, AppOffline, AppShutdown."""

    __slots__ = ("_refusal",)

    def __init__(self, reason: str, *, closes_only: bool) -> None:
        self._refusal: Final = Refusal(reason, closes_only)

    def refusal(self, waiting: int) -> Refusal | None:
        """Always the same reason."""
        del waiting
        return self._refusal


class RequestQueue(Generic[RequestT, WorkerT]):
    """The queue of one pool."""

    __slots__ = ("_closes_only", "_door", "_limit", "_reason", "_waiting", "name", "workers")

    def __init__(self, name: str, *, limit: int, closes_only: bool = False) -> None:
        self.name: Final = name
        self.workers: list[WorkerT] = []
        self._waiting: OrderedDict[RequestT, None] = OrderedDict()
        self._reason = ""
        self.set_limit(limit, closes_only=closes_only)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

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
        refused = list(self._waiting)
        self._waiting.clear()
        return Refusal(reason, self._closes_only), refused

    def _set_door(self) -> None:
        self._door: Door
        if self._reason:
            self._door = ClosedDoor(self._reason, closes_only=self._closes_only)
        else:
            self._door = OpenDoor(self._limit, closes_only=self._closes_only)

    def submit(self, request: RequestT) -> WorkerT | Refusal | None:
        """A new request: the worker that takes it now (one credit is spent), a refusal, or None when it waits."""
        refusal = self._door.refusal(len(self._waiting))
        if refusal is not None:
            return refusal
        if not self._waiting:
            worker = self._best_worker()
            if worker is not None:
                worker.credit -= 1
                return worker
        self._waiting[request] = None
        return None

    def requeue(self, request: RequestT) -> Refusal | None:
        """A request whose worker died goes back to the head, whatever the limit; a closed door refuses it."""
        if self._reason:
            return self._door.refusal(0)
        self._waiting[request] = None
        self._waiting.move_to_end(request, last=False)
        return None

    def withdraw(self, request: RequestT) -> bool:
        """The client left; whether the request was waiting here."""
        if request in self._waiting:
            del self._waiting[request]
            return True
        return False

    def assignments(self) -> list[tuple[RequestT, WorkerT]]:
        """Who takes what, now that there may be credit; one credit is spent for each."""
        assigned: list[tuple[RequestT, WorkerT]] = []
        while self._waiting:
            worker = self._best_worker()
            if worker is None:
                break
            worker.credit -= 1
            assigned.append((self._waiting.popitem(last=False)[0], worker))
        return assigned

    def expired(self, now: float) -> list[RequestT]:
        """Requests that waited too long; they are out of the queue."""
        late = [request for request in self._waiting if request.queue_deadline <= now]
        for request in late:
            del self._waiting[request]
        return late

    def _best_worker(self) -> WorkerT | None:
        workers = self.workers
        if not workers:
            return None
        worker = workers[0]
        if len(workers) > 1:
            worker = max(workers, key=_credit_of)
        return worker if worker.credit > 0 else None


def _credit_of(worker: Taker) -> int:
    return worker.credit
