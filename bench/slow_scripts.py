"""What many CGI programs that take their time cost: `python -m bench.slow_scripts`.

Each client asks for a program that writes one line and then sleeps, and reads that line: so all of them run at once.
What the server's own processes have then, beside what they had with a few, is what a running program costs them. Their
threads are counted, too: a server that gives each program a thread cannot have many. In the end the clients leave, and
how long the last program lives on is noted.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.contestants import CONTESTANTS
from bench.memory import memory_by_role, processes_of
from bench.open_files import raised_limit
from bench.packages import install_command, missing_packages
from bench.server import NotReady, Server, take_sigterm_for_interrupt
from bench.site import MeasuredSite, write_site

SCRIPTS: Final = 1000
FEW: Final = 20
"""Programs that run before: what a server builds with its first ones belongs to none."""

TAKING_PART: Final = ("isapy", "isapy-iis5", "apache")
"""fcgiwrap runs as many as it has processes; lighttpd, as it ships, keeps the line until its program has ended."""

MOST: Final = {"isapy-iis5": 256 - FEW}
"""inetinfo takes 256 requests at a time, and no setting changes that: more would wait in its queue."""

PATH: Final = "/cgi-bin/slow"
_READY_PATH: Final = "/small.bin"
_LINE: Final = b"started\n"
_TIMEOUT_SECONDS: Final = 60.0
_SPARE_DESCRIPTORS: Final = 200
_LOOK_AGAIN_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowCost:
    """`bytes_each`: what one running program adds to the processes of that role. Threads are counted over all of them.

    `left_seconds`: from the clients' leaving until the last program had ended; None when some were still there after a
    minute.
    """

    contestant: str
    role: str
    scripts: int
    bytes_each: float
    threads_before: int
    threads: int
    left_seconds: float | None


def write_slow_site(folder: Path, scripts: int) -> MeasuredSite:
    """The measured site, where a worker of isapy takes that many requests at a time (256 as it ships)."""
    site = write_site(folder)
    text = site.configuration.read_text()
    pool = '<add name="DefaultAppPool" />'
    assert pool in text
    model = f'<processModel maxConcurrentRequests="{scripts + FEW}" />'
    most = f'<add name="DefaultAppPool">{model}</add>'
    site.configuration.write_text(text.replace(pool, most))
    return site


@dataclass(frozen=True, slots=True)
class _Look:
    memory: dict[str, float]
    threads: dict[str, int]


def measure(name: str, folder: Path, site: MeasuredSite, *, scripts: int = SCRIPTS) -> list[SlowCost]:
    """Run so many programs beside the FEW; one entry per kind of process. Raises NotReady, OSError."""
    server = Server(CONTESTANTS[name], folder / name, site)
    try:
        server.start(_READY_PATH)
        with running_scripts(server.port, FEW):
            before = _look(server)
            with running_scripts(server.port, scripts):
                after = _look(server)
        left_seconds = _until_programs_are_gone(server)
    finally:
        server.stop()
    return [
        SlowCost(
            contestant=name,
            role=role,
            scripts=scripts,
            bytes_each=(size - before.memory.get(role, 0.0)) / scripts,
            threads_before=before.threads.get(role, 0),
            threads=after.threads[role],
            left_seconds=left_seconds,
        )
        for role, size in after.memory.items()
    ]


@contextmanager
def running_scripts(port: int, count: int) -> Iterator[None]:
    """So many clients, each of whose programs has written its line. Raises OSError when one is refused or cut."""
    request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n".encode()
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS)
            opened.append(connection)
            connection.sendall(request)
        for connection in opened:
            _read_line(connection)
        yield
    finally:
        for connection in opened:
            connection.close()


def _read_line(connection: socket.socket) -> None:
    data = b""
    while _LINE not in data:
        piece = connection.recv(65536)
        if not piece:
            raise OSError(f"the connection ended before its line came: {data[:200]!r}")
        data += piece
    if b" 200 " not in data.partition(b"\r\n")[0]:
        raise OSError(f"an answer with {data[:200]!r}")


def _look(server: Server) -> _Look:
    role_of = server.contestant.role_of
    sizes = {entry.role: entry.pss * entry.count for entry in memory_by_role(server.roots, role_of)}
    threads: dict[str, int] = {}
    for process in processes_of(server.roots):
        try:
            role = role_of(process)
            threads[role] = threads.get(role, 0) + process.num_threads()
        except psutil.Error:  # ended meanwhile
            continue
    return _Look({role: size for role, size in sizes.items() if role != "program"}, threads)


def _until_programs_are_gone(server: Server) -> float | None:
    began = time.monotonic()
    while any(_is_program(server, process) for process in processes_of(server.roots)):
        if time.monotonic() - began > _TIMEOUT_SECONDS:
            return None
        time.sleep(_LOOK_AGAIN_SECONDS)
    return time.monotonic() - began


def _is_program(server: Server, process: psutil.Process) -> bool:
    try:
        return server.contestant.role_of(process) == "program" and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def report(costs: Sequence[SlowCost]) -> str:
    """The table of docs/performance.md."""
    lines = ["| contestant | process | programs | KB each | threads before | threads | gone after their clients |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for cost in costs:
        gone = "still there" if cost.left_seconds is None else f"{cost.left_seconds:.1f} s"
        lines.append(
            f"| {cost.contestant} | {cost.role} | {cost.scripts} | {cost.bytes_each / 1000:.1f} "
            f"| {cost.threads_before} | {cost.threads} | {gone} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all of TAKING_PART, and print. The exit status is 2 when something is missing on this machine."""
    take_sigterm_for_interrupt()
    parser = argparse.ArgumentParser(prog="python -m bench.slow_scripts", description="Many slow CGI programs at once.")
    parser.add_argument("--scripts", type=int, default=SCRIPTS, help=f"default {SCRIPTS}")
    parser.add_argument("--contestants", default=",".join(TAKING_PART), help=f"of {','.join(TAKING_PART)}")
    words = parser.parse_args(arguments)
    names = [name for name in TAKING_PART if name in words.contestants.split(",")]
    packages = ["gcc", "libc6-dev", *(package for name in names for package in CONTESTANTS[name].packages)]
    if missing := missing_packages(packages):
        print(f"missing on this machine: {', '.join(missing)}\nas root, type: {install_command(missing)}")
        return 2
    if raised_limit() < 4 * words.scripts + _SPARE_DESCRIPTORS:
        print(f"{words.scripts} programs need {4 * words.scripts + _SPARE_DESCRIPTORS} open files (ulimit -Hn)")
        return 2
    costs: list[SlowCost] = []
    failed = 0
    with tempfile.TemporaryDirectory(prefix="isapy-slow-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        site = write_slow_site(folder / "site", words.scripts)
        for contestant in names:
            try:
                count = min(words.scripts, MOST.get(contestant, words.scripts))
                costs += measure(contestant, folder, site, scripts=count)
            except (NotReady, OSError) as error:
                failed += 1
                print(f"{contestant}: {error}", file=sys.stderr)
    print(report(costs))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
