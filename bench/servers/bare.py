"""Two servers that do next to nothing, for the least that something can cost: a page on uvloop and httptools without
log, routing or worker, and a CGI program started in C without anything around it."""

from __future__ import annotations

import sys
from typing import Final

from bench.server import Contestant, Place, Plan
from bench.servers.roles import name_and_rank
from bench.site import BENCH


def _plan(place: Place) -> Plan:
    return Plan(commands=((sys.executable, str(BENCH / "programs" / "bare_server.py"), str(place.port)),))


def _cgi_plan(place: Place) -> Plan:
    hello = place.site.documents / "cgi-bin" / "hello"
    return Plan(commands=((str(place.site.bare_cgi), str(place.port), str(hello)),))


BARE: Final = Contestant(
    name="bare",
    paths={"hello": "/hello", "connect": "/hello", "static": "/small.bin", "cache": "/small.bin"},
    plan=_plan,
    role_of=name_and_rank,
)
BARE_CGI: Final = Contestant(
    name="bare-cgi",
    paths={"cgi": "/cgi-bin/hello"},
    plan=_cgi_plan,
    role_of=name_and_rank,
)
