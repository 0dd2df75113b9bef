"""isapy as it ships: access log on, one listener, one worker (or inetinfo alone in IIS 5 isolation mode)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import psutil

from bench.server import Contestant, Place, Plan

_PROJECT: Final = Path(__file__).resolve().parents[2]
_PATHS: Final = {
    "hello": "/page.greeting",
    "connect": "/page.greeting",
    "wsgi": "/wsgi/hello",
    "asgi": "/asgi/hello",
    "cgi": "/cgi-bin/hello",
    "cgi-python": "/cgi-bin/hello-python",
    "cgi-perl": "/cgi-bin/hello-perl",
    "cgi-post": "/cgi-bin/swallow",
    "cgi-big": "/cgi-bin/flood",
    "php": "/hello.php",
    "php-page": "/page.php",
    "static": "/small.bin",
    "cache": "/small.bin",
    "big": "/big.bin",
}


def _plan(place: Place, *options: str) -> Plan:
    start = (sys.executable, "-m", "host.processes", "service", "--quiet")
    where = ("--config", str(place.site.configuration), "--port", str(place.port))
    return Plan(
        commands=((*start, *where, *options),),
        environment={
            "ISAPY_STATE": str(place.folder / "state"),
            "ISAPY_CONTROL": str(place.folder / "control"),
        },
        working_folder=_PROJECT,  # where `host` is importable
    )


def _role(process: psutil.Process) -> str:
    """From the title that the process gives itself: `isapy: worker DefaultAppPool#1` is a worker."""
    title = " ".join(process.cmdline())
    prefix, colon, rest = title.partition("isapy: ")
    if not colon or prefix:
        return "program"  # a CGI program
    return "spawner" if "spawner" in rest else rest.split()[0]


ISAPY: Final = Contestant(name="isapy", paths=_PATHS, plan=_plan, role_of=_role)
ISAPY_IIS5: Final = Contestant(
    name="isapy-iis5",
    paths=_PATHS,
    plan=lambda place: _plan(place, "--isolation", "IIS5"),
    role_of=_role,
)
ISAPY_SINGLE: Final = Contestant(  # as uWSGI is run here: one request at a time, without a thread
    name="isapy-single", paths={"wsgi": "/wsgi-single/hello"}, plan=_plan, role_of=_role
)
