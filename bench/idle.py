"""What a connection that is kept and says nothing costs in memory: `python -m bench.idle`.

Each connection asks once, reads its whole answer and stays. The growth of a server's processes (PSS) from a few
connections to all of them, divided by their number, is what one of them costs; the kernel's own memory for its socket
comes on top, and is the same for every server.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contestants import CONTESTANTS
from bench.memory import memory_by_role
from bench.open_files import raised_limit
from bench.packages import install_command, missing_packages
from bench.server import NotReady, Server, take_sigterm_for_interrupt
from bench.site import MeasuredSite, write_site

CONNECTIONS: Final = 10_000
FEW: Final = 200
"""Connections that are open before: what a server builds with its first ones belongs to none."""

TAKING_PART: Final = (
    ("isapy", "static"),
    ("isapy-iis5", "static"),
    ("nginx", "static"),
    ("lighttpd", "static"),
    ("isapy", "hello"),
    ("nginx-uwsgi", "hello"),
)
"""Contestants, and the scenario whose path each connection asks for."""

_TIMEOUT_SECONDS: Final = 60.0
_SPARE_DESCRIPTORS: Final = 64


@dataclass(frozen=True, slots=True)
class IdleCost:
    """Bytes that one idle connection adds: to the process that grows most (`role`), and to the whole tree."""

    contestant: str
    scenario: str
    connections: int
    role: str
    front: float
    tree: float


def measure(name: str, scenario: str, folder: Path, site: MeasuredSite, *, connections: int = CONNECTIONS) -> IdleCost:
    """Open so many connections beside the FEW, and look. Raises NotReady, OSError."""
    contestant = CONTESTANTS[name]
    server, path = Server(contestant, folder / f"{name}-{scenario}", site), contestant.paths[scenario]
    try:
        server.start(path)
        with kept_connections(server.port, path, FEW):
            before = _memory(server)
            with kept_connections(server.port, path, connections):
                after = _memory(server)
    finally:
        server.stop()
    growth = {role: after[role] - before.get(role, 0.0) for role in after}
    role = max(growth, key=lambda each: growth[each])
    return IdleCost(name, scenario, connections, role, growth[role] / connections, sum(growth.values()) / connections)


@contextmanager
def kept_connections(port: int, path: str, count: int) -> Iterator[list[socket.socket]]:
    """So many connections of which each has had one answer. Raises OSError when one is refused or cut."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: idle\r\nAccept: */*\r\n\r\n".encode()
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS)
            opened.append(connection)
            connection.sendall(request)
            _read_answer(connection)
        yield opened
    finally:
        for connection in opened:
            connection.close()


def _read_answer(connection: socket.socket) -> None:
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _received(connection)
    head = data[:end].decode("latin-1").lower().split("\r\n")
    if " 200 " not in head[0]:
        raise OSError(f"an answer with {head[0]}")
    length = next(int(line.partition(":")[2]) for line in head if line.startswith("content-length:"))
    while len(data) < end + 4 + length:
        data += _received(connection)


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise OSError("the connection ended before its answer did")
    return data


def _memory(server: Server) -> dict[str, float]:
    return {entry.role: entry.pss * entry.count for entry in memory_by_role(server.roots, server.contestant.role_of)}


def report(costs: Sequence[IdleCost]) -> str:
    """The table of docs/performance.md."""
    lines = ["| contestant | asked for | connections | bytes each | in | bytes each, whole tree |"]
    lines.append("| --- | --- | ---: | ---: | --- | ---: |")
    lines += [
        f"| {cost.contestant} | {cost.scenario} | {cost.connections} | {cost.front:.0f} | {cost.role} "
        f"| {cost.tree:.0f} |"
        for cost in costs
    ]
    return "\n".join(lines)


def _most(name: str, limit: int) -> int:
    """How many connections a contestant can take beside the FEW: lighttpd wants two descriptors for each."""
    return (limit // 2 if name == "lighttpd" else limit) - FEW - _SPARE_DESCRIPTORS


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all of TAKING_PART, and print. The exit status is 2 when something is missing on this machine."""
    take_sigterm_for_interrupt()
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description="Memory of idle connections.")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help=f"default {CONNECTIONS}")
    connections = parser.parse_args(arguments).connections
    packages = [package for name, _ in TAKING_PART for package in CONTESTANTS[name].packages]
    if missing := missing_packages(packages):
        print(f"missing on this machine: {', '.join(missing)}\nas root, type: {install_command(missing)}")
        return 2
    limit = raised_limit()
    if limit < connections + FEW + _SPARE_DESCRIPTORS:
        print(f"{connections} connections need {connections + FEW + _SPARE_DESCRIPTORS} open files (ulimit -Hn)")
        return 2
    with tempfile.TemporaryDirectory(prefix="isapy-idle-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        site = write_site(folder / "site", with_program=False)
        costs = []
        for contestant, scenario in TAKING_PART:
            try:
                count = min(connections, _most(contestant, limit))
                costs.append(measure(contestant, scenario, folder, site, connections=count))
            except (NotReady, OSError) as error:
                print(f"{contestant}, {scenario}: {error}", file=sys.stderr)
    print(report(costs))
    return 0 if len(costs) == len(TAKING_PART) else 1


if __name__ == "__main__":
    sys.exit(main())
