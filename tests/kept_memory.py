"""How much memory is kept of what clients invent."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

LONG = 10_000
"""Characters of what is invented: it would be a megabyte in a hundred."""


def kept_bytes(say: Callable[[str], object], times: int = 300) -> int:
    """What is kept after `say` was called so many times, each time with another text of LONG characters."""
    say("first" + "x" * LONG)  # what is made once
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(times):
            say(f"n{number}" + "x" * LONG)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
