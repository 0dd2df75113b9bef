"""The WSGI applications (PEP 3333) of a worker: each call on one of its threads, or on its main thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any

from host.api import PendingResult, PluginContext, Request, Response, ThreadAnswer, ThreadingModel
from host.python_apps.applications import Applications, Order
from host.python_apps.collected_body import collected
from host.python_apps.interface import is_coroutine_callable
from host.python_apps.length_check import LengthCheck
from host.python_apps.loading import LoadFailure, load_callable
from host.python_apps.turn import Turn
from host.python_apps.wsgi_call import Callee, RunCode
from host.python_apps.wsgi_environ import base_environ
from host.python_apps.wsgi_file import FileWrapper
from host.python_apps.wsgi_main_call import MainThreadCall
from host.python_apps.wsgi_thread_call import ThreadCall


class ThreadCallAnswer(ThreadAnswer):
    """What a call on a thread answers; to be awaited."""

    __slots__ = ("_call", "_pending")

    def __init__(self, call: ThreadCall, pending: PendingResult) -> None:
        self._call = call
        self._pending = pending

    def waits_for(self) -> PendingResult:
        """The response, or what the application has raised."""
        return self._pending

    def response_at_once(self) -> Response | None:
        """The response; None when awaiting it raises."""
        return self._call.response

    def __await__(self) -> Generator[Any, None, Response]:
        """The response."""
        return self._call.answer().__await__()


class WsgiApplication:
    """A loaded callable. `answer` is for the event loop."""

    def __init__(self, function: Callable[..., Any], order: Order, context: PluginContext) -> None:
        loop = asyncio.get_running_loop()
        self._threads = context.threads
        self._is_multithread = order.settings.multithread
        turn = None if self._is_multithread else Turn(loop)
        lengths = LengthCheck(order.processor, context.report_event)
        self._callee = Callee(function, loop, context.report_event, turn, {}, order.processor, lengths)

    def answer(self, request: Request, run_code: RunCode) -> Response | Awaitable[Response]:
        """What the application answers. Raises what it raises, HttpError for a refused body, ClientGone."""
        callee = self._callee
        if not callee.base:
            callee.base = base_environ(
                request,
                is_multithread=self._is_multithread,
                is_multiprocess=True,  # a worker is replaced while another one runs, if nothing else
                file_wrapper=FileWrapper,
            )
        if callee.turn is None:
            return self._begin(request, run_code)
        if request.body.is_complete and callee.turn.take_now():
            return self._begin(request, run_code)
        return self._wait_for_turn(callee.turn, request, run_code)

    def _begin(self, request: Request, run_code: RunCode) -> Response | ThreadCallAnswer:
        mapping = request.mapping
        if mapping is not None and mapping.threading_model is ThreadingModel.SINGLE and request.body.is_complete:
            return MainThreadCall(self._callee, request, run_code).answer()
        pending = self._threads.pending_result()
        call = ThreadCall(self._callee, request, pending)
        threads = self._threads if request.body.is_complete else self._threads.for_body(request.body)
        threads.submit(run_code, (call, request), pending)
        return ThreadCallAnswer(call, pending)

    async def _wait_for_turn(self, turn: Turn, request: Request, run_code: RunCode) -> Response:
        if not request.body.is_complete:  # nobody's client has the turn of all
            request.body = await collected(request.body)
        await turn.take()
        answer = self._begin(request, run_code)
        return answer if isinstance(answer, Response) else await answer


class WsgiHost:
    """The WSGI applications of a worker."""

    def __init__(self, context: PluginContext, run_code: RunCode) -> None:
        self._context = context
        self._run_code = run_code
        self._loop = asyncio.get_running_loop()
        self._applications: Applications[WsgiApplication] = Applications(context, self._begin, self._end)

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """The answer of the application that the request's mapping names. Raises HttpError 500.21 without one."""
        application = self._applications.ready(request)
        return self._start_and_answer(request) if application is None else application.answer(request, self._run_code)

    async def _start_and_answer(self, request: Request) -> Response:
        application = await self._applications.find(request)
        answer = application.answer(request, self._run_code)
        return answer if isinstance(answer, Response) else await answer

    async def close(self) -> None:
        """The worker ends."""
        await self._applications.close()

    async def _begin(self, order: Order) -> WsgiApplication:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._context.threads.submit(partial(load_callable, order.name, order.wanted), (), future)  # it takes its time
        function, note = await future
        if is_coroutine_callable(function):
            text = f"{order.processor} is a coroutine function: an ASGI application"
            raise LoadFailure(text, 'Map it with modules="AsgiModule".')
        text = f"WSGI application {order.processor} of {order.wanted.application}"
        self._context.report_event(
            "plugin-loaded", f"{text} from {order.wanted.folder}" + (f"; {note}" if note else "")
        )
        return WsgiApplication(function, order, self._context)

    async def _end(self, _application: WsgiApplication) -> None:
        """WSGI tells an application nothing of its end."""
