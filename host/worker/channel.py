"""Step 7: frames become requests, and their answers frames again.

A worker may hold links to several fronts at once: where several listeners share the work, each has one. Credits say how
many requests it takes, of each front an equal part; they are kept back while jobs wait for a thread, so an overloaded
worker pulls less.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import Context, copy_context
from typing import Any

from host.api import ApplicationInfo, ClientGone, Connection
from host.worker import request_task
from host.worker.connection_facts import connection_of
from host.worker.exchange import Exchange
from host.worker.front_link import FrontLink
from host.worker.pacing import PACED_CREDITS
from host.worker.request_task import ParkedCall, Waiting, become_task

Serve = Callable[[Exchange], Awaitable[None]]
ServeAtOnce = Callable[[Exchange], Awaitable[None] | Waiting | None]


class Channel:
    """Every link of one worker, and the requests in hand.

    `serve(exchange)` answers one request: it must end the exchange; what it leaves open is reset with 500.0. It awaits
    `become_task` before anything that may wait.
    `drained` is done when every link has drained or closed and nothing is in hand (a worker may end then).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        serve: Serve,
        *,
        capacity: int,
        applications: Mapping[bytes, ApplicationInfo],
        report_event: Callable[[str, str], None],
        on_session_end: Callable[[Connection], None] | None = None,
        is_overloaded: Callable[[], bool] | None = None,
        accepts_forwarded: bool = False,
    ) -> None:
        self.loop = loop
        self.applications = applications
        self.accepts_forwarded = accepts_forwarded
        self.arrivals = 0
        self.drained: asyncio.Future[None] = loop.create_future()
        self.requests_served = 0
        self.requests_in_hand = 0
        self.idle_since: float = loop.time()  # by the loop's clock; meaningful while nothing is in hand
        self._count_to_tell = 0
        self._tell_count: Callable[[int], None] = _ignore
        self._serve = self._own_serve = self._first_serve = serve
        self._serve_at_once: ServeAtOnce | None = None
        self._first_serve_at_once: ServeAtOnce | None = None
        self._turns: asyncio.Semaphore | None = None
        self._capacity = capacity
        self._report_event = report_event
        self._on_session_end = on_session_end
        self._waiting: set[Exchange] = set()  # requests whose code has not ended, answered or not
        self._is_overloaded = is_overloaded
        self._links: list[FrontLink] = []
        self._has_drained_link = False
        self._withholds = False
        self._is_paced = False

    def attach(
        self, link: socket.socket, side: socket.socket, request_prefix: str = "", *, place: int = 0, fronts: int = 1
    ) -> None:
        """Serve a front over these sockets, which the channel owns from now on; its request ids begin so. It is the one
        at `place` of so many that share the worker: each may send its part of the requests, and one at least."""
        front = FrontLink(self, link, side, request_prefix, place)
        self._links.append(front)
        capacity = max(1, self._capacity // fronts)
        if fronts > self._capacity and self._turns is None:
            self._turns = asyncio.Semaphore(self._capacity)
            self._serve, self._serve_at_once = self._serve_in_turn, None
        kept_back = max(0, capacity - _paced_credits(fronts)) if self._is_paced else 0
        self._withholds = self._withholds or kept_back > 0
        front.start(capacity, kept_back)

    def ask_first(self, serve_at_once: ServeAtOnce) -> None:
        """Call this before `serve`: it serves with plain calls what needs no coroutine (None), and gives what is left
        of anything else, or what waits for its answer. To be called before the first link is attached."""
        self._serve_at_once = self._first_serve_at_once = serve_at_once

    def pace(self, must_wait: Callable[[], bool]) -> None:
        """From now on hand out few credits beyond the requests in hand, and none while `must_wait()`. To be called
        before the first link is attached: what has been handed out cannot be taken back."""
        is_overloaded = self._is_overloaded or _never
        self._is_paced = True
        self._is_overloaded = lambda: is_overloaded() or must_wait()

    def report_ends_to(self, ended: Callable[[int], None]) -> None:
        """Call `ended(number)` when everything is done for a request: for tests of plugins, which have one link."""
        serve = self._serve

        async def observed(exchange: Exchange) -> None:
            try:
                await serve(exchange)
            finally:
                self.loop.call_soon(ended, exchange.number)

        self._serve = self._own_serve = observed
        self._serve_at_once = self._first_serve_at_once = None

    def put_in_front(self, serve: Serve | None) -> None:
        """Call this for each request from now on, instead of what was given first; None: that again."""
        self._own_serve = serve or self._first_serve
        self._serve = self._own_serve if self._turns is None else self._serve_in_turn
        self._serve_at_once = self._first_serve_at_once if serve is None and self._turns is None else None

    @property
    def link_count(self) -> int:
        """Links that are open."""
        return len(self._links)

    def exchanges(self) -> list[Exchange]:
        """The requests in hand that are not answered yet."""
        return [exchange for link in self._links for exchange in link.exchanges]

    def release_credit(self) -> None:
        """Give back the credits that were kept, unless jobs still wait for threads."""
        if self._withholds and not self.withholds_credit():
            if self._is_paced:
                self._release_paced()
                return
            self._withholds = False
            for link in self._links:
                link.release_credit()

    def tell_when_served(self, count: int, told: Callable[[int], None]) -> None:
        """Call `told(requests_served)` when so many requests are served, soon if they are already; 0: never."""
        self._count_to_tell, self._tell_count = count, told
        if count and self.requests_served >= count:
            self.loop.call_soon(told, self.requests_served)

    def end_when_idle(self) -> None:
        """The process shall end: links that have closed without a DRAIN (their front died) count as drained."""
        self._has_drained_link = True
        self._check_drained()

    def close(self) -> None:
        """Close every link. What is in hand loses its client."""
        for link in list(self._links):
            link.close()
        self._links.clear()
        self._check_drained()

    # --- what links ask (front_link.ChannelSide)

    def begin(self, exchange: Exchange) -> None:
        """Run the request; what has to wait goes on as its task, or when its thread is done."""
        self.requests_in_hand += 1
        context = copy_context()  # plugins' context variables are their request's own
        rest: Awaitable[None] | None = None
        if self._serve_at_once is not None and not (exchange.must_flush or exchange.is_gone):
            try:
                found = context.run(self._serve_at_once, exchange)
            except Exception as error:  # the boundary, as in `_run`
                found = None
                self._report_failure(exchange, error)
            if found is None:
                self._end(exchange)
                return
            if isinstance(found, Waiting):
                ParkedCall(self.loop, exchange, context, found, self._go_on, self._run)
                self._waiting.add(exchange)
                return
            rest = found
        request_task.run(self.loop, exchange, self._run(exchange, rest), context)
        if exchange.waits:
            self._waiting.add(exchange)

    def connection(self, raw: bytes) -> Connection:
        """The connection that REQUEST frames name so, whether or not a request has come on it. For inetinfo, whose one
        front lives in the same process."""
        if not self._links:  # the link to itself is broken: nothing that comes can be answered
            return connection_of(raw, is_secure=False)
        return self._links[0].connection(raw)

    async def requests_ended(self, connection: Connection) -> None:
        """Returns when no request of that connection is under way."""
        theirs = [one for one in self._waiting if one.request.connection is connection]
        given = [one.task for one in theirs]  # asked for it, one may end: then it waits no more
        tasks = [task for task in given if task is not None]
        if tasks:
            await asyncio.wait(tasks)

    def withholds_credit(self, link: FrontLink | None = None) -> bool:
        """Whether a finished request's credit is kept back for now: `link`'s, or those of all."""
        if self._is_overloaded is not None and (self._is_overloaded() or (self._is_paced and self._has_enough(link))):
            self._withholds = True
            return True
        return False

    def session_ended(self, connection: Connection) -> None:
        """A client connection that was served is closed."""
        if self._on_session_end is not None:
            self._on_session_end(connection)

    def link_changed(self, link: FrontLink, why: str) -> None:
        """A link drains or has closed."""
        if why:
            self._report_event("front-broken-link", f"the link to the front was closed: {why}")
        if link.is_draining:
            self._has_drained_link = True
        if link.is_closed:
            self._links.remove(link)
        self._check_drained()

    def _go_on(self, exchange: Exchange, context: Context, waiting: Waiting) -> None:
        """What a request waited for without a coroutine has come."""
        rest: Coroutine[Any, Any, None] | None = None
        try:
            rest = context.run(waiting.go_on)
        except Exception as error:  # the boundary, as in `_run`
            self._report_failure(exchange, error)
        if rest is None:
            self._end(exchange)
        else:
            request_task.run(self.loop, exchange, self._run(exchange, rest), context)

    async def _run(self, exchange: Exchange, rest: Awaitable[None] | None) -> None:
        try:
            if rest is None:
                if exchange.must_flush:
                    await become_task()
                    await exchange.started()
                if exchange.is_gone:
                    raise ClientGone("the client closed its connection")
                rest = self._serve(exchange)
            await rest  # the client of one that has waited may have left: it is cancelled there
        except (asyncio.CancelledError, ClientGone):
            exchange.reset(500, 0, "the client closed its connection")
        except Exception as error:  # the boundary: one request's failure must not reach another's
            self._report_failure(exchange, error)
        finally:
            self._end(exchange)

    def _report_failure(self, exchange: Exchange, error: Exception) -> None:
        text = f"request {exchange.request.id} ({exchange.target}) failed in the worker itself: {error!r}"
        self._report_event("plugin-error", text)

    def _end(self, exchange: Exchange) -> None:
        if not exchange.is_done:
            exchange.reset(500, 0, "the worker did not answer")
        if exchange.overdue is not None and exchange.overdue.keeps_credit:
            exchange.return_credit()
        if exchange.waits:
            self._waiting.discard(exchange)
        self.requests_served += 1
        if self.requests_served == self._count_to_tell:
            self.loop.call_soon(self._tell_count, self.requests_served)
        self.requests_in_hand -= 1
        if not self.requests_in_hand:
            self.idle_since = self.loop.time()
            if self._has_drained_link:
                self._check_drained()

    async def _serve_in_turn(self, exchange: Exchange) -> None:
        """More fronts than requests at once, and each of them may send one: some wait here for their turn."""
        assert self._turns is not None
        await become_task()
        async with self._turns:
            await self._own_serve(exchange)

    def _release_paced(self) -> None:
        links = self._taking_links
        for link in links:
            link.release_credit(max(0, _paced_credits(len(links)) - link.unused))

    def _has_enough(self, link: FrontLink | None) -> bool:
        """Whether a paced worker's front may send as much without asking again as it is allowed to."""
        return link is not None and link.unused >= _paced_credits(len(self._taking_links))

    @property
    def _taking_links(self) -> list[FrontLink]:
        return [link for link in self._links if not link.is_draining]

    def _check_drained(self) -> None:
        if self.requests_in_hand or self.drained.done():
            return
        if self._has_drained_link and all(link.is_draining for link in self._links):
            self.drained.set_result(None)


def _paced_credits(links: int) -> int:
    """What each of so many fronts may send to a paced worker without asking again."""
    return max(1, PACED_CREDITS // max(1, links))


def _never() -> bool:
    return False


def _ignore(_count: int) -> None:
    pass
