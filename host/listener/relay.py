"""Requests to workers and answers back: performs what the queues decide, and survives workers.

A worker that breaks the dialogue costs its own link only. When a link closes, each request it had meets its fate
(`exchange.fate_of`): back to the head of the queue, once more to another worker, 502, or a cut connection.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, repeat
from typing import Final

from host.listener.exchange import MAX_DEATHS, Exchange, Fate, Worker, fate_of
from host.listener.refusals import page_of_lost_worker, page_of_queue
from host.listener.request_frames import request_frame, send_body
from host.listener.request_queue import Refusal, RequestQueue
from host.listener.response_cache import ResponseCache
from host.listener.worker_frames import ERROR_CONNECTION_ABORTED, WorkerFrames
from host.listener.worker_link import WorkerLink
from host.wire.codec import encode, encode_number, encode_session_end
from host.wire.control_messages import AnyMessage, Demand, Event, WorkerGone, WorkerPaused
from host.wire.frames import Kind
from host.wire.request_dialogue import RequestState

Queue = RequestQueue[Exchange, WorkerLink]

_SENT: Final = RequestState.SENT
_MAX_NUMBER: Final = 0xFFFFFFFF
_DEMAND_SECONDS: Final = 1.0
_DEFAULT_QUEUE_LENGTH: Final = 1000


class Relay:
    """Queues and links of one listener (worker_link.LinkOwner). `now` is the clock, `numbers` the first number of a
    request and the step to the next."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[AnyMessage], None],
        now: Callable[[], float],
        cache: ResponseCache,
        numbers: tuple[int, int] = (1, 1),
    ) -> None:
        self._loop = loop
        self._send = send
        self._now = now
        first, step = numbers
        self._numbers = chain.from_iterable(repeat(range(first, _MAX_NUMBER + 1, step)))
        self._queues: dict[str, Queue] = {}
        self._demanded: dict[str, float] = {}
        self._links: dict[str, WorkerLink] = {}
        self._expects_workers = True
        self._cache = cache
        self._frames = WorkerFrames(cache, self._has_granted)
        self.frame: Final = self._frames.take

    # --- queues and workers

    def set_queue(self, name: str, *, limit: int, closes_only: bool) -> None:
        """There is a queue of that name with this limit."""
        self._queue(name).set_limit(limit, closes_only=closes_only)

    def set_queue_state(self, name: str, reason: str) -> None:
        """The queue takes requests (empty reason), or refuses all, those that wait included."""
        outcome = self._queue(name).set_state(reason)
        if outcome is not None:
            refusal, waiting = outcome
            for exchange in waiting:
                _refuse(exchange, refusal)

    def attach(self, queue: str, worker: str, pid: int, stream: socket.socket, side: socket.socket) -> None:
        """A worker serves that queue; it gets nothing before its CREDIT."""
        link = WorkerLink(self._loop, self, stream, side, queue=queue, worker=worker, pid=pid)
        self._links[worker] = link
        self._queue(queue).workers.append(link)

    def detach(self, worker: str) -> None:
        """Hand nothing more to that worker, and tell it so; what it has it finishes."""
        link = self._links.get(worker)
        if link is not None and not link.is_draining:
            link.is_draining = True
            self._leave_queue(link)
            self._cache.disown(link)
            link.send(encode(Kind.DRAIN, 0))

    def drop(self, worker: str, culprits: Iterable[int]) -> None:
        """Close that worker's link at once; of its requests, those with the numbers `culprits` go to no other one."""
        link = self._links.get(worker)
        if link is None:
            return
        for number in culprits:
            if number in link.exchanges:
                link.exchanges[number].deaths = MAX_DEATHS
        link.close()

    def pause(self, worker: str, number: int) -> None:
        """Hand that worker nothing for the time being, if it has nothing; the answer goes to the service."""
        link = self._links.get(worker)
        if link is None:  # it is gone, and the service has been told so
            return
        is_idle = not link.exchanges and not link.is_draining
        if is_idle:
            self._leave_queue(link)
            self._cache.disown(link)  # while it is stopped it sees no file change
        self._send(WorkerPaused(worker=worker, number=number, is_paused=is_idle))

    def resume(self, worker: str) -> None:
        """A worker that was paused takes requests again."""
        link = self._links.get(worker)
        if link is None or link.is_draining:
            return
        queue = self._queues[link.queue]
        if link not in queue.workers:
            queue.workers.append(link)
            self._has_granted(link)
            self.turn_ended(link)

    def expect_no_worker(self) -> None:
        """No worker will come any more: queues that have none, or lose their last one, refuse (503 AppShutdown)."""
        self._expects_workers = False
        for name, queue in self._queues.items():
            if not queue.workers:
                self.set_queue_state(name, "AppShutdown")

    def close(self) -> None:
        """Drain and close every link."""
        for link in list(self._links.values()):
            self.detach(link.worker)
            link.close()

    def tick(self, now: float) -> list[Exchange]:
        """Once a second: repeat demands; the requests that waited too long, which are out of their queue."""
        late: list[Exchange] = []
        for queue in self._queues.values():
            if queue.has_any:
                late += queue.expired(now)
                self._collect(queue)
            if queue.needs_worker:
                self._demand(queue, now)
        return late

    def _queue(self, name: str) -> Queue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = RequestQueue(name, limit=_DEFAULT_QUEUE_LENGTH)
        return queue

    def _leave_queue(self, link: WorkerLink) -> None:
        workers = self._queues[link.queue].workers
        if link in workers:
            workers.remove(link)

    def _demand(self, queue: Queue, now: float) -> None:
        self._demanded[queue.name] = now
        known = sum(link.has_granted for link in queue.workers)
        self._send(Demand(queue=queue.name, waiting=queue.waiting, workers=known))

    # --- requests

    def expect(self, exchange: Exchange) -> None:
        """A request that is submitted when its body is here: people may see it by now, so it has its number."""
        exchange.number = exchange.number or next(self._numbers)

    def submit(self, exchange: Exchange) -> None:
        """A request whose head is here, and what had come of its body."""
        queue = self._queues[exchange.route.queue]
        self._follow(queue, exchange, queue.submit(exchange))

    def submit_upload(self, exchange: Exchange) -> None:
        """The same for one whose body is still on its way. Where too many such are with workers it is collected as a
        short one is (`expect`), as far as there is room, until it is whole or one of their places is free."""
        queue = self._queues[exchange.route.queue]
        outcome = queue.submit_upload(exchange)
        if queue.is_held(exchange):
            self._hold(exchange)
        else:
            self._follow(queue, exchange, outcome)

    def body_ended(self, exchange: Exchange) -> None:
        """The client has sent all of the body of a request that was submitted before."""
        queue = self._queues[exchange.route.queue]
        if exchange.holds_upload_place:
            _leave_upload_place(exchange)
            if queue.has_any:
                self._loop.call_soon(self._dispatch, queue)
        elif exchange.is_held:
            exchange.is_held = False
            queue.release(exchange)
            self.submit(exchange)

    def client_gone(self, exchange: Exchange) -> bool:
        """The client left: out of the queue, or the worker is told. Whether the request was still waiting."""
        exchange.client = None
        if exchange.response is not None:
            exchange.response.close()
        link = exchange.link
        if link is None:
            return self._queues[exchange.route.queue].withdraw(exchange)
        if exchange.number in link.exchanges:
            link.send(encode(Kind.ABORT, exchange.number))
            link.forget(exchange.number)
        return False

    def workers(self) -> Iterable[Worker]:
        """Every worker that is attached."""
        return self._links.values()

    def session_ended(self, number: int, links: Iterable[Worker]) -> None:
        """A client connection is closed: the workers that served it learn it, soon."""
        frame = encode_session_end(number)
        for link in links:
            if not link.is_closed:
                link.send_soon(frame)

    def window_opener(self, exchange: Exchange) -> Callable[[int], None]:
        """Opens the worker's response window for this exchange."""
        assert exchange.link is not None
        return partial(_open_window, exchange.link, exchange.number)

    def _wait(self, exchange: Exchange, now: float) -> None:
        exchange.number = exchange.number or next(self._numbers)  # it is in its id, which people may see now
        exchange.queue_deadline = now + exchange.route.site.limits.connection_timeout_seconds

    def _follow(self, queue: Queue, exchange: Exchange, outcome: WorkerLink | Refusal | None) -> None:
        if outcome.__class__ is WorkerLink:
            self._hand_out(exchange, outcome)
        elif outcome is None:
            now = self._now()
            self._wait(exchange, now)
            if now - self._demanded.get(queue.name, -_DEMAND_SECONDS) >= _DEMAND_SECONDS:
                self._demand(queue, now)
        else:
            assert isinstance(outcome, Refusal)
            _refuse(exchange, outcome)

    def _hold(self, exchange: Exchange) -> None:
        """It is in no queue: its body is collected, which no queue's timer watches."""
        exchange.number = exchange.number or next(self._numbers)
        exchange.is_held, exchange.queue_deadline = True, math.inf
        if exchange.client is not None:
            exchange.client.collect_body()

    def _collect(self, queue: Queue) -> None:
        """Go on with bodies for which there was no room a moment ago."""
        for exchange in queue.held:
            if exchange.client is not None and exchange.queue_deadline < math.inf:
                exchange.client.collect_body()

    def _hand_out(self, exchange: Exchange, link: WorkerLink) -> None:
        client = exchange.client
        assert client is not None
        exchange.number = number = exchange.number or next(self._numbers)
        exchange.link = link
        if link not in client.links:
            client.links.append(link)  # it learns when the connection closes, answered or not
        link.exchanges[number] = exchange
        if exchange.body is not None and not exchange.body.is_complete:
            exchange.holds_upload_place = True
            link.uploads += 1
        link.send(request_frame(exchange, client))

    def _dispatch(self, queue: Queue) -> None:
        while (assignment := queue.next_assignment()) is not None:
            exchange, link = assignment
            if link is None:
                self._hold(exchange)
                continue
            exchange.is_held = False
            self._hand_out(exchange, link)
            if exchange.body is not None and exchange.client is not None:
                send_body(exchange)
                exchange.client.body_moved()

    # --- links (worker_link.LinkOwner)

    def _has_granted(self, link: WorkerLink) -> None:
        """That demand is met: the next one is said at once."""
        self._demanded.pop(link.queue, None)

    def turn_ended(self, link: WorkerLink) -> None:
        """Write what has come together; hand out what waits."""
        self._frames.flush()
        queue = self._queues[link.queue]
        if queue.has_any:
            self._dispatch(queue)
            if queue.needs_worker and queue.name not in self._demanded:  # what has come was not enough
                self._demand(queue, self._now())

    def link_closed(self, link: WorkerLink, broken: str) -> None:
        """The worker is gone, or has lied: its requests meet their fate."""
        self._frames.flush()
        self._links.pop(link.worker, None)
        self._leave_queue(link)
        self._cache.disown(link)
        in_hand = list(link.exchanges.values())
        link.exchanges.clear()
        self._send(WorkerGone(worker=link.worker, in_hand=len(in_hand), broken=broken))
        if broken:
            text = f"the link to worker {link.worker} was closed: {broken}"
            self._send(Event(id="front-broken-link", text=text, fields={"pid": str(link.pid), "queue": link.queue}))
        queue = self._queues[link.queue]
        for exchange in reversed(in_hand):  # the oldest ends at the head
            if self._survives(exchange, link, broken):
                refusal = queue.requeue(exchange)
                if refusal is not None:
                    _refuse(exchange, refusal)
        if not self._expects_workers and not queue.workers:
            self.set_queue_state(queue.name, "AppShutdown")
        if queue.has_any:
            self._dispatch(queue)
        if queue.needs_worker:
            self._demand(queue, self._now())

    def _survives(self, exchange: Exchange, link: WorkerLink, broken: str) -> bool:
        """Whether the request goes back to the queue; all others are ended here."""
        fate, client = fate_of(exchange), exchange.client
        exchange.link = None
        exchange.holds_upload_place = False
        if client is None:
            return False
        if fate is Fate.CUT:
            client.cut("Connection_Abandoned_By_ReqQueue", ERROR_CONNECTION_ABORTED)
            return False
        if fate is Fate.REFUSE:
            cause = f"Worker {link.worker} (process {link.pid}) {f'was cut off: {broken}' if broken else 'ended'}."
            client.refuse(page_of_lost_worker(cause if client.is_local else ""))
            return False
        exchange.deaths += 1
        exchange.state = _SENT
        exchange.log = exchange.cache_policy = None
        if exchange.body is not None:
            exchange.body.rewind()
        self._wait(exchange, self._now())
        text = f"{exchange.head.method.decode()} {exchange.head.target.decode()}: {fate.value}"
        self._send(Event(id="request-replayed", text=text, fields={"worker": link.worker, "queue": link.queue}))
        return True


def _leave_upload_place(exchange: Exchange) -> None:
    exchange.holds_upload_place = False
    if exchange.link is not None:
        exchange.link.uploads -= 1


def _refuse(exchange: Exchange, refusal: Refusal) -> None:
    if exchange.client is not None:
        exchange.client.refuse(page_of_queue(refusal.reason), closes_only=refusal.closes_only)


def _open_window(link: Worker, number: int, count: int) -> None:
    if not link.is_closed and number in link.exchanges:
        link.send(encode_number(Kind.WINDOW, number, count))
