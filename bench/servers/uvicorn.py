"""uvicorn behind nginx, installed beside isapy (`pip install uvicorn`) so that it has uvloop and httptools, too."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.server import Place


def socket_path(place: Place) -> Path:
    """Where uvicorn listens."""
    return place.folder / "uvicorn.sock"


def command(place: Place) -> tuple[str, ...]:
    """The command that serves the site's ASGI file on that socket: one process, no access log."""
    return (
        sys.executable,
        "-m",
        "uvicorn",
        f"--uds={socket_path(place)}",
        f"--app-dir={place.site.root}",
        "--loop=uvloop",
        "--http=httptools",
        "--no-access-log",
        "--log-level=error",
        "--backlog=1024",
        "hello_asgi:application",
    )
