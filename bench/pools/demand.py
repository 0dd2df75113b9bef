"""From a request that finds no worker to its first byte, beside the same request to a worker that runs."""

from __future__ import annotations

import os
import select
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.memory import processes_of
from bench.pools.contestants import GUNICORN, ISAPY, PAGE, UWSGI_CHEAP, write_pool_site
from bench.processor_time import wait_until_quiet
from bench.server import Contestant, Server
from bench.summary import Spread, spread
from host.admin.client import call
from host.admin.commands import RecyclePool
from host.admin.location import control_socket

_TIMEOUT_SECONDS: Final = 30.0
_QUIET_SHARE: Final = 0.25
_LOOK_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class DemandStart:
    """Seconds to the first byte: of requests that found no worker, and of requests to a running one."""

    contestant: str
    how: str
    cold: Spread
    warm: Spread

    @property
    def ratio(self) -> float:
        """How many requests to a running worker a start is worth."""
        return self.cold.median / self.warm.median


def end_workers(server: Server) -> None:
    """The pool's worker ends, its parent stays, and nobody starts another one (recycled without overlap)."""
    environment = {"ISAPY_CONTROL": str(server.place.folder / "control")}
    path = control_socket(server.place.site.configuration, environment)
    call(path, RecyclePool(name="DefaultAppPool"), timeout=_TIMEOUT_SECONDS)
    _wait_until_ended(server, "worker")


def workers(server: Server, role: str) -> list[psutil.Process]:
    """The server's live processes of that role."""
    found = []
    for process in processes_of(server.roots):
        try:
            if server.contestant.role_of(process) == role and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _wait_for_idle(server: Server) -> None:
    _wait_until_ended(server, "uwsgi worker")


def _wait_until_ended(server: Server, role: str) -> None:
    end = time.monotonic() + _TIMEOUT_SECONDS
    while workers(server, role):
        if time.monotonic() > end:
            raise TimeoutError(f"{server.name} keeps its workers")
        time.sleep(_LOOK_SECONDS)


def _kill_only_worker(server: Server) -> None:
    for worker in workers(server, "worker"):
        pidfd = os.pidfd_open(worker.pid)
        worker.kill()
        select.select([pidfd], [], [], _TIMEOUT_SECONDS)
        os.close(pidfd)


WAYS: Final[Sequence[tuple[Contestant, str, Callable[[Server], None]]]] = (
    (ISAPY, "demand start, warm pool parent", end_workers),
    (UWSGI_CHEAP, "cheap mode, after --idle", _wait_for_idle),
    (GUNICORN, "its only worker was killed (it starts none on demand)", _kill_only_worker),
)


def measure(folder: Path, *, rounds: int, patience: float) -> list[DemandStart]:
    """Every contestant in turn, round after round. Raises NotReady, OSError."""
    servers: list[tuple[Server, str, Callable[[Server], None]]] = []
    times: dict[str, tuple[list[float], list[float]]] = {}
    try:
        for contestant, how, end_worker in WAYS:
            where = folder / f"demand-{contestant.name}"
            where.mkdir()
            server = Server(contestant, where / "run", write_pool_site(where / "site", 1))
            servers.append((server, how, end_worker))
            server.start(contestant.paths[PAGE])
            times[contestant.name] = ([], [])
        for _ in range(rounds):
            for server, _how, end_worker in servers:
                wait_until_quiet(_QUIET_SHARE, patience)
                end_worker(server)
                cold, warm = times[server.name]
                cold.append(first_byte(server.port, server.contestant.paths[PAGE]))
                warm.append(statistics.median(first_byte(server.port, server.contestant.paths[PAGE]) for _ in range(5)))
    finally:
        for server, _how, _end_worker in servers:
            server.stop()
    return [
        DemandStart(server.name, how, spread(times[server.name][0]), spread(times[server.name][1]))
        for server, how, _ in servers
    ]


def first_byte(port: int, path: str) -> float:
    """Seconds from sending the request, on a connection that is open already, to the first byte of a right answer.

    Raises OSError when that is not 200.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
        began = time.perf_counter()
        connection.sendall(request)
        data = connection.recv(65536)
        took = time.perf_counter() - began
        if not data.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
            raise OSError(f"{path} on port {port} answers {data[:40]!r}")
        while connection.recv(65536):
            pass
        return took
