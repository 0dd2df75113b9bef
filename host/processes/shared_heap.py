"""Pages of Python's heap that a fork has copied, and that say what its parent's say, are shared again.

A process that is forked shares its parent's pages until it writes to them. Python writes wherever it counts a
reference, and counts most of them down again: two fifths of what a worker has of its own are copies that say, byte for
byte, what the original says. Memory cannot be exchanged for a parent's, but a page that was mapped from a file can be
given back, and is the file's again. So the nursery lays its heap down in a file in memory before it forks anybody, and
who is forked from it compares and gives back. `heap_pages.c` does both, each in one call: no Python code can run
meanwhile.

No other thread may write to what is given back either: what it writes between comparing and giving back would be lost.
Whoever holds the interpreter does not, as `give_back` holds it. But C code lets go of it while the kernel fills a small
buffer (what `epoll` gives, what a socket receives), which may lie anywhere in the heap. So nothing is given back while
a thread is at work in the process that isapy does not know to rest.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Final

SWITCH: Final = "ISAPY_SHARED_HEAP"
"""The environment variable that leaves the heap where Python has put it when it is `off`."""

_LIBRARY: Final = "host.processes.heap_pages"
_VERSIONS: Final = ((3, 11), (3, 12), (3, 13))  # whose obmalloc.c has been read


def lay_down() -> int:
    """Lay this process's heap down in a file, once; to be called before a fork, by a process without threads. Gives the
    bytes of it: 0 where that cannot be (no compiled modules, another Python), or `ISAPY_SHARED_HEAP=off` forbids it."""
    if sys.version_info[:2] not in _VERSIONS or os.environ.get(SWITCH) == "off" or _thread_count() > 1:
        return 0
    try:
        library = importlib.import_module(_LIBRARY)
    except ImportError:
        return 0
    return int(library.lay_down())


def give_back(resting: int = 0) -> int:
    """Give back every page that says what the file says. Gives their bytes: 0 where no heap was laid down, or where
    there is a thread besides the caller's and the `resting` ones, which write to nothing but what they hold the
    interpreter for."""
    library = sys.modules.get(_LIBRARY)
    if library is None or _thread_count() > 1 + resting:
        return 0
    return int(library.give_back())


def _thread_count() -> int:
    """Of this process, whoever has started them."""
    return len(os.listdir("/proc/self/task"))
