"""A result that a thread, or a connection, is to bring: `host.api.PendingResult`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from host.worker.current_task import current_task


class Pending:
    """Like a future that has one waiter; a request that waits for it needs no task (`worker/request_task.py`).

    `resume()` is called when the result is there: whoever drives a coroutine by hand sets it, once the coroutine has
    yielded this object. In a task it is awaited like anything else.
    """

    __slots__ = ("_exception", "_future", "_is_done", "_loop", "_result", "is_driven", "resume")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_done = False
        self._result: Any = None
        self._exception: BaseException | None = None
        self._future: asyncio.Future[None] | None = None
        self.resume: Callable[[], None] | None = None
        self.is_driven = False
        """Whoever awaits it is driven by hand as far as this, whatever task is running and also when the result has
        just come: what follows may wait for anything, which takes a task of its own."""

    def done(self) -> bool:
        """Whether the result, or an exception, has come."""
        return self._is_done

    def set_result(self, result: Any) -> None:
        """The result, on the loop. Whoever is driven by hand goes on before this returns, or with the loop's next turn
        when a task sets it: that task is not theirs."""
        self._result = result
        self._settle()

    def set_exception(self, exception: BaseException) -> None:
        """What is raised where it is awaited, on the loop."""
        self._exception = exception
        self._settle()

    def __await__(self) -> Generator[Any, None, Any]:
        """The result, once. Raises the exception that came instead."""
        if self.is_driven or (not self._is_done and current_task(self._loop) is None):
            yield self  # goes on when the result is there, or else in a task
        while not self._is_done:
            self._future = self._loop.create_future()
            yield from self._future
        exception, self._exception = self._exception, None  # it leads to this frame: no circle may keep what it holds
        if exception is not None:
            try:
                raise exception
            finally:
                del exception
        return self._result

    def _settle(self) -> None:
        self._is_done = True
        if self.resume is not None:
            if current_task(self._loop) is None:
                self._go_on()
            else:
                self._loop.call_soon(self._go_on)
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def _go_on(self) -> None:
        resume, self.resume = self.resume, None
        if resume is not None:  # it may have become a task meanwhile
            resume()
