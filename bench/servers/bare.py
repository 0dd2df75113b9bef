"""A bare server on uvloop and httptools: no log, no routing, no worker. Nothing in Python on these libraries costs
less, so it is what the listener is measured against."""

from __future__ import annotations

import sys
from typing import Final

from bench.server import Contestant, Place, Plan
from bench.servers.roles import name_and_rank
from bench.site import BENCH


def _plan(place: Place) -> Plan:
    return Plan(commands=((sys.executable, str(BENCH / "programs" / "bare_server.py"), str(place.port)),))


BARE: Final = Contestant(
    name="bare",
    paths={"hello": "/hello", "connect": "/hello", "static": "/small.bin", "cache": "/small.bin"},
    plan=_plan,
    role_of=name_and_rank,
)
