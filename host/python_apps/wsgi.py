"""WSGI applications (PEP 3333), each call on one thread of the worker.

An answer that is complete when the application returns goes to the client in one piece. Otherwise the thread goes on
while the client takes what it has made (`ThreadedBody`), and waits when the client is slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from functools import partial
from typing import Any, Final

from host.api import (
    ClientGone,
    FileBody,
    Headers,
    PendingResult,
    PluginContext,
    Request,
    Response,
    ThreadAnswer,
    reason_phrase,
)
from host.python_apps.applications import Applications, Order
from host.python_apps.interface import is_coroutine_callable
from host.python_apps.loading import LoadFailure, load_callable
from host.python_apps.threaded_body import ThreadedBody
from host.python_apps.wsgi_environ import base_environ, request_environ
from host.python_apps.wsgi_streams import ErrorStream, FileWrapper, InputStream

_MOST_STATUSES: Final = 256
_statuses: Final[dict[str, tuple[int, str]]] = {}

OnThread = Callable[["WsgiCall", Request], Response | None]
"""A function of the plugin that only calls `run()`: its frame tells an examiner of a hanging thread who hangs."""


class WsgiError(Exception):
    """The application broke PEP 3333."""


class WsgiApplication:
    """A loaded callable. `answer` is for the event loop."""

    def __init__(self, function: Callable[..., Any], order: Order, context: PluginContext) -> None:
        self.function = function
        self.base: dict[str, Any] | None = None
        self.report_event = context.report_event
        self.loop = asyncio.get_running_loop()
        self._threads = context.threads
        self._is_multithread = order.settings.multithread
        self._turn = None if self._is_multithread else asyncio.Semaphore(1)

    def answer(self, request: Request, on_thread: OnThread) -> Awaitable[Response]:
        """What the application answers. Raises what it raises, HttpError for a refused body, ClientGone."""
        if self.base is None:
            self.base = base_environ(
                request,
                is_multithread=self._is_multithread,
                is_multiprocess=True,  # a worker is replaced while another one runs, if nothing else
                file_wrapper=FileWrapper,
            )
        return self._begin(request, on_thread) if self._turn is None else self._wait_for_turn(request, on_thread)

    def _begin(self, request: Request, on_thread: OnThread) -> WsgiCall:
        pending = self._threads.pending_result()
        call = WsgiCall(self, request, pending)
        self._threads.submit(on_thread, (call, request), pending)
        return call

    async def _wait_for_turn(self, request: Request, on_thread: OnThread) -> Response:
        if self._turn is not None:
            await self._turn.acquire()
        return await self._begin(request, on_thread)

    def end_turn(self) -> None:
        """A call is over; on any thread."""
        if self._turn is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self.loop.call_soon_threadsafe(self._turn.release)


class WsgiCall(ThreadAnswer):
    """One request's way through the application, under way on a thread; to be awaited for its answer."""

    __slots__ = (
        "_application",
        "_body",
        "_ended",
        "_errors",
        "_headers",
        "_input",
        "_is_abandoned",
        "_is_over",
        "_lock",
        "_pending",
        "_promised",
        "_request",
        "_response",
        "_status",
    )

    def __init__(self, application: WsgiApplication, request: Request, pending: PendingResult) -> None:
        self._application = application
        self._request = request
        self._pending = pending
        self._input = InputStream(request.body)
        self._errors = ErrorStream(self._report)
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._promised: int | None = None  # Content-Length
        self._body: ThreadedBody | None = None
        self._response: Response | None = None
        self._lock = threading.Lock()
        self._is_over: bool | None = None  # None: no thread has begun
        self._is_abandoned = False
        self._ended: asyncio.Future[None] | None = None

    # --- on the thread

    def run(self) -> Response | None:
        """Call the application; its response, also when that has been handed over as it was made. None: abandoned.

        The end of a call may be noted on the loop before what the call has handed over.
        """
        with self._lock:
            if self._is_abandoned:
                self._application.end_turn()
                return None
            self._is_over = False
        body = None
        failure: BaseException | None = None
        try:
            whole = Context().run(self._call)
            if whole is not None:
                self._response = whole
        except BaseException as error:
            failure = self._input.refusal or error
            if self._body is None:
                raise failure from (error if failure is not error else error.__cause__)
        finally:
            body = self._body
            self._errors.close_line()
            self._application.end_turn()
            if body is not None:
                body.finish(failure)
            self._note_end()
        return self._response

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], None]:
        """PEP 3333's start_response; the head leaves with the first bytes of the body."""
        if exc_info:
            try:
                if self._body is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a reference cycle otherwise
        elif self._status:
            raise WsgiError("start_response was called twice without exc_info")
        if not isinstance(status, str) or status[3:4] not in (" ", "") or not status[:3].isdigit():
            raise WsgiError(f"a status is text such as '200 OK', not {status!r}")
        self._status, self._headers, self._promised = status, headers, None
        for name, value in headers:
            if len(name) == 14 and name.lower() == "content-length":
                self._promised = int(value)
        return self._write

    def _call(self) -> Response | None:
        environ = request_environ(self._application.base or {}, self._request)
        environ["wsgi.input"] = self._input
        environ["wsgi.errors"] = self._errors
        iterable = self._application.function(environ, self.start_response)
        try:
            return self._answer(iterable)
        finally:
            close = getattr(iterable, "close", None)
            if close is not None:
                close()

    def _answer(self, iterable: Any) -> Response | None:
        if self._body is None:
            if isinstance(iterable, list | tuple):
                return self._whole(_joined(iterable))
            if isinstance(iterable, FileWrapper) and (file := iterable.as_file(self._promised)) is not None:
                return self._whole(file)
        sent = 0
        for piece in iterable:
            if not piece:
                continue
            if self._body is None and len(piece) == self._promised:
                return self._whole(piece)
            self._write(piece)
            sent += len(piece)
            if sent == self._promised:
                break
        return self._whole(b"") if self._body is None else None

    def _whole(self, body: bytes | FileBody) -> Response:
        if self._input.refusal is not None:  # the application has made a page of it; it is not the application's
            raise self._input.refusal
        return self._head(body)

    def _write(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise WsgiError(f"a piece of the body is {type(data).__name__}, not bytes")
        if self._body is not None:
            self._body.push(data)
        elif data:
            if self._input.refusal is not None:
                raise self._input.refusal
            loop = self._application.loop
            body = ThreadedBody(loop)
            response = self._head(body)
            with self._lock:
                if self._is_abandoned:
                    raise ClientGone("the client closed its connection")
                self._body = body  # from now on `abandon` closes it
                self._response = response
            body.push(data)
            loop.call_soon_threadsafe(self._hand_over, response)

    def _head(self, body: Any) -> Response:
        if not self._status:
            raise WsgiError("the application returned without a call of start_response")
        known = _statuses.get(self._status)
        if known is None:
            known = _parse_status(self._status)
        return Response(status=known[0], reason=known[1], headers=Headers.repeated(self._headers), body=body)

    def _note_end(self) -> None:
        with self._lock:
            self._is_over = True
            ended = self._ended
            if self._is_abandoned and self._response is not None:
                _drop(self._response)
        if ended is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._application.loop.call_soon_threadsafe(_set, ended)

    def _report(self, line: str) -> None:
        text = f"request {self._request.id}: {line}"
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._application.loop.call_soon_threadsafe(self._application.report_event, "application-output", text)

    # --- on the loop

    def __await__(self) -> Generator[Any, None, Response]:
        """The answer. Raises what the application raises; when it is cancelled, the thread's end is waited for."""
        try:
            response: Response = yield from self._pending.__await__()
        except asyncio.CancelledError:
            yield from self.abandon().__await__()
            raise
        return response

    def _hand_over(self, response: Response) -> None:
        if not self._pending.done():
            self._pending.set_result(response)

    async def abandon(self) -> None:
        """The request is over without its answer. Returns when no thread is at work for it."""
        with self._lock:
            self._is_abandoned = True
            if self._is_over is not False:
                if self._response is not None:
                    _drop(self._response)
                return
            ended = self._ended = self._application.loop.create_future()
        if self._body is not None:
            await self._body.aclose()
        while not ended.done():
            with contextlib.suppress(asyncio.CancelledError):  # the end is awaited, however often we are told
                await asyncio.shield(ended)


class WsgiHost:
    """The WSGI applications of a worker."""

    def __init__(self, context: PluginContext, on_thread: OnThread) -> None:
        self._context = context
        self._on_thread = on_thread
        self._loop = asyncio.get_running_loop()
        self._applications: Applications[WsgiApplication] = Applications(context, self._begin, self._end)

    def answer(self, request: Request) -> Awaitable[Response]:
        """The answer of the application that the request's mapping names. Raises HttpError 500.21 without one."""
        application = self._applications.ready(request)
        return self._start_and_answer(request) if application is None else application.answer(request, self._on_thread)

    async def _start_and_answer(self, request: Request) -> Response:
        application = await self._applications.find(request)
        return await application.answer(request, self._on_thread)

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

    async def _end(self, application: WsgiApplication) -> None:
        del application  # WSGI tells an application nothing of its end


def _joined(pieces: list[bytes] | tuple[bytes, ...]) -> bytes:
    try:
        return pieces[0] if len(pieces) == 1 and pieces[0].__class__ is bytes else b"".join(pieces)
    except TypeError as error:
        raise WsgiError(f"a piece of the body is no bytes: {error}") from error


def _parse_status(text: str) -> tuple[int, str]:
    status, reason = int(text[:3]), text[4:]
    parsed = (status, "" if reason == reason_phrase(status) else reason)
    if len(_statuses) < _MOST_STATUSES:
        _statuses[text] = parsed
    return parsed


def _drop(response: Response) -> None:
    body, response.body = response.body, b""
    if isinstance(body, FileBody):
        os.close(body.descriptor)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
