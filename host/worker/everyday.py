"""The everyday request: plain filters that have nothing to say, a handler that answers at once, a small body.

It is served by plain function calls, from its head to its last frame; a coroutine of each step would cost as much as
the steps do. What turns out to be something else goes on in the pipeline's coroutine, from the stage that it has come
to: no hook is called twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from host.api import Request, RequestHost, Response, ThreadAnswer
from host.worker.cache_offers import CacheOffers
from host.worker.calling import call_on_response, call_plain, call_quick
from host.worker.exchange import Exchange
from host.worker.handler_choice import choose_handler, map_request
from host.worker.handler_map import Entry
from host.worker.plan import Calls, Plan
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

    __slots__ = ("answer", "at", "calls", "entry", "failure", "response")

    def __init__(self, at: int, calls: Calls = (), response: Response | None = None) -> None:
        self.at = at
        self.calls = calls
        self.response = response
        self.entry: Entry | None = None
        self.answer: ThreadAnswer | Calls = ()
        self.failure: BaseException | None = None

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
    """Serves what needs no coroutine."""

    def __init__(
        self,
        served: Mapping[tuple[int, str], ServedApplication],
        routes: Routes,
        offers: CacheOffers,
        open_host: Callable[..., RequestHost],
        clock: Callable[[], float],
    ) -> None:
        self._served = served
        self._routes = routes
        self._offers = offers
        self._open_host = open_host
        self._clock = clock

    def serve(self, exchange: Exchange) -> Stage | None:
        """DONE, or what the request has come to; None: its plan is not plain, and nothing has happened."""
        request = exchange.request
        application = request.application
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
        if plan.on_preproc_headers and (left := call_plain(plan.on_preproc_headers, request)):
            return Stage(ASKING, left)
        stage = self._execute(request)
        response = stage.response
        if response is None or stage.at != ANSWERED:
            return stage
        return self._send(exchange, request, response, plan) if _needs_nothing(request, response) else stage

    def _execute(self, request: Request) -> Stage:
        """From the URL to the handler's answer. Raises nothing."""
        stage = Stage(ANSWERED)
        try:
            route = map_request(self._routes, request)
            if route.application.forward_slot:
                stage.at = ASKING
                return stage
            entry = choose_handler(self._routes, request, route)
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
