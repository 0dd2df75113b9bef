"""One request of managed code: its context, the application object that executes it, events raised and handlers run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from host.api import HttpError, Request, Response
from host.api.managed import (
    HttpApplication,
    HttpApplicationState,
    HttpContext,
    HttpException,
    HttpRequest,
    HttpResponse,
    ResponseEnd,
)
from host.api.managed.contracts import implements
from host.api.managed.events import Subscriber
from host.api.managed.posted_files import MultipartForm
from host.api.managed.values import await_owned, call_owned, no_exit
from host.managed.application_factory import HttpApplicationFactory
from host.managed.handler_factories import HandlerFactories, obtain, release
from host.managed.output import HandlerOutput
from host.managed.server_utility import ServerUtility


class Runtime(Protocol):
    """What an execution asks of its application (host.managed.runtime.HttpRuntime)."""

    loop: asyncio.AbstractEventLoop
    is_integrated: bool
    releases_itself: bool
    state: HttpApplicationState
    factory: HttpApplicationFactory

    def variables(self, request: Request) -> list[tuple[str, str]]:
        """Server variables."""

    def parse_multipart(self, content_type: str, body: bytes) -> MultipartForm:
        """Fields and files of such a body."""

    def type_of(self, request: Request) -> str:
        """The type of the request's handler."""

    def factories(self, application: HttpApplication) -> HandlerFactories:
        """Of an application object."""


_HOOK_OF: Final = {
    "error": "handle",
    "pre_send_request_headers": "on_send_response",
    "pre_send_request_content": "on_send_raw_data",
    "request_completed": "end_request",
    "disposed": "end_request",
}
"""The hook in which an event that is no stage of the pipeline is raised: for `isapy list requests`."""

HANDLER_OWNER: Final = "ManagedEngine"


async def _answer_on_loop(handler: Any, context: HttpContext) -> None:
    answer = handler.process_request_async(context)
    if not isinstance(answer, Awaitable):
        detail = f"process_request_async of {type(handler).__qualname__} gave {type(answer).__name__}, which cannot be"
        remedy = "Write it as async def; or name it process_request, which runs on a thread (IHttpHandler)."
        raise HttpError(500, 0, f"{detail} awaited", remedy=remedy)
    await answer


class Execution:
    """Of one request, or of those that it leads to inside the server, one after the other."""

    def __init__(self, runtime: Runtime, request: Request) -> None:
        self.runtime = runtime
        self.application: HttpApplication = runtime.factory.take()
        self.context: HttpContext
        self.request: Request
        self.output: HandlerOutput | None = None
        self.deferred: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self.is_released = False
        self.begin(request)

    def begin(self, request: Request) -> None:
        """From now on it executes that request."""
        is_integrated = self.runtime.is_integrated
        view = HttpRequest(
            request,
            is_integrated=is_integrated,
            variables=self.runtime.variables,
            parse_multipart=self.runtime.parse_multipart,
        )
        context = HttpContext(view, HttpResponse(), self.runtime.state, is_integrated=is_integrated)
        context.application_instance = self.application
        context.server = ServerUtility(context, self.runtime.loop, self.suspend)
        self.request, self.context = request, context
        self.application.enter(context)

    def suspend(self) -> Callable[[], None]:
        """Another URL runs inside the request in hand; gives what goes on with it afterwards."""
        request, context, output = self.request, self.context, self.output

        def resume() -> None:
            self.request, self.context, self.output = request, context, output
            self.application.enter(context)

        return resume

    def release(self) -> None:
        """The request is over: the application object is free for the next one."""
        if not self.is_released:
            self.is_released = True
            self.runtime.state.unlock_for(self.context)
            self.runtime.factory.give_back(self.application)

    @property
    def is_streaming(self) -> bool:
        """Whether the handler still runs although the head has gone."""
        return self.output is not None and self.output.has_begun

    # --- events

    async def raise_event(self, event: str, owner: str | None = None) -> None:
        """Call who subscribed: plain functions first, on a thread; then coroutines. An exception becomes the Error
        event; what nobody clears there is raised."""
        subscribers = self.application.subscribers(event, owner)
        if not subscribers:
            return
        try:
            await self._call(subscribers, event)
        except ResponseEnd:
            self.context.is_completed = True
        except Exception as error:
            await self._failed(error)

    async def _call(self, subscribers: list[Subscriber], event: str) -> None:
        plain = [one for one in subscribers if not one.is_asynchronous]
        if plain:
            await self.on_thread(plain[0].owner, event, _call_each, plain, self.application, event)
        for one in subscribers[len(plain) :]:
            await await_owned(self.context, one.call, self.application, event)

    async def on_thread(self, owner: str, event: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """A call on a thread of the worker, with this request as HttpContext.current."""
        name = _HOOK_OF.get(event, event)
        return await self.request.host.run_on_thread(owner, name, call_owned, self.context, function, *arguments)

    async def _failed(self, error: Exception) -> None:
        self.context.add_error(error)
        try:
            await self._call(self.application.subscribers("error"), "error")
        except ResponseEnd:
            self.context.clear_error()
        if self.context.error is None:
            self.context.is_completed = True
            return
        if isinstance(error, HttpException):
            raise HttpError(error.status, error.substatus, str(error)) from error
        raise error

    # --- the handler

    async def run_handler(self) -> None:
        """Obtain the handler of the mapping, let it answer, give it back. What it raises is an Error event."""
        context = self.context
        context.handler_is_chosen()
        try:
            if context.remapped_handler is not None:
                await self._process(context.remapped_handler)
                return
            named = self.runtime.type_of(self.request)
            factory = self.runtime.factories(self.application).factory(named)
            handler = await self.on_thread(HANDLER_OWNER, "handle", obtain, factory, context)
            try:
                await self._process(handler)
            finally:
                with no_exit():
                    release(factory, handler)
        except ResponseEnd:
            context.is_completed = True
        except Exception as error:
            await self._failed(error)

    async def _process(self, handler: Any) -> None:
        self.context.handler = handler
        if implements(handler, "process_request_async"):
            await await_owned(self.context, _answer_on_loop, handler, self.context)
            return
        answer = await self.on_thread(HANDLER_OWNER, "handle", handler.process_request, self.context)
        if isinstance(answer, Coroutine):  # nothing of it has run: the answer would be an empty 200
            answer.close()
            detail = f"process_request of {type(handler).__qualname__} is a coroutine function, which runs on no thread"
            raise HttpError(
                500, 0, detail, remedy="Name it process_request_async (host.api.managed.IHttpAsyncHandler)."
            )

    def settled(self) -> Response:
        """What was written so far, as the host's response."""
        response, server = self.context.response, self.context.server
        if response.log_text:
            self.request.host.append_to_log(response.log_text)
            response.log_text = ""
        if isinstance(server, ServerUtility) and server.internal_target:
            return Response.local_redirect(server.internal_target)
        return response.settle()

    def finished(self) -> Response:
        """The same when nothing more is to come: the filter is closed."""
        self.context.response.finish_filter()
        return self.settled()

    async def answer(self, work: Coroutine[Any, Any, None]) -> Response:
        """The response of `work`, which writes it: when it has done, or with its first flush.

        In that case the body goes on as the handler flushes, and `deferred` runs at its end.
        """
        loop = self.runtime.loop
        self.output = output = HandlerOutput(loop)
        self.context.response.sink = output
        task = loop.create_task(work)
        begun = loop.create_task(output.begun.wait())
        try:
            await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            output.close()
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            begun.cancel()
        if not output.has_begun:
            self.output = self.context.response.sink = None
            task.result()
            return self.settled()
        native = self.context.response.native
        return Response(
            status=native.status, reason=native.reason, headers=native.headers, body=_flushed(self, output, task)
        )


async def _flushed(execution: Execution, output: HandlerOutput, task: asyncio.Task[None]) -> Any:
    """The body of a handler that has flushed, to its end."""

    async def finish() -> None:
        try:
            await task
            for event in execution.deferred:
                await event()
            response = execution.context.response
            response.finish_filter()
            await output.send(response._take())
        finally:
            await output.end()

    rest = execution.runtime.loop.create_task(finish())
    try:
        while (piece := await output.next_piece()) is not None:
            yield piece
        await rest
    finally:
        output.close()
        if not rest.done():
            task.cancel()
            await asyncio.wait({task, rest})
        if not rest.cancelled():
            rest.exception()  # seen, if nobody has raised it
        if execution.runtime.releases_itself:
            execution.release()


def _call_each(subscribers: list[Subscriber], application: HttpApplication, event: str) -> None:
    for one in subscribers:
        one.call(application, event)
