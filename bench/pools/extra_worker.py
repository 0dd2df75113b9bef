"""Memory of one more worker: what the whole tree's PSS grows by, after the workers have served requests."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.load import drive
from bench.memory import memory_by_role, processes_of
from bench.pools.contestants import ISAPY, PAGE, gunicorn_uvicorn, write_pool_site
from bench.scenarios import Load
from bench.server import Contestant, NotReady, Server

_CONNECTIONS: Final = 32
_SECONDS: Final = 1
_WAIT_SECONDS: Final = 60.0
_REST_SECONDS: Final = 7.0  # a worker of isapy that is five seconds old shares again what it has only touched
MORE: Final = 2
"""Workers that are added to the first one."""


@dataclass(frozen=True, slots=True)
class ExtraWorker:
    """Bytes. `total` is the tree's PSS with one worker, `each` what every further worker adds to it."""

    contestant: str
    total: float
    each: float


def measure(folder: Path) -> list[ExtraWorker]:
    """isapy and gunicorn with uvicorn workers, each with one worker and with three. Raises NotReady, LoadFailed."""
    found = []
    for name, one, several in (
        ("isapy", ISAPY, ISAPY),
        ("gunicorn-uvicorn", gunicorn_uvicorn(1), gunicorn_uvicorn(1 + MORE)),
    ):
        small = tree_memory(folder / f"memory-{name}-1", one, 1)
        large = tree_memory(folder / f"memory-{name}-{1 + MORE}", several, 1 + MORE)
        found.append(ExtraWorker(name, small, (large - small) / MORE))
    return found


def tree_memory(folder: Path, contestant: Contestant, workers: int, *, patience: float = _WAIT_SECONDS) -> float:
    """PSS of the whole tree with so many workers: each has served, rested, and served again. Raises NotReady when there
    are not so many in time."""
    folder.mkdir()
    server = Server(contestant, folder / "run", write_pool_site(folder / "site", workers))
    path = contestant.paths[PAGE]
    try:
        server.start(path)
        end = time.monotonic() + patience
        while True:  # an on-demand garden grows under load
            drive(server.port, path, Load.PLAIN, connections=_CONNECTIONS, seconds=_SECONDS)
            if _count(server) == workers:
                break
            if time.monotonic() > end:
                raise NotReady(f"{contestant.name} has {_count(server)} workers, not {workers}")
        time.sleep(_REST_SECONDS)
        drive(server.port, path, Load.PLAIN, connections=_CONNECTIONS, seconds=_SECONDS)
        return sum(entry.pss * entry.count for entry in memory_by_role(server.roots, contestant.role_of))
    finally:
        server.stop()


def _count(server: Server) -> int:
    roles: Sequence[str] = [
        server.contestant.role_of(process)
        for process in processes_of(server.roots)
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]
    return roles.count("worker")
