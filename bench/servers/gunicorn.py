"""gunicorn from Debian with its plain worker, behind nginx. One worker process, no access log."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.packages import program
from bench.server import Place, peer_user

PACKAGES: Final = ("gunicorn",)


def socket_path(place: Place) -> Path:
    """Where gunicorn listens."""
    return place.folder / "gunicorn.sock"


def command(place: Place) -> tuple[str, ...]:
    """The command that serves the site's WSGI file on that socket."""
    user = peer_user()
    return (
        program("gunicorn"),
        f"--bind=unix:{socket_path(place)}",
        f"--chdir={place.site.root}",
        "--workers=1",
        "--worker-class=sync",
        "--backlog=1024",
        *((f"--user={user}",) if user else ()),
        "hello_wsgi:application",
    )
