"""The everyday request: plain filters that have nothing to say, a handler that answers at once, a small body.

It is served by plain function calls, from its head to its last frame; a coroutine of each step would cost as much as
the steps do. What turns out to be something else goes on in the pipeline's coroutine, from the stage that it has come
to: no hook is called twice. One whose handler's answer is on its way is `WaitingRequest`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from host.api import ApplicationInfo, Request, RequestHost, Response, ThreadAnswer
from host.worker.cache_offers import CacheOffers
from host.worker.calling import CallUnderWay, call_on_response, call_plain, call_quick, response_of, saying
from host.worker.exchange import Exchange
from host.worker.handler_choice import call_first, choose_handler, map_request
from host.worker.handler_map import Entry
from host.worker.pending import Pending
from host.worker.plan import Calls, Plan
from host.worker.request_task import Waiting
from host.worker.routes import Routes
from host.worker.served_application import ServedApplication
from host.worker.small_answers import send_at_once

PLAN_RECHECK_SECONDS: Final = 0.25

ASKING: Final = 1
"""`calls` are left of on_preproc_headers; then the URL is to be mapped."""
EXECUTING: Final = 2
"""The handler is chosen: `answer` is a thread's, or the handlers that are to be asked; or choosing it has failed."""
ANSWERED: Final = 3
"""`response` is there, and nobody has seen it."""
PREPARED: Final = 4
"""`calls` are left of on_send_response for `response`; or sending it has failed."""
SENT: Final = 5
"""`calls` are left of on_end_of_request."""


class Stage:
    """How far a request has come. `failure` is what the step raised that is named by `at`."""

    __slots__ = ("answer", "at", "calls", "entry", "failure", "plan", "response")

    def __init__(self, at: int, calls: Calls = (), response: Response | None = None) -> None:
        self.at = at
        self.calls = calls
        self.response = response
        self.entry: Entry | None = None
        self.answer: ThreadAnswer | Calls = ()
        self.failure: BaseException | None = None
        self.plan: Plan | None = None
        """What it has begun with, where another one may have taken its place meanwhile."""

    def raise_failure(self) -> None:
        """Raise it, if there is one."""
        failure, self.failure = self.failure, None
        try:
            if failure is not None:
                raise failure
        finally:
            failure = None  # it holds this frame


DONE: Final = Stage(0)
"""The request is served."""


class Everyday:
    """Serves what needs no coroutine. `calls` are those under way; `go_on` is the coroutine of anything else, from a
    stage on, for a request that came for that application."""

    def __init__(
        self,
        served: Mapping[tuple[int, str], ServedApplication],
        routes: Routes,
        calls: set[CallUnderWay],
        offers: CacheOffers,
        open_host: Callable[..., RequestHost],
        clock: Callable[[], float],
        go_on: Callable[[Exchange, Stage | None, ApplicationInfo], Coroutine[Any, Any, None]],
    ) -> None:
        self._served = served
        self._routes = routes
        self.calls = calls
        self._offers = offers
        self._open_host = open_host
        self._clock = clock
        self.coroutine = go_on

    def serve_at_once(self, exchange: Exchange) -> Coroutine[Any, Any, None] | Waiting | None:
        """Serve an everyday request, or begin to: None when it is served, else what is left of it."""
        application = exchange.request.application  # a filter may lead the request to another one
        stage = self._serve(exchange, application)
        if stage is DONE:
            return None
        if stage is not None and stage.plan is not None:
            waiting = self._wait(exchange, application, stage)
            if waiting is not None:
                return waiting
        return self.coroutine(exchange, stage, application)

    def go_on(self, waiting: WaitingRequest) -> Stage:
        """As `_serve`, for what it waited for."""
        stage, exchange = waiting.stage, waiting.exchange
        entry, answer, plan = stage.entry, stage.answer, stage.plan
        assert entry is not None, "it has been chosen"
        assert plan is not None, "it has waited"
        assert isinstance(answer, ThreadAnswer), "it is what was waited for"
        found = response_of(entry.hooks[0], answer)
        if not isinstance(found, Response):
            stage.answer = found
            return stage
        stage.at, stage.response = ANSWERED, found
        request = exchange.request
        stage = self._send(exchange, request, found, plan) if _needs_nothing(request, found) else stage
        if stage is not DONE:
            stage.plan = plan
        return stage

    def _wait(self, exchange: Exchange, application: ApplicationInfo, stage: Stage) -> WaitingRequest | None:
        """Wait for the handler's answer, if it needs no coroutine until it is there."""
        entry, answer = stage.entry, stage.answer
        assert entry is not None, "it has been chosen"
        assert isinstance(answer, ThreadAnswer), "it has answered"
        try:
            pending, code = answer.waits_for(), answer.called_on_thread()
        except BaseException as error:
            stage.answer = (saying(entry.hooks[0], error=error),)
            return None
        if not isinstance(pending, Pending) or pending.done():
            return None
        served = self._served[application.site_id, application.path]
        return WaitingRequest(self, exchange, application, served, stage, pending, code)

    def _serve(self, exchange: Exchange, application: ApplicationInfo) -> Stage | None:
        """DONE, or what the request has come to (it waits for an answer if that has a plan); None: its plan is not
        plain, and nothing has happened."""
        request = exchange.request
        served = self._served.get((application.site_id, application.path))
        if served is None:
            return None
        plan = served.secure_plan if request.connection.is_secure else served.plan
        if (
            not plan.is_plain
            or served.in_hand >= served.request_limit
            or self._clock() - served.plan_checked_at > PLAN_RECHECK_SECONDS
        ):
            return None
        request._host_source = (self._open_host, exchange, plan)
        if plan.on_log:
            exchange.note_begin()
        if plan.on_preproc_headers and (left := call_first(plan.on_preproc_headers, request)):
            return Stage(ASKING, left)
        stage = self._execute(request, exchange.arrival)
        response = stage.response
        if response is None or stage.at != ANSWERED:
            if isinstance(stage.answer, ThreadAnswer):
                stage.plan = plan
            return stage
        return self._send(exchange, request, response, plan) if _needs_nothing(request, response) else stage

    def _execute(self, request: Request, arrival: int) -> Stage:
        """From the URL to the handler's answer. Raises nothing."""
        stage = Stage(ANSWERED)
        try:
            route = map_request(self._routes, request)
            if route.application.forward_slot or route.asks_who:
                stage.at = ASKING
                return stage
            entry = choose_handler(self._routes, request, route, arrival)
        except BaseException as error:
            stage.at, stage.failure = EXECUTING, error
            return stage
        answer = call_quick(entry.hooks, request)
        if isinstance(answer, Response):
            stage.response = answer
        else:
            stage.at, stage.entry, stage.answer = EXECUTING, entry, answer
        return stage

    def _send(self, exchange: Exchange, request: Request, response: Response, plan: Plan) -> Stage:
        """From on_send_response to on_end_of_request. Raises nothing."""
        if plan.on_send_response and (left := call_on_response(plan.on_send_response, request, response)):
            return Stage(PREPARED, left, response)
        try:
            is_sent = send_at_once(self._offers, exchange, request, response, plan)
        except BaseException as error:
            stage = Stage(PREPARED, (), response)
            stage.failure = error
            return stage
        if not is_sent:
            return Stage(PREPARED, (), response)
        if plan.on_end_of_request and (left := call_plain(plan.on_end_of_request, request)):
            return Stage(SENT, left, response)
        request._host = request._host_source = None  # the exchange holds the request: no circle is left behind
        return DONE


class WaitingRequest(Waiting):
    """An everyday request whose handler has named what its answer waits for."""

    __slots__ = ("_application", "_call", "_everyday", "_served", "exchange", "stage")

    def __init__(
        self,
        everyday: Everyday,
        exchange: Exchange,
        application: ApplicationInfo,
        served: ServedApplication,
        stage: Stage,
        pending: Pending,
        code: tuple[str, str] | None,
    ) -> None:
        super().__init__(pending)
        self._everyday = everyday
        self.exchange = exchange
        self._application = application
        self._served = served
        self.stage = stage
        assert stage.entry is not None, "its handler has been called"
        hook = stage.entry.hooks[0]
        plugin, name = code or (hook.plugin, hook.name)
        self._call = CallUnderWay(plugin, name, exchange.request, is_on_a_thread=code is not None)
        self._call.awaitable = stage.answer
        everyday.calls.add(self._call)
        served.in_hand += 1

    def go_on(self) -> Coroutine[Any, Any, None] | None:
        """See `Waiting.go_on`."""
        self._wait_no_more()
        stage = self._everyday.go_on(self)
        return None if stage is DONE else self._everyday.coroutine(self.exchange, stage, self._application)

    def as_coroutine(self) -> Coroutine[Any, Any, None]:
        """See `Waiting.as_coroutine`."""
        self._wait_no_more()
        return self._everyday.coroutine(self.exchange, self.stage, self._application)

    def _wait_no_more(self) -> None:
        self._everyday.calls.discard(self._call)
        self._served.in_hand -= 1


def _needs_nothing(request: Request, response: Response) -> bool:
    """Whether it may go to the filters as it is: no page, no other URL, no fields to be added."""
    settings = request.settings
    try:
        return (
            200 <= response.status < 400
            and not response.internal_target
            and not response.raw
            and not (settings is not None and settings.custom_headers)
        )
    except (AttributeError, TypeError):  # a handler has left in it what is no status: for the pipeline to stumble on
        return False
