"""Tasks whose first step is done at once: that step is the whole of a request whose application waits for nothing.

A task that is begun by the loop costs a handle, a turn of the loop and one more for whoever waits for its end. Python
3.12 has `eager_start` for that. On 3.11 the step that a new task hands to the loop's `call_soon` is kept and called
here instead. It is the task itself all the same: frameworks ask for the current task, note it and cancel it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any


class FirstSteps:
    """Begins tasks on `loop`, from whatever runs on it: a callback or a task."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._step: Callable[[], object] | None = None
        self._attributes = vars(loop)

    if sys.version_info >= (3, 12):

        def begin(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            """A task in a context of its own that has run until it waits for something; often it is done."""
            return asyncio.Task(coroutine, loop=self._loop, eager_start=True)

    else:

        def begin(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            """A task in a context of its own that has run until it waits for something; often it is done."""
            loop, attributes = self._loop, self._attributes
            context = copy_context()
            attributes["call_soon"] = self._keep  # seen by `Task` alone: nothing else runs meanwhile
            try:
                task = asyncio.Task(coroutine, loop=loop, context=context)
            finally:
                del attributes["call_soon"]
            step, self._step = self._step, None
            if step is None:
                return task
            current = asyncio.current_task(loop)
            if current is None:
                context.run(step)
                return task
            asyncio.tasks._leave_task(loop, current)
            try:
                context.run(step)
            finally:
                asyncio.tasks._enter_task(loop, current)
            return task

        def _keep(self, callback: Callable[..., Any], *arguments: Any, context: Context | None = None) -> object:
            if self._step is None and not arguments:
                self._step = callback
                return None
            return type(self._loop).call_soon(self._loop, callback, *arguments, context=context)
