"""A sign of life for commands that take longer than a second; nothing when nobody looks at a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

from host.cli.table import safe

SECONDS_BEFORE_SHOWN: Final = 1.0


@contextmanager
def patience(text: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner with that text on standard error while the block runs, once it has run for a second.

    Gives a function that says something else, such as what is waited for.
    """
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    status = Console(stderr=True).status(text)
    timer = threading.Timer(SECONDS_BEFORE_SHOWN, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda news: status.update(safe(news))
    finally:
        timer.cancel()
        timer.join()
        status.stop()
