"""isapy, uWSGI and gunicorn in the configurations that are compared here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psutil

from bench.packages import program
from bench.server import Contestant, Place, Plan, peer_user
from bench.servers import isapy, uwsgi
from bench.servers.roles import name_and_rank
from bench.site import MeasuredSite, write_site

PAGE: Final = "hello"
"""The scenario whose page is asked for."""

_ASGI: Final = """\
BODY = b"Hello, World!\\n"
FIELDS = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(BODY)).encode())]


async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": FIELDS})
        await send({"type": "http.response.body", "body": BODY})
"""
_POOL: Final = '<add name="DefaultAppPool" />'
_GARDEN: Final = (
    '<add name="DefaultAppPool"><failure rapidFailProtection="false" /><recycling disallowOverlappingRotation="true" />'
    '<processModel maxProcesses="{workers}" maxConcurrentRequests="{requests}" /></add>'
)
_FULL_CREDIT: Final = 256
_GARDEN_CREDIT: Final = 2


def write_pool_site(folder: Path, workers: int) -> MeasuredSite:
    """The benchmark's site with a pool of so many workers; several come only when one of them has no credit left. When
    it is recycled, its workers end and the next request starts one."""
    site = write_site(folder, with_program=False)
    requests = _FULL_CREDIT if workers == 1 else _GARDEN_CREDIT
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace(_POOL, _GARDEN.format(workers=workers, requests=requests)))
    (site.root / "hello_asgi.py").write_text(_ASGI)
    (site.root / "hello_asgi.py").chmod(0o644)
    return site


def _identity(option: str) -> tuple[str, ...]:
    user = peer_user()
    return (f"--{option}={user}",) if user else ()


def _gunicorn(place: Place, workers: int, worker_class: str, application: str) -> Plan:
    where = (f"--bind=127.0.0.1:{place.port}", f"--chdir={place.site.root}")
    options = (f"--workers={workers}", f"--worker-class={worker_class}", "--keep-alive=75", *_identity("user"))
    return Plan(commands=((program("gunicorn"), *options, *where, application),))


def _uwsgi(place: Place, *options: str) -> Plan:
    command = (
        program("uwsgi"),
        "--plugin=python3",
        f"--http-socket=127.0.0.1:{place.port}",
        "--master",
        "--processes=1",
        "--disable-logging",
        "--die-on-term",
        "--need-app",
        f"--wsgi-file={place.site.wsgi_file}",
        *_identity("uid"),
        *options,
    )
    return Plan(commands=(command,))


def gunicorn_role(process: psutil.Process) -> str:
    """The process that was started is the master."""
    parent = process.parent()
    is_worker = parent is not None and "gunicorn" in " ".join(parent.cmdline())
    return "worker" if is_worker else "master"


ISAPY: Final = Contestant(
    name="isapy", paths={PAGE: "/page.greeting"}, plan=isapy.ISAPY.plan, role_of=isapy.ISAPY.role_of
)
UWSGI_CHEAP: Final = Contestant(
    name="uwsgi",
    paths={PAGE: "/hello"},
    plan=lambda place: _uwsgi(place, "--cheap", "--idle=1"),
    role_of=name_and_rank,
    packages=uwsgi.PACKAGES,
)
GUNICORN: Final = Contestant(
    name="gunicorn",
    paths={PAGE: "/hello"},
    plan=lambda place: _gunicorn(place, 1, "sync", "hello_wsgi:application"),
    role_of=gunicorn_role,
    packages=("gunicorn",),
)


def gunicorn_uvicorn(workers: int) -> Contestant:
    """gunicorn with so many uvicorn workers."""
    return Contestant(
        name="gunicorn-uvicorn",
        paths={PAGE: "/hello"},
        plan=lambda place: _gunicorn(place, workers, "uvicorn.workers.UvicornWorker", "hello_asgi:application"),
        role_of=gunicorn_role,
        packages=("gunicorn", "python3-uvicorn"),
    )
