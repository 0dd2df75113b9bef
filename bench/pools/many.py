"""A service with many pools, of which one after another gets its first request: what the number of pools costs.

Every pool has a parent that waits; a worker comes with the pool's first request.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.memory import memory_by_role
from bench.pools.demand import first_byte
from bench.server import Server
from bench.servers.isapy import ISAPY
from bench.site import MeasuredSite, write_site
from bench.summary import Spread, spread

COUNTS: Final = (1, 10, 100)
"""Pools. A thousand is for a machine with 16 GB to spare: `--pools 1000`."""

_POOL: Final = '<add name="DefaultAppPool" />'
_END_OF_APPLICATION: Final = "</application>"
_READY_SECONDS: Final = 600.0
_COLD: Final = 8
_WARM: Final = 20


@dataclass(frozen=True, slots=True)
class ManyPools:
    """With so many pools: seconds until the service answers, bytes (PSS of the tree, no worker but the first pool's),
    seconds to the first byte of requests that find no worker, and of requests to a worker that runs."""

    pools: int
    ready: float
    memory: float
    cold: Spread | None  # None: there is no second pool
    warm: float


def measure(folder: Path, counts: Sequence[int] = COUNTS) -> list[ManyPools]:
    """One service after another. Raises NotReady, OSError."""
    return [_measure(folder / f"many-{count}", count) for count in counts]


def _measure(folder: Path, count: int) -> ManyPools:
    folder.mkdir()
    server = Server(ISAPY, folder / "run", write_many_pools(folder / "site", count))
    try:
        began = time.monotonic()
        server.start("/page.greeting", patience=_READY_SECONDS)
        ready = time.monotonic() - began
        memory = sum(entry.pss * entry.count for entry in memory_by_role(server.roots, ISAPY.role_of))
        asked = range(max(1, count - _COLD), count)
        cold = [first_byte(server.port, f"/p{number}/page.greeting") for number in asked]
        last = f"/p{asked[-1]}/page.greeting" if cold else "/page.greeting"
        warm = statistics.median(first_byte(server.port, last) for _ in range(_WARM))
        return ManyPools(count, ready, memory, spread(cold) if cold else None, warm)
    finally:
        server.stop(patience=_READY_SECONDS)


def write_many_pools(folder: Path, count: int) -> MeasuredSite:
    """The benchmark's site, with so many pools: the first has `/`, each other one an application `/p1`, `/p2` ..."""
    site = write_site(folder, with_program=False)
    names = [f"Pool{number}" for number in range(1, count)]
    pools = "".join(f'<add name="{name}" />' for name in names)
    applications = "".join(
        f'<application path="/p{number}" applicationPool="{name}">'
        f'<virtualDirectory path="/" physicalPath="../wwwroot" />{_END_OF_APPLICATION}'
        for number, name in enumerate(names, 1)
    )
    text = site.configuration.read_text().replace(_POOL, _POOL + pools)
    site.configuration.write_text(text.replace(_END_OF_APPLICATION, _END_OF_APPLICATION + applications, 1))
    return site
