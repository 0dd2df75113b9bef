"""uWSGI from Debian with its Python plugin: the worker behind the other servers. One process, no access log."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.packages import program
from bench.server import Place, peer_user

PACKAGES: Final = ("uwsgi-core", "uwsgi-plugin-python3")


def socket_path(place: Place) -> Path:
    """Where uWSGI listens; the path is short, unix sockets allow 107 bytes."""
    return place.folder / "app.sock"


def command(place: Place) -> tuple[str, ...]:
    """The command that serves the site's WSGI file on that socket."""
    user = peer_user()
    return (
        program("uwsgi"),
        "--plugin=python3",
        f"--socket={socket_path(place)}",
        "--chmod-socket=666",
        "--listen=1024",
        "--master",
        "--processes=1",
        "--disable-logging",
        "--die-on-term",
        "--need-app",
        f"--wsgi-file={place.site.wsgi_file}",
        *((f"--uid={user}",) if user else ()),
    )
