"""Pages of Python's heap that a fork has copied, and that say what its parent's say, are shared again.

A process that is forked shares its parent's pages until it writes to them. Python writes wherever it counts a
reference, and counts most of them down again: two fifths of what a worker has of its own are copies that say, byte for
byte, what the original says. Memory cannot be exchanged for a parent's, but a page that was mapped from a file can be
given back, and is the file's again. So the nursery lays its heap down in a file in memory before it forks anybody, and
who is forked from it compares and gives back. `heap_pages.c` does both, each in one call: no Python code can run
meanwhile.

No other thread may write to what is given back either, and none does. What the nursery has made are isapy's own
objects, which are written to by whoever holds the interpreter, as `give_back` does; objects that C code fills without
(a buffer that is read into) are younger than the file, and so their pages do not say what it says. Of malloc's memory,
where it would be otherwise, nothing is in the file.
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
    if sys.version_info[:2] not in _VERSIONS or os.environ.get(SWITCH) == "off":
        return 0
    try:
        library = importlib.import_module(_LIBRARY)
    except ImportError:
        return 0
    return int(library.lay_down())


def give_back() -> int:
    """Give back every page that says what the file says. Gives their bytes: 0 where no heap was laid down."""
    library = sys.modules.get(_LIBRARY)
    return int(library.give_back()) if library is not None else 0
