"""Which event loop runs our processes: uvloop, or the standard library's when it is missing or not wanted."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import threading
from collections.abc import Coroutine
from typing import Any, Final

import uvloop

_YOUNG_OBJECTS: Final = 20_000
_LAST_SECONDS: Final = 2.0  # what code of plugins has left behind may take so long to end


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end on a new loop. `ISAPY_EVENT_LOOP=asyncio` chooses the standard library's."""
    if os.environ.get("ISAPY_EVENT_LOOP", "uvloop") == "asyncio":
        asyncio.run(main)
    else:
        uvloop.run(main)


def end_soon(status: int = 0) -> None:
    """The last thing a process that has run plugins does: it is given a moment to end by itself, and then it is ended.

    A thread that a plugin has started and that is no daemon would keep the interpreter waiting for ever, and so would a
    job that was given to the loop's executor and abandoned. No request depends on them: those have been answered, and
    `unload` was the plugins' occasion to end what they have started. IIS ends its workers with ExitProcess, too.
    """
    timer = threading.Timer(_LAST_SECONDS, os._exit, (int(status),))
    timer.daemon = True
    timer.start()


def settle_memory() -> None:
    """Called when a process is ready: what it has now stays, so the collector need not look at it again; and it looks
    at young objects less often than every 700 allocations, of which a busy process makes that many in 20 requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)


def release_memory() -> None:
    """Give back what nobody needs, before the process is stopped for a while: garbage, what malloc keeps (glibc)."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # another C library keeps less, and has no such function
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
