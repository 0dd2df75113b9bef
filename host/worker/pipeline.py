"""Step 8: the stages of a request, in the order of `host/api/hookspecs.py`.

A stage without implementations costs one look at an empty tuple. The stages up to the handler may answer or refuse;
whatever happens, the request is logged and ended, and every plugin that takes part in that is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from host.api import ApplicationInfo, ClientGone, HttpError, Request, Response, ThreadAnswer
from host.api.ctrl_c import is_ctrl_c
from host.worker.admission import admit, admit_again
from host.worker.authenticator import Authenticator, add_challenge
from host.worker.cache_offers import CacheOffers
from host.worker.calling import HookCaller, call_on_response, call_plain, call_quick
from host.worker.delivery import Delivery
from host.worker.error_responses import RefusedElsewhere, answer_refusal, denial_of, needs_page, refusal_of
from host.worker.everyday import ASKING, PLAN_RECHECK_SECONDS, PREPARED, SENT, Everyday, Stage
from host.worker.exchange import Exchange, Overdue
from host.worker.filter_output import KEY, FilterOutput, end_output, forget_contexts
from host.worker.handler_choice import call_first, choose_handler, foresee, map_request
from host.worker.handler_map import Entry
from host.worker.hooks import INLINE, Hook
from host.worker.internal_requests import follow
from host.worker.pipeline_parts import Forward, Observer
from host.worker.plan import Calls, Plan
from host.worker.request_host import RequestServices, ServiceKit
from host.worker.request_task import Waiting, become_task
from host.worker.routes import Route, Routes
from host.worker.served_application import ServedApplication
from host.worker.small_answers import send_at_once


class Pipeline:
    """Answers requests. `refresh_plan` starts an application with its first request and recompiles its plans when its
    settings have changed; it gives the reason when the application's requests are refused."""

    def __init__(
        self,
        served: Mapping[tuple[int, str], ServedApplication],
        routes: Routes,
        caller: HookCaller,
        *,
        refresh_plan: Callable[[ServedApplication], Awaitable[HttpError | None]],
        forward: Forward,
        offers: CacheOffers,
        clock: Callable[[], float],
        observer: Observer | None = None,
    ) -> None:
        self._served = served
        self._routes = routes
        self._caller = caller
        self._delivery = Delivery(caller, offers)
        self._open_host = partial(RequestServices, ServiceKit(routes, caller, self._delivery, self._run))
        self._refresh_plan = refresh_plan
        self._forward = forward
        self._offers, self._clock, self._observer = offers, clock, observer
        self._authenticator = Authenticator(caller)
        everyday = Everyday(served, routes, caller.under_way, offers, self._open_host, clock, self.serve)
        self.serve_at_once: Callable[[Exchange], Awaitable[None] | Waiting | None] = everyday.serve_at_once

    def observed(
        self,
        observer: Observer,
        watch_served: Callable[[Mapping[tuple[int, str], ServedApplication]], Mapping[tuple[int, str], Any]],
        watch_forward: Callable[[Forward], Forward],
    ) -> Pipeline:
        """Another pipeline for the same applications, which is watched."""
        watched = Pipeline(
            watch_served(self._served),
            self._routes,
            self._caller,
            refresh_plan=self._refresh_plan,
            forward=watch_forward(self._forward),
            offers=self._offers,
            clock=self._clock,
            observer=observer,
        )
        watched._authenticator = self._authenticator
        return watched

    async def serve(
        self, exchange: Exchange, stage: Stage | None = None, application: ApplicationInfo | None = None
    ) -> None:
        """The whole life of a request, or what is left of it (then with the application that it came for); `exchange`
        is ended in any case."""
        request = exchange.request
        application = application or request.application
        served = self._served[application.site_id, application.path]
        refusal = None
        if stage is None and self._clock() - served.plan_checked_at > PLAN_RECHECK_SECONDS:
            await become_task()  # plugins may be loaded
            refusal = await self._refresh_plan(served)
        plan = served.secure_plan if request.connection.is_secure else served.plan
        if stage is not None and stage.plan is not None:
            plan = stage.plan  # it may have waited
        request._host_source = (self._open_host, exchange, plan)
        if plan.on_log and stage is None:
            exchange.note_begin()
        served.in_hand += 1
        if stage is None and refusal is None and served.in_hand > served.request_limit:
            refusal = served.too_many()
        # Nothing is awaited while an exception is handled: see host/compiled/modules.py.
        response: Response | None = None
        failure: BaseException | None = None
        try:
            response = await self._answer(exchange, plan, refusal, stage)
        except BaseException as error:
            failure = error
        if isinstance(failure, asyncio.CancelledError | ClientGone):
            try:
                response = await self._abandon(exchange, plan, failure)
                failure = None
            except BaseException as error:
                failure = error
        served.in_hand -= 1
        try:
            await self._end(exchange, request, response, plan, stage)
            if failure is not None:
                raise failure
        finally:
            failure = None  # it holds this frame

    async def _answer(self, exchange: Exchange, plan: Plan, refusal: HttpError | None, stage: Stage | None) -> Response:
        request = exchange.request
        response: Response | None = None
        if stage is not None and stage.at >= PREPARED:
            response = stage.response  # what filters have made of it stays: no page, no other URL
            if response is not None and stage.at == SENT:
                return response
        if response is None and refusal is None:
            try:
                response = await self._respond(exchange, plan, stage)
            except HttpError as error:
                refusal = error
        if response is None:
            assert refusal is not None, "there is an answer or a refusal"
            response = await self._refuse(exchange, plan, refusal)
            exchange.is_refused = True
            refusal = None  # it holds this frame
        if (inner := exchange.request) is not request and inner.user:
            request.user, request.auth_type = inner.user, inner.auth_type  # the log names who was let in
        if response.status == 401:
            add_challenge(exchange.request, response)
        if self._observer is not None:
            self._observer.sending()
        response = await self._send(exchange, request, response, plan, stage)
        if self._observer is not None:
            self._observer.sent(response)
        return response

    async def _end(
        self, exchange: Exchange, request: Request, response: Response | None, plan: Plan, stage: Stage | None
    ) -> None:
        """Tell those who want to know that the request has ended, and let go of what belongs to it."""
        if plan.gives_contexts:
            end_output(request)
        if plan.end and response is not None:
            await self._caller.tell(plan.end, request, response)
        if plan.on_end_of_request:
            is_sent = stage is not None and stage.at == SENT
            left = stage.calls if stage is not None and is_sent else call_plain(plan.on_end_of_request, request)
            if left:
                await self._caller.tell(left, request)
        if plan.gives_contexts:
            forget_contexts(request)
        request._host = request._host_source = None  # the exchange holds the request: no circle is left behind
        if exchange.request is not request:
            exchange.request._host = exchange.request._host_source = None

    # --- from the head to a response

    async def _respond(self, exchange: Exchange, plan: Plan, stage: Stage | None) -> Response:
        request = exchange.request
        response: Response | None = None
        if stage is not None and stage.at != ASKING:
            response = await self._go_on(request, stage)
        elif plan.on_preproc_headers:
            left = call_first(plan.on_preproc_headers, request) if stage is None else stage.calls
            response = await self._caller.ask(left, request) if left else None
        if response is None:
            response = await self._run(request, plan)
        while response.internal_target:
            inner = follow(request, response.internal_target, keeps_request=response.internal_keeps_request)
            await self._delivery.discard(response)
            request = exchange.request = inner  # an error page speaks of the URL that failed
            response = await self._run(request, plan)
        if response.status >= 400 and needs_page(response, request):
            await self._delivery.discard(response)
            handler = request.mapping.name if request.mapping is not None else ""
            return await self._refuse(exchange, plan, refusal_of(response, handler))
        return response

    async def _run(self, request: Request, plan: Plan) -> Response:
        """One URL, from begin_request to update_request_cache."""
        ask = self._caller.ask
        route = self._map(request)
        target = request.raw_target
        if plan.maps_early:
            foresee(request, route)
        if plan.begin:
            response = await ask(plan.begin, request)
            if response is not None:
                return response
            if request.raw_target is not target:  # it was rewritten
                route, target = self._map(request), request.raw_target
                if plan.maps_early:
                    foresee(request, route)
        if plan.is_asked_before_the_handler or route.asks_who:
            response = await admit(self._caller, request, plan, route, self._authenticator)
            if response is not None:
                return response
            if request.raw_target is not target:  # on_auth_complete and modules may still rewrite
                route = self._map(request)
                response = await admit_again(self._caller, request, plan, route, self._authenticator)
                if response is not None:
                    return response
        if self._observer is None:
            entry = choose_handler(self._routes, request, route)
        else:
            entry = self._observer.choose_handler(self._routes, request, route)
        if plan.prepare:
            response = await ask(plan.prepare, request)
            if response is not None:
                return response
        if route.application.forward_slot and not entry.runs_in_process:
            await become_task()
            response = await self._forward.handle(route.application.forward_slot, request)
        else:
            answer = call_quick(entry.hooks, request)
            response = answer if isinstance(answer, Response) else await self._execute(request, entry, answer)
        if plan.finish:
            await self._delivery.or_discard(response, ask(plan.finish, request, response))
        return response

    async def _go_on(self, request: Request, stage: Stage) -> Response:
        """What an everyday request has come to when its handler was chosen, or called."""
        stage.raise_failure()
        if stage.response is not None:
            return stage.response
        assert stage.entry is not None, "it has been chosen"
        return await self._execute(request, stage.entry, stage.answer)

    def _map(self, request: Request) -> Route:
        if self._observer is None:
            return map_request(self._routes, request)
        return self._observer.map_request(self._routes, request)

    async def _execute(self, request: Request, entry: Entry, answer: ThreadAnswer | Calls) -> Response:
        given, hooks = (answer, entry.hooks[:1]) if isinstance(answer, ThreadAnswer) else (None, answer)
        for hook in hooks:
            response = await self._caller.handle(hook, request, given)
            if response is not None:
                return response
        raise HttpError(404, 0, f"none of {entry.module_names} has an answer for {request.path}")

    # --- refusals

    async def _refuse(self, exchange: Exchange, plan: Plan, error: HttpError) -> Response:
        """The page of a refusal, or what a filter says instead of a 401."""
        if self._observer is not None:
            self._observer.refused(error)
        request = exchange.request
        if not error.handler and request.mapping is not None:
            error.handler = request.mapping.name
        if error.status == 401 and plan.on_access_denied:
            try:
                response = await self._caller.ask(plan.on_access_denied, request, denial_of(request, error.substatus))
            except HttpError as raised:
                error, response = raised, None
            if response is not None:
                if isinstance(error, RefusedElsewhere):
                    await self._delivery.discard(error.response)
                return response

        async def run_target(refused: Request, target: str, status: int) -> Response:
            response = await self._run(follow(refused, target, status=status), plan)
            if response.internal_target:
                raise HttpError(500, 0, f"the error page {target} is a local redirect")
            return response

        return await answer_refusal(request, error, run_target)

    # --- from a response to the last frame

    async def _send(
        self, exchange: Exchange, request: Request, response: Response, plan: Plan, stage: Stage | None
    ) -> Response:
        """Send the response, or a page for what went wrong with it; returns what was sent."""
        try:
            is_prepared = stage is not None and stage.at == PREPARED and stage.response is response
            settings = request.settings
            left = plan.on_send_response
            is_special = not is_prepared and (
                response.status < 200 or response.raw or plan.gives_contexts or (settings and settings.custom_headers)
            )
            if stage is not None and is_prepared:
                stage.raise_failure()
                left = stage.calls
            elif left and not is_special:
                left = call_on_response(left, request, response)
            if left or is_special:
                response = await self._prepare(request, response, left)
                if plan.gives_contexts:
                    response = await self._as_filters_wrote(exchange, request, response)
            if not send_at_once(self._offers, exchange, request, response, plan):
                await self._delivery.send(exchange, request, response, plan)
            return response
        except (asyncio.CancelledError, ClientGone):
            raise
        except HttpError as error:
            refusal = error
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            modules = request.mapping.modules if request.mapping is not None else ""
            refusal = self._caller.blame(Hook(self.serve, INLINE, modules or "a handler", "body"), error, request)
        return await self._send_instead(exchange, request, refusal, plan)

    async def _prepare(self, request: Request, response: Response, calls: Calls) -> Response:
        """Configured fields and on_send_response; nph- output is not touched."""
        if response.raw:
            return response
        other = await self._delivery.or_discard(response, self._settle(request, response, calls))
        if other is None:
            return response
        await self._delivery.discard(response)
        return other

    async def _settle(self, request: Request, response: Response, calls: Calls) -> Response | None:
        for name, value in request.settings.custom_headers if request.settings is not None else ():
            response.headers.add(name, value)
        if (output := request.context.get(KEY)) is not None:
            output.settle(request, response)
        other = await self._caller.ask(calls, request, response) if calls else None
        if response.status < 200 and other is None:
            raise HttpError(500, 0, f"a handler answered with the interim status {response.status}")
        return other

    async def _as_filters_wrote(self, exchange: Exchange, request: Request, response: Response) -> Response:
        """The response with what filters have said of it by their contexts."""
        output: FilterOutput | None = request.context.get(KEY)
        if output is None:
            return response
        whole = output.complete(request, response, is_head=exchange.is_head)
        if whole is not response and whole.body.__class__ is bytes:
            await self._delivery.discard(response)
        return whole

    async def _send_instead(self, exchange: Exchange, request: Request, error: HttpError, plan: Plan) -> Response:
        """The response failed: a page when nothing was sent, otherwise the connection is cut."""
        if exchange.has_begun:
            exchange.reset(error.status, error.substatus, error.detail)
            return Response(status=error.status, substatus=error.substatus)
        response = await self._refuse(exchange, plan, error)
        try:
            await self._delivery.send(exchange, request, response, plan)
        except HttpError as again:  # a filter of the response's bytes fails on every page
            exchange.reset(500, again.substatus, again.detail)
        return response

    async def _abandon(self, exchange: Exchange, plan: Plan, error: BaseException) -> Response:
        """The client left, or the handler cancelled itself: end the exchange, log what there is to log."""
        task = asyncio.current_task()
        while task is not None and task.cancelling():  # the rest of the request's life may wait again
            task.uncancel()
        if exchange.overdue is not None and not exchange.is_gone:
            return await self._refuse_overdue(exchange, plan, exchange.overdue)
        if not exchange.is_gone:
            refusal = HttpError(500, 0, f"the handler ended with {error!r} although the client is there")
            return await self._send_instead(exchange, exchange.request, refusal, plan)
        response = Response(status=500, win32_status=64)  # ERROR_NETNAME_DELETED, as IIS logs it
        if plan.log:
            await self._caller.tell(plan.log, exchange.request, response)
        exchange.reset(500, 0, "the client closed its connection")
        return response

    async def refuse_overdue(self, exchange: Exchange) -> None:
        """The 504 of a request whose code does not end at once (time_limits.Refuser)."""
        application = exchange.request.application
        served = self._served[application.site_id, application.path]
        plan = served.secure_plan if exchange.request.connection.is_secure else served.plan
        if exchange.overdue is not None:
            await self._refuse_overdue(exchange, plan, exchange.overdue)

    async def _refuse_overdue(self, exchange: Exchange, plan: Plan, overdue: Overdue) -> Response:
        error = overdue.error
        if overdue.is_being_sent or exchange.is_done:  # it has its answer
            return Response(status=error.status, substatus=error.substatus)
        overdue.is_being_sent = exchange.is_refused = True
        return await self._send_instead(exchange, exchange.request, error, plan)
