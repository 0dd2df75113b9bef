"""Threads for a plugin whose `handle` is asynchronous and has blocking work to do; answers that need no task."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from typing import Any, Protocol

from host.api.response import Response


class PendingResult(Protocol):
    """A result that a thread brings, or a callback of the event loop. A request that waits for nothing else needs no
    task of the loop."""

    def done(self) -> bool:
        """Whether it has come."""

    def set_result(self, result: Any, /) -> None:
        """The result; on the loop. Who waits for it may go on before this returns."""

    def set_exception(self, exception: BaseException, /) -> None:
        """What is raised where it is awaited; on the loop."""

    def __await__(self) -> Generator[Any, None, Any]:
        """The result. It has one waiter."""


class ThreadAnswer:
    """Base of what a quick `handle` may return when a thread makes the response, or another process whose bytes the
    event loop brings: an awaitable for it that waits for nothing but a PendingResult.

    Once it has given way (a bare `yield`, as asyncio.sleep(0) does), and after a CancelledError (the client has left),
    it is in a task and may wait for anything.
    """

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Response]:
        """The response."""
        raise NotImplementedError

    def waits_for(self) -> PendingResult | None:
        """What it waits for before it does anything else, if that is what `response_at_once` needs. It is awaited
        later when the client leaves meanwhile, for instance; otherwise no coroutine is made for it at all."""
        return None

    def response_at_once(self) -> Response | None:
        """Asked once what it waits for has come, outside any task: the response, or None: it is to be awaited."""
        return None

    def called_on_thread(self) -> tuple[str, str] | None:
        """Whose code is called on a thread, and its function: the name of a plugin, or a library's path. What is said
        of a request that takes its time names it. None: no thread is at work, or its stack shows a plugin's file."""
        return None


class ComingBody(Protocol):
    """A request's body (`host.api.RequestBody`), as far as it matters here."""

    @property
    def is_complete(self) -> bool:
        """Whether no read waits for its client."""


class Threads(Protocol):
    """The threads of the worker, on which every plain `def handle` runs, too."""

    def submit(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...] = (),
        future: asyncio.Future[Any] | PendingResult | None = None,
    ) -> object:
        """Call `function(*arguments)` on a thread as soon as one is free; to be called on the event loop.

        `future` gets the result or the exception, on the loop, unless it is done by then. An object of the plugin's
        request among the arguments lets a report about a hanging thread name the request.
        """

    def pending_result(self) -> PendingResult:
        """For `submit`, instead of a future: cheaper for a request that waits for nothing else."""

    def for_body(self, body: ComingBody) -> Threads:
        """Where to call what may read this body: on other threads while its client still sends it, so that slow clients
        leave these to others."""


class ThreadPerCall:
    """A thread for each call: what a context has that no worker has made (in tests of a plugin)."""

    def submit(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...] = (),
        future: asyncio.Future[Any] | PendingResult | None = None,
    ) -> object:
        """See `Threads.submit`."""
        loop = asyncio.get_running_loop()

        def call() -> None:
            result, failure = None, None
            try:
                result = function(*arguments)
            except BaseException as error:  # every end of a call belongs to the one who waits for it
                failure = error
            if future is not None:
                loop.call_soon_threadsafe(settle, future, result, failure)

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        return thread

    def pending_result(self) -> PendingResult:
        """See `Threads.pending_result`."""
        return asyncio.get_running_loop().create_future()

    def for_body(self, body: ComingBody) -> Threads:
        """See `Threads.for_body`."""
        del body
        return self


def settle(future: asyncio.Future[Any] | PendingResult, result: object, failure: BaseException | None) -> None:
    """The end of a call, for a future that is not done yet; on its loop."""
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    elif isinstance(failure, StopIteration):  # a future cannot carry it
        future.set_exception(RuntimeError("a call on a thread raised StopIteration"))
    else:
        future.set_exception(failure)
