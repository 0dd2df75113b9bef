"""The task that is running, asked for once or twice with each request."""

from __future__ import annotations

import asyncio
import sys

if sys.version_info >= (3, 12):
    current_task = asyncio.current_task
else:

    def current_task(loop: asyncio.AbstractEventLoop | None = None) -> asyncio.Task[object] | None:
        """As asyncio's, which is a function in Python until 3.12, and which asks the kernel who is asking for each
        call without a loop."""
        return _tasks.get(loop or asyncio.get_running_loop())

    _tasks: dict[asyncio.AbstractEventLoop, asyncio.Task[object]] = vars(asyncio.tasks)["_current_tasks"]
