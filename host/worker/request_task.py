"""A request runs without a task of its own until something may have to wait.

A task costs as much as everything else that is done for a small answer. So a request's coroutine is driven by hand;
where asynchronous code of a plugin or a wait of ours comes next, it asks for a task by `become_task` and goes on in
it. What runs before are plain functions, each request's in a context of its own (contextvars).

The most frequent ones have no coroutine either (`worker/everyday.py`), not even while they wait for an answer that is
on its way; they get one when it turns out to be needed.

A request that waits for a thread, and for nothing else, is parked: it is driven on as soon as the thread's result is
there. It becomes a task when somebody asks for that (`exchange.task`), in the first place to cancel it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any

from host.worker.current_task import current_task
from host.worker.exchange import Exchange
from host.worker.pending import Pending


class _TaskWanted:
    """What a coroutine awaits to be continued in a task."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield


_TASK_WANTED = _TaskWanted()


async def become_task() -> None:
    """Return in a task. To be awaited before anything that may wait, or that may ask for the current task."""
    if current_task() is None:
        await _TASK_WANTED


def run(
    loop: asyncio.AbstractEventLoop, exchange: Exchange, coroutine: Coroutine[Any, Any, None], context: Context
) -> None:
    """Run the request's coroutine in its context, to its end or to where it becomes `exchange.task`, or is parked.

    To be called from a callback of the loop. The coroutine raises nothing and waits for nothing but `become_task` and
    a `Pending` outside its task.
    """
    _advance(loop, exchange, coroutine, context)


def _advance(
    loop: asyncio.AbstractEventLoop, exchange: Exchange, coroutine: Coroutine[Any, Any, None], context: Context
) -> None:
    try:
        awaited = context.run(coroutine.send, None)
    except StopIteration:
        return
    if awaited.__class__ is Pending:
        exchange.park(_Parked(loop, exchange, coroutine, context, awaited))
    else:
        exchange.task = _task(loop, coroutine, context)


def _task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None], context: Context
) -> asyncio.Task[None]:
    # The coroutine itself, not one around it: whoever cancels the task before its first step (a plugin may cancel
    # every task it finds) still meets code that answers.
    return asyncio.Task(coroutine, loop=loop, context=context)


class _Parked:
    """A request whose coroutine waits for a Pending."""

    __slots__ = ("_context", "_coroutine", "_exchange", "_loop", "_pending")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        exchange: Exchange,
        coroutine: Coroutine[Any, Any, None],
        context: Context,
        pending: Pending,
    ) -> None:
        self._loop = loop
        self._exchange = exchange
        self._coroutine = coroutine
        self._context = context
        self._pending = pending
        pending.resume = self._resume

    def become_task(self) -> asyncio.Task[None]:
        """Its task, which waits on."""
        self._pending.resume = None
        return _task(self._loop, self._coroutine, self._context)

    def _resume(self) -> None:
        self._exchange.park(None)
        _advance(self._loop, self._exchange, self._coroutine, self._context)


class Waiting:
    """A request that waits for a Pending and has no coroutine: what it may become (`everyday.py`)."""

    __slots__ = ("pending",)

    def __init__(self, pending: Pending) -> None:
        self.pending = pending

    def go_on(self) -> Coroutine[Any, Any, None] | None:
        """`pending` is done. None: the request is served."""
        raise NotImplementedError

    def as_coroutine(self) -> Coroutine[Any, Any, None]:
        """All that is left of the request, which waits on; to be begun at once."""
        raise NotImplementedError


class ParkedCall:
    """Such a request, from its waiting to its going on."""

    __slots__ = ("_context", "_exchange", "_go_on", "_loop", "_run", "_waiting")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        exchange: Exchange,
        context: Context,
        waiting: Waiting,
        go_on: Callable[[Exchange, Context, Waiting], None],
        run: Callable[[Exchange, Coroutine[Any, Any, None]], Coroutine[Any, Any, None]],
    ) -> None:
        """Begins. `go_on` is called when it goes on, unless a task was asked for: that runs `run`'s coroutine."""
        self._loop = loop
        self._exchange = exchange
        self._context = context
        self._waiting = waiting
        self._go_on = go_on
        self._run = run
        waiting.pending.resume = self._resume
        exchange.park(self)

    def become_task(self) -> asyncio.Task[None]:
        """Its task, which waits on."""
        pending = self._waiting.pending
        pending.resume = None
        pending.is_driven = True
        coroutine = self._run(self._exchange, self._waiting.as_coroutine())
        try:
            self._context.run(coroutine.send, None)  # to where it waits: whoever cancels it meets code that answers
        except StopIteration:
            return self._loop.create_task(_nothing())  # it has not waited
        pending.is_driven = False  # one that is cancelled may wait for it once more, in its task then
        return _task(self._loop, coroutine, self._context)

    def _resume(self) -> None:
        self._exchange.park(None)
        self._go_on(self._exchange, self._context, self._waiting)


async def _nothing() -> None:
    """Done."""
