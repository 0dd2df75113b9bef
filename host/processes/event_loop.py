"""Which event loop runs our processes: uvloop, or the standard library's when it is missing or not wanted."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import mmap
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any, Final

import uvloop

from host.processes.priority import step_back_for_good

_madvise: Final = ctypes.CDLL(None).madvise
_YOUNG_OBJECTS: Final = 20_000
_HEAP_BYTES: Final = 600_000
SWITCH_SECONDS: Final = 0.0005
"""So long a thread that computes keeps the interpreter from the loop, which wants it several times for each request.
Python's own 5 ms made a page wait for a tenth of a second beside two busy threads; these are not slower for it."""

_LAST_SECONDS: Final = 2.0  # what code of plugins has left behind may take so long to end


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end on a new loop. `ISAPY_EVENT_LOOP=asyncio` chooses the standard library's."""
    sys.setswitchinterval(SWITCH_SECONDS)
    _keep_heap()
    if os.environ.get("ISAPY_EVENT_LOOP", "uvloop") == "asyncio":
        asyncio.run(main)
    else:
        uvloop.run(main)


def end_soon(status: int = 0) -> None:
    """The last thing a process that has run plugins does: it is given a moment to end by itself, and then it is ended.

    A thread that a plugin has started and that is no daemon would keep the interpreter waiting for ever, and so would a
    job that was given to the loop's executor and abandoned. No request depends on them: those have been answered, and
    `unload` was the plugins' occasion to end what they have started. IIS ends its workers with ExitProcess, too.
    What is left is to take its memory down, milliseconds in the kernel, for which nobody waits.
    """
    step_back_for_good()
    timer = threading.Timer(_LAST_SECONDS, os._exit, (int(status),))
    timer.daemon = True
    timer.start()


def settle_memory(loop: asyncio.AbstractEventLoop) -> None:
    """Called when a process is ready: what it has now stays, so the collector need not look at it again; and it looks
    at young objects less often than every 700 allocations, of which a busy process makes that many in 20 requests.

    uvloop's loop holds a buffer of 250 KB which it uses for transports alone: its pages have been touched only to make
    them zero, and are given back."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 100)
    give_back_zeros(id(loop), type(loop).__basicsize__)


def _keep_heap() -> None:
    """Let malloc keep what is freed at the heap's end, up to 1.2 MB: buffers of 64 KB, which come and go with every
    large body, cost a page fault for each of their 4 KB otherwise. glibc keeps twice the largest piece that it has ever
    given back to the kernel (mallopt(3), M_MMAP_THRESHOLD), and so it is given one; other C libraries do not care."""
    bytes(_HEAP_BYTES)


def give_back_zeros(address: int, size: int) -> int:
    """Let the kernel have the whole pages of that piece of this process's own memory that hold nothing but zeros: it
    gives zeros again when they are touched (MADV_DONTNEED). Returns how many bytes that were.

    No other thread may write there meanwhile, and the memory must be the process's private, anonymous one.
    """
    first, end = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE, (address + size) // mmap.PAGESIZE * mmap.PAGESIZE
    zeros, given, start = bytes(mmap.PAGESIZE), 0, first
    for place in range(first, end + 1, mmap.PAGESIZE):
        if place < end and ctypes.string_at(place, mmap.PAGESIZE) == zeros:
            continue
        if place > start and _madvise(ctypes.c_void_p(start), ctypes.c_size_t(place - start), mmap.MADV_DONTNEED) == 0:
            given += place - start
        start = place + mmap.PAGESIZE
    return given


def release_memory() -> None:
    """Give back what nobody needs, before the process is stopped for a while: garbage, what malloc keeps (glibc)."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # another C library keeps less, and has no such function
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
