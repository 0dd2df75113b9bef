"""Which event loop runs our processes: uvloop, or the standard library's when it is missing or not wanted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import uvloop


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end on a new loop. `ISAPY_EVENT_LOOP=asyncio` chooses the standard library's."""
    if os.environ.get("ISAPY_EVENT_LOOP", "uvloop") == "asyncio":
        asyncio.run(main)
    else:
        uvloop.run(main)
