"""Who takes part: how each serves the load's pages and is told to recycle, and which of its processes do the work."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.memory import processes_of
from bench.packages import program
from bench.server import Contestant, Place, Plan, Server, peer_user
from bench.servers import apache, isapy, nginx, uwsgi
from bench.servers.roles import name_and_rank
from bench.site import MeasuredSite
from host.admin.client import call
from host.admin.commands import RecyclePool
from host.admin.location import control_socket
from tests.chaos import site as chaos_site

_PAGES: Final = Path(__file__).resolve().parent / "pages"
_COMMAND_SECONDS: Final = 60.0
READY: Final = "ready"
"""The scenario under whose name a contestant's first page is found."""

_WSGI_PATHS: Final = {
    "page": "/page",
    "connect": "/page",
    "wait": "/wait",
    "file": "/content.bin",
    "put": "/digest",
    "upload": "/digest",
    "stream": "/stream",
}
_CGI_PATHS: Final = {
    "page": "/cgi-bin/page.pl",
    "connect": "/cgi-bin/page.pl",
    "wait": "/cgi-bin/wait.pl",
    "file": "/content.bin",
    "put": "/cgi-bin/digest.pl",
    "upload": "/cgi-bin/digest.pl",
    "stream": "/cgi-bin/stream.pl",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recycled:
    """A contestant under the chaos suite's load. `paths` by kind of request; `worker_role` are the processes that are
    killed; `how` says in a word what `recycle` does."""

    contestant: Contestant
    paths: Mapping[str, str]
    recycle: Callable[[Server], None]
    worker_role: str
    how: str

    @property
    def name(self) -> str:
        return self.contestant.name

    def workers(self, server: Server) -> list[psutil.Process]:
        """The processes that do the work now."""
        found = []
        for process in processes_of(server.roots):
            try:
                if self.contestant.role_of(process) == self.worker_role:
                    found.append(process)
            except psutil.Error:
                continue
        return found


def write_pages(folder: Path) -> MeasuredSite:
    """The chaos suite's site, and the same pages for the peers; all of it readable by every user."""
    chaos_site.write_chaos_site(folder, chaos_site.Settings())
    shutil.copy(_PAGES / "pages_wsgi.py", folder)
    cgi_bin = folder / "wwwroot" / "cgi-bin"
    for script in _PAGES.glob("*.pl"):
        shutil.copy(script, cgi_bin)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.parent == cgi_bin else 0o644)
    return MeasuredSite(folder)


def _signal_root(number: int, index: int = 0) -> Callable[[Server], None]:
    def send(server: Server) -> None:
        psutil.Process(server.roots[index]).send_signal(number)

    return send


def _recycle_isapy(server: Server) -> None:
    environment = {"ISAPY_CONTROL": str(server.place.folder / "control")}
    socket_path = control_socket(server.place.site.configuration, environment)
    call(socket_path, RecyclePool(name=chaos_site.POOL), timeout=_COMMAND_SECONDS)


def _gunicorn(place: Place) -> Plan:
    user = peer_user()
    options = ("--workers=2", "--worker-class=gthread", "--threads=8", "--keep-alive=75", "--graceful-timeout=30")
    where = (f"--bind=127.0.0.1:{place.port}", f"--chdir={place.site.root}")
    identity = (f"--user={user}",) if user else ()
    return Plan(commands=((program("gunicorn"), *options, *where, *identity, "pages_wsgi:application"),))


_TO_UWSGI: Final = """location ~ ^/(page|wait|digest|stream) {{
      include /etc/nginx/uwsgi_params;
      uwsgi_pass unix:{socket};
    }}"""


def _uwsgi(place: Place, *options: str) -> Plan:
    """Behind nginx, as it is mostly run: clients keep their connections to nginx whatever uWSGI does."""
    user = peer_user()
    socket_path = uwsgi.socket_path(place)
    command = (
        program("uwsgi"),
        "--plugin=python3",
        f"--socket={socket_path}",
        "--chmod-socket=666",
        "--master",
        "--processes=2",
        "--threads=8",
        "--listen=1024",
        "--disable-logging",
        "--die-on-term",
        "--need-app",
        f"--wsgi-file={place.site.root / 'pages_wsgi.py'}",
        *((f"--uid={user}",) if user else ()),
        *options,
    )
    configuration = nginx.configuration(place, _TO_UWSGI.format(socket=socket_path))
    return Plan(commands=(command, nginx.command(place)), files={"nginx.conf": configuration})


def _python_role(process: psutil.Process) -> str:
    """gunicorn's processes have the interpreter's name."""
    parent = process.parent()
    is_worker = parent is not None and "gunicorn" in " ".join(parent.cmdline())
    return "worker" if is_worker else "master"


def _with_ready_path(contestant: Contestant, paths: Mapping[str, str]) -> Contestant:
    return Contestant(
        name=contestant.name,
        paths={READY: f"{paths['page']}?n=1"},
        plan=contestant.plan,
        role_of=contestant.role_of,
        packages=contestant.packages,
    )


def _recycled(
    contestant: Contestant, paths: Mapping[str, str], recycle: Callable[[Server], None], worker_role: str, how: str
) -> Recycled:
    ready = _with_ready_path(contestant, paths)
    return Recycled(contestant=ready, paths=paths, recycle=recycle, worker_role=worker_role, how=how)


_GUNICORN: Final = Contestant(name="gunicorn", paths={}, plan=_gunicorn, role_of=_python_role, packages=("gunicorn",))
_UWSGI: Final = Contestant(
    name="nginx-uwsgi", paths={}, plan=_uwsgi, role_of=name_and_rank, packages=("nginx-light", *uwsgi.PACKAGES)
)
_UWSGI_CHAIN: Final = Contestant(
    name="nginx-uwsgi-chain",
    paths={},
    plan=lambda place: _uwsgi(place, "--lazy-apps", f"--touch-chain-reload={place.folder / 'reload'}"),
    role_of=name_and_rank,
    packages=_UWSGI.packages,
)


def _touch_chain(server: Server) -> None:
    (server.place.folder / "reload").touch()


CONTESTANTS: Final = {
    one.name: one
    for one in (
        _recycled(isapy.ISAPY, chaos_site.PATHS, _recycle_isapy, "worker", "isapy recycle pool"),
        _recycled(_GUNICORN, _WSGI_PATHS, _signal_root(signal.SIGHUP), "worker", "SIGHUP"),
        _recycled(_UWSGI, _WSGI_PATHS, _signal_root(signal.SIGHUP), "uwsgi worker", "SIGHUP"),
        _recycled(_UWSGI_CHAIN, _WSGI_PATHS, _touch_chain, "uwsgi worker", "chain reload"),
        _recycled(apache.APACHE, _CGI_PATHS, _signal_root(signal.SIGUSR1), "apache2 worker", "graceful (SIGUSR1)"),
    )
}
"""Every contestant by name."""
