"""What slow attacks cost other clients: `python -m bench.safety`.

slowhttptest holds some hundreds of connections in each of its four ways, one after the other, while a client that
behaves asks for pages at a steady pace, in turn on a kept connection and on a new one. Slow bodies come in three ways:
short ones, long ones, and in chunks, for which there is a client of our own (`slow_chunks`). Right before each attack
the same client is measured without it: the quotient of the two is what the attack costs, and other load on the machine
strikes both. A server that answers an attack at once, and closes, holds none of its connections.
"""

from __future__ import annotations

import argparse
import http.client
import math
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from bench.contestants import CONTESTANTS
from bench.packages import install_command, missing_packages, program
from bench.server import NotReady, Server, take_sigterm_for_interrupt
from bench.site import MeasuredSite, write_site

ATTACKS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "slow headers": (("-H",), "big"),
    "slow body": (("-B",), "cgi-post"),
    "slow long body": (("-B", "-s", "1000000"), "cgi-post"),
    "slow chunks": ((), "cgi-post"),
    "ranges": (("-R",), "big"),
    "slow read": (("-X",), "big"),
}
"""slowhttptest's options for each (none: it cannot do that), and the scenario whose path it attacks where a contestant
has it: a large file, or a program that reads the body."""

TAKING_PART: Final = (("isapy", "static"), ("isapy", "hello"), ("isapy-iis5", "hello"), ("nginx", "static"))
"""Contestants, and the scenario whose path the client asks for."""

EXIT_FAILED = 1
EXIT_MISSING = 2

INTERVAL_SECONDS: Final = 0.005
_ANSWER_SECONDS: Final = 10.0
_GRACE_SECONDS: Final = 30.0  # beyond the time that was asked for: what is not answered by then has failed
_READY_SECONDS: Final = 20.0  # for the attack's connections
_LOOK_SECONDS: Final = 0.05
_AGAIN_SECONDS: Final = 1.0  # between two runs of an attack that ends by itself
_UNDER_WAY: Final = 0.8  # of the attack's connections
_ESTABLISHED: Final = "01"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the client saw: seconds until each whole answer, counted from when it was due, and requests that failed."""

    seconds: tuple[float, ...]
    failed: int

    def quantile(self, share: float) -> float:
        """So many of its answers came within this time; infinite when there is none."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """An attack and its price, the medians of all rounds. `held`: connections that it had open at once; `quotient`: the
    99th percentile under attack, by the one before it."""

    contestant: str
    scenario: str
    attack: str
    held: int
    asked: int
    failed: int
    quiet_p99: float
    p99: float
    quotient: float


def probe(port: int, path: str, *, seconds: float) -> Seen:
    """Ask for `path` every INTERVAL_SECONDS. A request that could not begin in time counts from when it should have."""
    pause, kept = threading.Event(), _connection(port)
    count, failed, times = max(1, int(seconds / INTERVAL_SECONDS)), 0, []
    began = time.monotonic()
    for number in range(count):
        due = began + number * INTERVAL_SECONDS
        pause.wait(max(0.0, due - time.monotonic()))
        if time.monotonic() > began + seconds + _GRACE_SECONDS:
            failed += count - number
            break
        connection = kept if number % 2 == 0 else _connection(port)
        try:
            is_answered = _asks(connection, path)
        except (OSError, http.client.HTTPException):
            is_answered = False
        if is_answered:
            times.append(time.monotonic() - due)
        else:
            failed += 1
        if connection is not kept or not is_answered:
            connection.close()
    kept.close()
    return Seen(tuple(times), failed)


class Attack:
    """slowhttptest against a port until the end of the `with` block, begun anew as often as it ends by itself."""

    def __init__(self, options: Sequence[str], port: int, path: str, *, connections: int) -> None:
        self._port = port
        self._wanted = connections
        if options:
            url = f"http://127.0.0.1:{port}{path}"
            size = ("-c", str(connections), "-r", str(connections), "-l", "3600", "-i", "1")
            self._command = (program("slowhttptest"), *options, *size, "-u", url)
        else:
            self._command = (sys.executable, "-m", "bench.slow_chunks", str(port), path, str(connections))
        self._is_over, self._is_under_way = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.held = 0

    def __enter__(self) -> Attack:
        """Under way: most of its connections are open, or it has ended once, as one does that is answered at once."""
        self._thread.start()
        self._is_under_way.wait(_READY_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                while process.poll() is None and not self._is_over.wait(_LOOK_SECONDS):
                    self.held = max(self.held, established(self._port))
                    if self.held >= self._wanted * _UNDER_WAY:
                        self._is_under_way.set()
            finally:
                process.kill()
                process.wait()
            self._is_under_way.set()
            self._is_over.wait(_AGAIN_SECONDS)


def established(port: int) -> int:
    """Connections that clients have open to that port of this machine."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    own = f":{port:04X}"
    return sum(words[1].endswith(own) and words[3] == _ESTABLISHED for words in map(str.split, lines))


def measure(
    name: str, scenario: str, folder: Path, site: MeasuredSite, *, connections: int, seconds: float, rounds: int
) -> list[Cost]:
    """Every attack on one contestant, in turn with quiet. Raises NotReady, OSError."""
    contestant = CONTESTANTS[name]
    path = contestant.paths[scenario]
    server = Server(contestant, folder / f"{name}-{scenario}", site)
    found: dict[str, list[tuple[Seen, Seen, int]]] = {attack: [] for attack in ATTACKS}
    try:
        server.start(path)
        probe(server.port, path, seconds=min(1.0, seconds))  # workers start, caches fill
        for _ in range(rounds):
            for attack, (options, target) in ATTACKS.items():
                quiet = probe(server.port, path, seconds=seconds)
                attacked = contestant.paths.get(target, path)
                with Attack(options, server.port, attacked, connections=connections) as under_way:
                    seen = probe(server.port, path, seconds=seconds)
                found[attack].append((quiet, seen, under_way.held))
    finally:
        server.stop()
    return [cost_of(name, scenario, attack, pairs) for attack, pairs in found.items()]


def cost_of(contestant: str, scenario: str, attack: str, pairs: Sequence[tuple[Seen, Seen, int]]) -> Cost:
    """The middle of all rounds; each round's quotient is its own."""
    before = [quiet.quantile(0.99) for quiet, _, _ in pairs]
    under = [seen.quantile(0.99) for _, seen, _ in pairs]
    return Cost(
        contestant=contestant,
        scenario=scenario,
        attack=attack,
        held=max(held for _, _, held in pairs),
        asked=sum(len(seen.seconds) + seen.failed for _, seen, _ in pairs),
        failed=sum(seen.failed for _, seen, _ in pairs),
        quiet_p99=statistics.median(before),
        p99=statistics.median(under),
        quotient=statistics.median(late / early for early, late in zip(before, under, strict=True)),
    )


def report(costs: Sequence[Cost]) -> str:
    """The table of docs/performance.md."""
    lines = ["| contestant | asked for | attack | connections held | requests | failed | p99 before | p99 | times |"]
    lines.append("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    lines += [
        f"| {cost.contestant} | {cost.scenario} | {cost.attack} | {cost.held} | {cost.asked} | {cost.failed} "
        f"| {cost.quiet_p99 * 1000:.2f} ms | {cost.p99 * 1000:.2f} ms | {cost.quotient:.2f} |"
        for cost in costs
    ]
    return "\n".join(lines)


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)


def _asks(connection: http.client.HTTPConnection, path: str) -> bool:
    connection.request("GET", path)
    answer = connection.getresponse()
    return bool(answer.read()) and answer.status == 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack all of TAKING_PART, and print. The exit status is 1 when a request failed or a contestant had to be left
    out, 2 when something is missing on this machine."""
    take_sigterm_for_interrupt()
    parser = argparse.ArgumentParser(prog="python -m bench.safety", description="Other clients under slow attacks.")
    parser.add_argument("--connections", type=int, default=500, help="of each attack (default 500)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each probe (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    words = parser.parse_args(arguments)
    packages = [
        "slowhttptest",
        "gcc",
        "libc6-dev",
        *(package for name, _ in TAKING_PART for package in CONTESTANTS[name].packages),
    ]
    if missing := missing_packages(packages):
        print(f"missing on this machine: {', '.join(missing)}\nas root, type: {install_command(missing)}")
        return EXIT_MISSING
    costs: list[Cost] = []
    is_whole = True
    with tempfile.TemporaryDirectory(prefix="isapy-safety-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        site = write_site(folder / "site")
        size = {"connections": words.connections, "rounds": words.rounds}
        for contestant, scenario in TAKING_PART:
            try:
                costs += measure(contestant, scenario, folder, site, seconds=words.seconds, **size)
            except (NotReady, OSError) as error:
                is_whole = False
                print(f"{contestant}, {scenario}: {error}", file=sys.stderr)
    print(report(costs))
    return 0 if is_whole and not any(cost.failed for cost in costs) else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
