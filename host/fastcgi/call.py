"""One request on its way through an application: into the line, to a process, and back with the answer.

Most wait for nothing else than a process and its short answer, which the connection brings: they need no task of the
event loop, nor a coroutine (`host.api.ThreadAnswer`). Whatever else comes (a process to be started, output that goes
on, a failure) goes on in one.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from host.api import HttpError, PendingResult, Request, Response, ThreadAnswer
from host.fastcgi.exchange import FastCgiExchange
from host.fastcgi.instance import Instance
from host.fastcgi.process_pool import ProcessPool
from host.gateway.fastcgi_records import MalformedRecord
from host.programs.gateway_answer import respond, whole_answer
from host.programs.gateway_run import StaleRun
from host.programs.request_pieces import RequestPieces


class FastCgiCall(ThreadAnswer):
    """To be awaited for the response. It waits in line (`roles.Waiter`) and for its answer
    (`roles.Awaiter`) by itself."""

    __slots__ = (
        "_exchange",
        "_is_in_line",
        "_is_taken",
        "_pairs",
        "_pending",
        "_pool",
        "_request",
        "_response",
        "_source",
        "_taken",
    )

    def __init__(
        self, pool: ProcessPool, request: Request, pairs: bytes, source: RequestPieces, pending: PendingResult
    ) -> None:
        """Begins. `pairs` are the variables, `source` is opened, `pending` nobody else's. Raises HttpError 503.4."""
        self._pool = pool
        self._request = request
        self._pairs = pairs
        self._source = source
        self._pending = pending
        self._exchange: FastCgiExchange | None = None
        self._response: Response | None = None
        self._taken: Instance | None = None
        self._is_taken = False
        self._is_in_line = False
        instance = pool.take()
        if instance is not None:
            self._use(instance)
        elif pool.take_place():
            self._keep(None)
        else:
            pool.join(self)
            self._is_in_line = True

    def __await__(self) -> Generator[Any, None, Response]:
        """The response as soon as its head is there. Raises HttpError."""
        try:
            yield from self._pending.__await__()
            if self._response is None:
                yield  # the rest is done in a task
                self._response = yield from self._go_on().__await__()
            return self._response
        except BaseException as error:
            self._let_go(str(error) if isinstance(error, HttpError) else "the client left")
            raise

    def waits_for(self) -> PendingResult:
        """The answer, or what shows that there is more to do for it."""
        return self._pending

    def response_at_once(self) -> Response | None:
        """The response, if the answer was short and came whole."""
        return self._response

    # --- in line

    def done(self) -> bool:
        """Whether it does not wait in line."""
        return not self._is_in_line

    def set_result(self, instance: Instance | None) -> None:
        """Its turn: an instance, or a place for one."""
        self._is_in_line = False
        if instance is not None:
            self._use(instance, is_warm=True)
        else:
            self._keep(None)

    # --- the answer comes

    def take(self, output: bytes) -> bool:
        """Whether that is a response; then it goes out."""
        self._response = whole_answer(self._request, output)
        if self._response is None:
            return False
        self._settle()
        return True

    def wake(self) -> None:
        """It must be read."""
        self._settle()

    # --- inside

    def _use(self, instance: Instance, *, is_warm: bool = False) -> None:
        """Give the request to the instance if that takes no waiting. It `is_warm` when it has just answered another."""
        instance.is_busy = True
        if not (instance.may_go_on if is_warm and self._may_be_repeated else instance.is_connected):
            self._keep(instance)
        elif not self._begin(instance) or not self._source.is_whole:
            self._settle()

    def _settle(self) -> None:
        if not self._pending.done():  # it is when a task that waits for a future has just been cancelled
            self._pending.set_result(None)

    def _keep(self, taken: Instance | None) -> None:
        self._taken, self._is_taken = taken, True
        self._settle()

    def _begin(self, instance: Instance) -> bool:
        """Give the request to a connected instance. False: it has sent something that nobody had asked for."""
        pool, request = self._pool, self._request
        exchange = FastCgiExchange(pool, instance, request.physical_path, request.id)
        awaiter = None if self._pending.done() else self
        try:
            exchange.start(self._pairs, self._source, keeps_connection=pool.keeps_connections, awaiter=awaiter)
        except MalformedRecord as error:
            pool.discard(instance, str(error), is_failure=True)
            return False
        self._exchange = exchange
        pool.lend(instance, exchange)
        return True

    async def _go_on(self) -> Response:
        while True:
            try:
                if self._exchange is None:
                    await self._begin_in_task()
                assert self._exchange is not None
                response = await respond(self._request, self._exchange)
                self._exchange.head_has_left()
                return response
            except StaleRun:  # once for each idle process that ends just now
                if not self._may_be_repeated:
                    raise self._lost() from None
                self._exchange = None

    async def _begin_in_task(self) -> None:
        while self._exchange is None:
            if self._is_taken:
                taken, self._taken, self._is_taken = self._taken, None, False
                instance = await self._pool.prepare(taken)
            else:
                instance = await self._pool.acquire()
            if instance is not None:
                self._begin(instance)

    @property
    def _may_be_repeated(self) -> bool:
        """Whether another process may get it when one is gone that should have had it (RFC 9110 section 9.2.2)."""
        return self._request.method in ("GET", "HEAD") and not self._source.length

    def _lost(self) -> HttpError:
        """500.0 for a request that nobody else may get: it may have been carried out."""
        request = self._request
        detail = f"the FastCGI process went away when it was given {request.physical_path} (request {request.id})"
        self._pool.report("fastcgi-failed", detail)
        return HttpError(500, 0, detail)

    def _let_go(self, reason: str) -> None:
        """Nobody waits for the response any more."""
        if self._is_in_line:
            self._is_in_line = False
            self._pool.leave(self)
        if self._is_taken:
            taken, self._taken, self._is_taken = self._taken, None, False
            if taken is not None:
                taken.is_busy = False
            self._pool.hand_back(taken)
        if self._exchange is not None:
            self._exchange.abandon(reason)
        self._source.close()
