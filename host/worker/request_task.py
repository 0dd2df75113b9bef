"""A request runs without a task of its own until something may have to wait.

A task costs as much as everything else that is done for a small answer. So a request's coroutine is driven by hand;
where asynchronous code of a plugin or a wait of ours comes next, it asks for a task by `become_task` and goes on in
it. What runs before are plain functions, each request's in a context of its own (contextvars).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any

from host.worker.exchange import Exchange


class _TaskWanted:
    """What a coroutine awaits to be continued in a task."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield


_TASK_WANTED = _TaskWanted()


async def become_task() -> None:
    """Return in a task. To be awaited before anything that may wait, or that may ask for the current task."""
    if asyncio.current_task() is None:
        await _TASK_WANTED


def run(loop: asyncio.AbstractEventLoop, exchange: Exchange, coroutine: Coroutine[Any, Any, None]) -> None:
    """Run the request's coroutine, to its end or to where it becomes `exchange.task`.

    To be called from a callback of the loop. The coroutine raises nothing and waits for nothing but `become_task`
    outside its task.
    """
    context = copy_context()
    try:
        context.run(coroutine.send, None)
    except StopIteration:
        return
    # The coroutine itself, not one around it: whoever cancels the task before its first step (a plugin may cancel
    # every task it finds) still meets code that answers.
    exchange.task = asyncio.Task(coroutine, loop=loop, context=context)
