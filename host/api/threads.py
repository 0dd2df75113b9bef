"""Threads for a plugin whose `handle` is asynchronous and that has blocking work to do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Protocol


class Threads(Protocol):
    """The threads of the worker, on which every plain `def handle` runs, too."""

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...] = (), future: asyncio.Future[Any] | None = None
    ) -> object:
        """Call `function(*arguments)` on a thread as soon as one is free; to be called on the event loop.

        `future` gets the result or the exception, on the loop, unless it is done by then. An object of the plugin's
        request among the arguments lets a report about a hanging thread name the request.
        """


class ThreadPerCall:
    """A thread for each call: what a context has that no worker has made (in tests of a plugin)."""

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...] = (), future: asyncio.Future[Any] | None = None
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


def settle(future: asyncio.Future[Any], result: object, failure: BaseException | None) -> None:
    """The end of a call, for a future that is not done yet; on its loop."""
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    elif isinstance(failure, StopIteration):  # a future cannot carry it
        future.set_exception(RuntimeError("a call on a thread raised StopIteration"))
    else:
        future.set_exception(failure)
