"""ASGI 3.0 applications, each request in a task of its own on the worker's event loop.

The task's first step is done while the request's own code runs: an application that waits for nothing has answered by
then, and the request needs no task beside it. The task may go on when the response is complete (background work); the
worker's end waits for it for a while.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final

from host.api import ClientGone, FileBody, HttpError, PluginContext, Request, Response
from host.api.ctrl_c import is_ctrl_c
from host.python_apps.applications import Applications, Order
from host.python_apps.asgi_body import AsgiBody, ClientLeft
from host.python_apps.asgi_head import promised_length, response_of
from host.python_apps.asgi_scope import http_scope
from host.python_apps.first_step import FirstSteps
from host.python_apps.interface import required_arguments
from host.python_apps.length_check import BODYLESS, LengthCheck
from host.python_apps.lifespan import Lifespan
from host.python_apps.loading import LoadFailure, failure_of, load_callable

BACKGROUND_SECONDS: Final = 30.0
"""How long the worker's end waits for background work, within the pool's shutdownTimeLimit."""

# Compiled, `bytes | FileBody` would be a new object each time.
_MUTABLE: Final = (bytearray, memoryview)
_SENT: Final = (bytes, FileBody)

Call = Callable[[Any, "AsgiCall", Request], Awaitable[None]]
"""A function of the plugin that only calls `application(call.scope, call.receive, call.send)`: its frame tells an
examiner whose code holds the loop."""


class AsgiError(Exception):
    """The application, `culprit`, broke the ASGI specification: no code of isapy's is to be corrected."""

    culprit: str = ""


class AsgiApplication:
    """A started application."""

    def __init__(self, function: Any, order: Order, lifespan: Lifespan, context: PluginContext) -> None:
        self.function = function
        self.name = order.processor
        self.lifespan = lifespan
        self.grace_seconds: int = order.settings.disconnect_time_limit_seconds
        self.report_event = context.report_event
        self.lengths = LengthCheck(order.processor, context.report_event)
        self.calls: set[AsgiCall] = set()


_RAISED: Final = AsgiError("it has been raised")
"""The outcome of a request that has been told of its failure."""


class AsgiCall:
    """One request's conversation with the application. To be awaited when `begin` has given no response."""

    __slots__ = (
        "_answer",
        "_application",
        "_body",
        "_gone",
        "_has_read",
        "_is_sent",
        "_loop",
        "_outcome",
        "_request",
        "_response",
        "is_gone",
        "scope",
        "task",
    )

    def __init__(self, application: AsgiApplication, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        self.scope = http_scope(request, application.lifespan.state)
        self._application = application
        self._request = request
        self._loop = loop
        self._outcome: Response | BaseException | None = None  # what the request gets
        self._answer: asyncio.Future[None] | None = None  # done with the outcome; somebody waits for it
        self._response: Response | None = None  # its head came, no body yet
        self._body: AsgiBody | None = None
        self._is_sent = False  # the last message of the response came
        self._has_read = False
        self.is_gone = False
        self._gone: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    def begin(self, call: Call, first_steps: FirstSteps) -> Response | None:
        """The response when its first bytes are there at once; None: await it. Raises what the application raises."""
        task = self.task = first_steps.begin(self._run(call))
        if task.done():
            self._has_ended(task)
        else:
            self._application.calls.add(self)
            task.add_done_callback(self._has_ended)
        del task  # it holds its exception, which leads to this frame
        return self._given()

    def __await__(self) -> Generator[Any, None, Response]:
        """The response as soon as its first bytes are there. Raises what the application raises before that."""
        try:
            if self._outcome is None:
                self._answer = self._loop.create_future()
                yield from self._answer
        except asyncio.CancelledError:
            if isinstance(self._outcome, Response):
                _drop(self._outcome)
            self._outcome = ClientLeft("the client closed its connection")
            self.disconnect()
            raise
        response = self._given()
        assert response is not None, "the answer has come"
        return response

    def _given(self) -> Response | None:
        """The outcome so far. Raises it, once: no circle of an exception and its frames is left for the collector."""
        outcome = self._outcome
        if isinstance(outcome, BaseException):
            self._outcome = _RAISED
            try:
                raise outcome
            finally:
                outcome = None
        return outcome

    async def receive(self) -> dict[str, Any]:
        """The next piece of the body; http.disconnect after the response, or when the client has left."""
        if not self._has_read and not self.is_gone:
            body = self._request.body
            try:
                piece = await body.read_some()
            except ClientGone:
                self.disconnect()
            except HttpError as refusal:  # a filter's: the application would make a page of its own of it
                self._refuse(refusal)
            else:
                self._has_read = body.is_at_end or not piece
                return {"type": "http.request", "body": piece, "more_body": not self._has_read}
        if not self.is_gone and not self._is_sent:
            if self._gone is None:
                self._gone = self._loop.create_future()
            await asyncio.shield(self._gone)
        return {"type": "http.disconnect"}

    # What the application hands in is checked here, and not by a compiled function's arguments.

    async def send(self, message: Any) -> None:
        """The response's head, and pieces of its body under flow control. Raises ClientLeft, AsgiError."""
        kind = message["type"]
        if self.is_gone and not self._is_sent:
            raise ClientLeft("the client closed its connection")
        if kind == "http.response.start":
            if self._response is not None:
                raise AsgiError("http.response.start was sent twice")
            self._response = response_of(message)
        elif self._response is None:
            raise AsgiError(f"{kind} was sent before http.response.start")
        elif self._is_sent:
            raise AsgiError(f"{kind} was sent after the end of the response")
        elif kind == "http.response.body":
            piece = message.get("body", b"")
            is_last = not message.get("more_body", False)
            if is_last and self._body is None and piece.__class__ is bytes:  # the everyday answer: nothing can wait
                self._send_whole(piece)
            else:
                await self._send_body(piece, is_last=is_last)
        elif kind == "http.response.pathsend":
            await self._send_body(_open_file(message["path"]), is_last=True)
        else:
            raise AsgiError(f"{kind} is no message that this server takes")

    def disconnect(self) -> None:
        """The client has left: the application is told, and cancelled when that does not end it in time."""
        if self.is_gone:
            return
        self.is_gone = True
        self._tell_of_the_end()
        if self.task is not None and not self.task.done():
            self._loop.call_later(self._application.grace_seconds, self.task.cancel)

    # --- inside

    async def _run(self, call: Call) -> None:
        try:
            await call(self._application.function, self, self._request)
        except SystemExit as error:  # it would end the loop, and the worker with it
            raise AsgiError(f"the application called sys.exit({error.code!r})") from error
        except KeyboardInterrupt as error:  # so would this
            if is_ctrl_c(error):
                raise
            raise AsgiError("the application raised KeyboardInterrupt") from error

    def _send_whole(self, body: bytes) -> None:
        response = self._response
        assert response is not None, "the head has come"
        self._is_sent = True
        self._check_length(response, body)
        response.body = body
        if not self._settle(response):  # refused or cancelled
            _drop(response)
        self._tell_of_the_end()

    async def _send_body(self, piece: Any, *, is_last: bool) -> None:
        if isinstance(piece, _MUTABLE):
            piece = bytes(piece)
        if not isinstance(piece, _SENT):
            raise AsgiError(f"a body is bytes, not {type(piece).__name__}")
        self._is_sent = is_last
        response, body = self._response, self._body
        assert response is not None, "the head has come"
        if body is None:
            if is_last:
                if isinstance(piece, bytes):
                    self._check_length(response, piece)
                response.body = piece
            else:
                response.body = body = self._body = AsgiBody(
                    self._loop,
                    promised=promised_length(response),
                    is_discarded=self._request.method == "HEAD" or response.status in BODYLESS,
                    on_early_end=self.disconnect,
                    culprit=self._application.name,
                )
            if not self._settle(response):  # refused or cancelled
                _drop(response)
        if body is not None:
            if piece or isinstance(piece, FileBody):
                if body.is_beyond(piece):
                    self._application.lengths.tell_of_more(self._request.id, body.promised)
                await body.put(piece)
            if is_last:
                body.finish()
        if is_last:
            self._tell_of_the_end()

    def _accused(self, error: BaseException) -> BaseException:
        """What has broken the specification is told of the application."""
        if isinstance(error, AsgiError):
            error.culprit = self._application.name
        return error

    def _check_length(self, response: Response, body: bytes) -> None:
        promised = promised_length(response)
        if promised in (-1, len(body)) or self._request.method == "HEAD" or response.status in BODYLESS:
            return
        self._application.lengths.tell(self._request.id, promised, len(body))

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        self._application.calls.discard(self)
        self.task = None  # it holds its exception
        error: BaseException | None
        if task.cancelled():
            error = AsgiError("the application was cancelled")
        else:
            error = task.exception()
        if self._outcome is None:
            self._settle(self._accused(error or AsgiError("the application returned without a response")))
        elif self._body is not None and not self._body.is_complete:
            early = AsgiError("the application returned before the end of its response")
            self._body.finish(self._accused(error or early))
        elif error is not None and not (self.is_gone and (task.cancelled() or isinstance(error, OSError))):
            failure = failure_of(error, "raised")
            text = f"request {self._request.id}: {self._application.name}, after its response, {failure}"
            self._application.report_event("plugin-error", f"{text}\n{failure.failure}")

    def _refuse(self, refusal: HttpError) -> None:
        self._settle(refusal)
        self.disconnect()

    def _settle(self, outcome: Response | BaseException) -> bool:
        """The request's outcome, unless it has one."""
        if self._outcome is not None:
            return False
        self._outcome = outcome
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
        return True

    def _tell_of_the_end(self) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)


class AsgiHost:
    """The ASGI applications of a worker."""

    def __init__(self, context: PluginContext, call: Call) -> None:
        self._context = context
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._first_steps = FirstSteps(self._loop)
        self._applications: Applications[AsgiApplication] = Applications(context, self._begin, self._end)

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """The answer of the application that the request's mapping names; to be awaited when it takes its time.

        Raises HttpError 500.21 without such an application, and what the application raises.
        """
        application = self._applications.ready(request)
        if application is None:
            return self._start_and_answer(request)
        call = AsgiCall(application, request, self._loop)
        return call.begin(self._call, self._first_steps) or call

    async def _start_and_answer(self, request: Request) -> Response:
        application = await self._applications.find(request)
        call = AsgiCall(application, request, self._loop)
        return call.begin(self._call, self._first_steps) or await call

    async def close(self) -> None:
        """The worker ends: background work first, then the lifespans."""
        await self._applications.close()

    async def _begin(self, order: Order) -> AsgiApplication:
        """On the loop's thread, as every ASGI server does it: such modules make objects of the loop."""
        function, note = load_callable(order.name, order.wanted)
        function = _single_callable(function, order.processor)
        lifespan = Lifespan(function, order.settings.lifespan)
        await lifespan.start()
        text = f"ASGI application {order.processor} of {order.wanted.application}"
        self._context.report_event(
            "plugin-loaded", f"{text} from {order.wanted.folder}" + (f"; {note}" if note else "")
        )
        return AsgiApplication(function, order, lifespan, self._context)

    async def _end(self, application: AsgiApplication) -> None:
        for call in application.calls:
            if call.task is not None and call.is_gone:
                call.task.cancel()  # nobody waits for it: it has had the time that it has
        tasks = [call.task for call in application.calls if call.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=BACKGROUND_SECONDS)
            for task in late:
                task.cancel()
            if late:  # told to the operator: work was lost
                text = f"{len(late)} background tasks of {application.name} were cancelled at the worker's end"
                self._context.report_event("plugin-warning", text)
                await asyncio.wait(late, timeout=1.0)
        if problem := await application.lifespan.end():
            self._context.report_event("plugin-warning", f"the shutdown of {application.name} failed: {problem}")


def _single_callable(function: Any, name: str) -> Any:
    """The application as ASGI 3.0 calls it; one of ASGI 2 is wrapped. Raises LoadFailure for what is neither."""
    needed = required_arguments(function)
    if needed is not None and len(needed) == 2:
        text = f"{name} takes two arguments ({', '.join(needed)}): a WSGI application"
        raise LoadFailure(text, 'Map it with modules="WsgiModule".')
    if needed is None or len(needed) != 1:
        return function

    async def call_in_two_steps(scope: Any, receive: Any, send: Any) -> None:
        await function(scope)(receive, send)

    return call_in_two_steps


def _open_file(path: str) -> FileBody:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise AsgiError(f"{path} is no regular file")
    return FileBody(descriptor, 0, status.st_size)


def _drop(response: Response) -> None:
    body, response.body = response.body, b""
    if isinstance(body, FileBody):
        os.close(body.descriptor)
