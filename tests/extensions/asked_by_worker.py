"""A quick handler asked as a worker asks it: the request's coroutine is driven by hand, parked, or becomes a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from types import ModuleType
from typing import Any, cast

from host.api import Request, Response
from host.api.whole_body import WholeBody
from host.worker.calling import HookCaller, call_quick
from host.worker.exchange import Exchange
from host.worker.hooks import INLINE, Hook
from host.worker.request_task import run


async def ask(
    plugin: ModuleType, request: Request, caller: HookCaller, note_task: Callable[[bool], None] | None = None
) -> Response:
    """The response. Raises what the handler raises; cancelling it is a client that leaves. `note_task` is told whether
    the request has needed a task."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Response] = loop.create_future()
    exchange = Exchange(cast(Any, object()), 1, request, WholeBody(b""))  # no frame of an answer is sent here
    hook = Hook(plugin.handle, INLINE, plugin.__name__, "handle")

    async def serve() -> None:
        try:
            answer = call_quick((hook,), request)
            if isinstance(answer, Response):
                response: Response | None = answer
            elif isinstance(answer, tuple):
                response = await caller.handle(answer[0], request)
            else:
                response = await caller.handle(hook, request, answer)
            assert response is not None
            if note_task is not None:
                note_task(asyncio.current_task() is not None)
            if not done.done():
                done.set_result(response)
        except BaseException as error:
            if not done.done():
                done.set_exception(error)

    loop.call_soon(run, loop, exchange, serve(), copy_context())
    try:
        return await done
    except asyncio.CancelledError:
        task = exchange.task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        raise
