"""A sign of life for commands that take longer than a second; nothing when nobody looks at a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

SECONDS_BEFORE_SHOWN: Final = 1.0


@contextmanager
def patience(text: str) -> Iterator[None]:
    """Show a spinner with that text on standard error while the block runs, once it has run for a second."""
    if not sys.stderr.isatty():
        yield
        return
    status = Console(stderr=True).status(text)
    timer = threading.Timer(SECONDS_BEFORE_SHOWN, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()
