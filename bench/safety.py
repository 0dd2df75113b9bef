"""What slow attacks cost other clients: `python -m bench.safety`.

slowhttptest holds some hundreds of connections in each of its four ways, one after the other, while a client that
behaves asks for pages at a steady pace, in turn on a kept connection and on a new one. Slow bodies come in three ways:
short ones, long ones, and in chunks, for which there is a client of our own (`slow_chunks`). Right before each attack
the same client is measured without it: the quotient of the two is what the attack costs, and other load on the machine
strikes both. A server that answers an attack at once, and closes, holds none of its connections.

The second in which an attack connects, and the time in which it holds what it has, are measured apart. A slow attack is
meant to last; its beginning is some hundreds of new connections, which cost a server the same if they are no attack.
All of them within a second is ten times slowhttptest's own pace. What the whole attack costs is said as well.

The client that is measured is a program in C and a process of its own (`programs/steady.c`), and nobody counts
connections while it asks. As a thread in Python, beside one that read /proc/net/tcp twenty times a second, it waited
for the interpreter's lock: up to 5 ms each time, which was most of what the attacks seemed to cost.
"""

from __future__ import annotations

import argparse
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
from typing import Final, NamedTuple

from bench.contestants import CONTESTANTS
from bench.packages import install_command, missing_packages, program
from bench.processor_time import wait_until_quiet
from bench.server import NotReady, Server, take_sigterm_for_interrupt
from bench.site import MeasuredSite, compile_program, write_site

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

INTERVAL_SECONDS: Final = 0.0025
COMING_SECONDS: Final = 1.0
"""An attack connects for so long: slowhttptest is told to make all of its connections within a second, evenly."""

_GRACE_SECONDS: Final = 60.0  # beyond the time that was asked for; the client gives up earlier
_READY_SECONDS: Final = 20.0  # for the attack's connections
_LOOK_SECONDS: Final = 0.05
_AGAIN_SECONDS: Final = 1.0  # between two runs of an attack that ends by itself
_QUIET_SHARE: Final = 0.25  # of the processors, by whatever the attack before has left to be done
_QUIET_PATIENCE_SECONDS: Final = 10.0
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


class Round(NamedTuple):
    """One attack, once. `held`: connections that it had open before and after it was measured, the smaller number."""

    quiet: Seen
    coming: Seen
    holding: Seen
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """An attack and its price, the medians of all rounds: 99th percentiles before it, while its connections come, while
    they are held, and of both together, and the quotients of the latter three by the first."""

    contestant: str
    scenario: str
    attack: str
    held: int
    asked: int
    failed: int
    quiet_p99: float
    coming_p99: float
    coming_quotient: float
    p99: float
    quotient: float
    whole_p99: float
    whole_quotient: float


def probe(client: Path, port: int, path: str, *, seconds: float) -> Seen:
    """Ask for `path` every INTERVAL_SECONDS. A request that could not begin in time counts from when it should have.
    `client` is the compiled `programs/steady.c`."""
    count = max(1, int(seconds / INTERVAL_SECONDS))
    command = (str(client), str(port), path, str(count), str(round(INTERVAL_SECONDS * 1e6)))
    limit = seconds + _GRACE_SECONDS
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit)
    answers = [int(line) for line in ended.stdout.split()]
    times = tuple(microseconds / 1e6 for microseconds in answers if microseconds >= 0)
    return Seen(times, len(answers) - len(times))


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
        self._is_over, self._has_ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Attack:
        """It has begun; `wait_until_open` says when it holds what it wants."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def wait_until_open(self) -> None:
        """Most of its connections are open, or it has ended once, as one does that is answered at once; _READY_SECONDS
        at most."""
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end and established(self._port) < self._wanted * _UNDER_WAY:
            if self._has_ended.wait(_LOOK_SECONDS):
                return

    def _run(self) -> None:
        while not self._is_over.is_set():
            process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                while process.poll() is None and not self._is_over.wait(_LOOK_SECONDS):
                    pass
            finally:
                process.kill()
                process.wait()
            self._has_ended.set()
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
    client = folder / "steady"
    if not client.exists():
        compile_program("steady", client)
    found: dict[str, list[Round]] = {attack: [] for attack in ATTACKS}
    try:
        server.start(path)
        probe(client, server.port, path, seconds=min(1.0, seconds))  # workers start, caches fill
        for _ in range(rounds):
            for attack, (options, target) in ATTACKS.items():
                wait_until_quiet(_QUIET_SHARE, _QUIET_PATIENCE_SECONDS)
                quiet = probe(client, server.port, path, seconds=seconds)
                attacked = contestant.paths.get(target, path)
                with Attack(options, server.port, attacked, connections=connections) as under_way:
                    coming = probe(client, server.port, path, seconds=min(COMING_SECONDS, seconds))
                    under_way.wait_until_open()
                    open_before = established(server.port)
                    holding = probe(client, server.port, path, seconds=seconds)
                    held = min(open_before, established(server.port))
                found[attack].append(Round(quiet, coming, holding, held))
    finally:
        server.stop()
    return [cost_of(name, scenario, attack, seen) for attack, seen in found.items()]


def cost_of(contestant: str, scenario: str, attack: str, rounds: Sequence[Round]) -> Cost:
    """The middle of all rounds; each round's quotients are its own."""
    before = [each.quiet.quantile(0.99) for each in rounds]
    coming = [each.coming.quantile(0.99) for each in rounds]
    holding = [each.holding.quantile(0.99) for each in rounds]
    under_attack = [
        Seen(each.coming.seconds + each.holding.seconds, each.coming.failed + each.holding.failed) for each in rounds
    ]
    whole = [each.quantile(0.99) for each in under_attack]
    return Cost(
        contestant=contestant,
        scenario=scenario,
        attack=attack,
        held=max(each.held for each in rounds),
        asked=sum(len(seen.seconds) + seen.failed for seen in under_attack),
        failed=sum(seen.failed for seen in under_attack),
        quiet_p99=statistics.median(before),
        coming_p99=statistics.median(coming),
        coming_quotient=statistics.median(late / early for early, late in zip(before, coming, strict=True)),
        p99=statistics.median(holding),
        quotient=statistics.median(late / early for early, late in zip(before, holding, strict=True)),
        whole_p99=statistics.median(whole),
        whole_quotient=statistics.median(late / early for early, late in zip(before, whole, strict=True)),
    )


def report(costs: Sequence[Cost]) -> str:
    """The table of docs/performance.md."""
    lines = [
        "| contestant | asked for | attack | held | requests | failed "
        "| p99 before | while they come | times | while they are held | times | in all | times |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {cost.contestant} | {cost.scenario} | {cost.attack} | {cost.held} | {cost.asked} | {cost.failed} "
        f"| {cost.quiet_p99 * 1000:.2f} ms | {cost.coming_p99 * 1000:.2f} ms | {cost.coming_quotient:.2f} "
        f"| {cost.p99 * 1000:.2f} ms | {cost.quotient:.2f} "
        f"| {cost.whole_p99 * 1000:.2f} ms | {cost.whole_quotient:.2f} |"
        for cost in costs
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack all of TAKING_PART, or those that are named, and print. The exit status is 1 when a request failed or a
    contestant had to be left out, 2 when something is missing on this machine."""
    take_sigterm_for_interrupt()
    parser = argparse.ArgumentParser(prog="python -m bench.safety", description="Other clients under slow attacks.")
    parser.add_argument("--connections", type=int, default=500, help="of each attack (default 500)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each probe (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    names = [":".join(pair) for pair in TAKING_PART]
    parser.add_argument("--contestants", default=",".join(names), help=f"of {','.join(names)}")
    words = parser.parse_args(arguments)
    chosen = [pair for pair in TAKING_PART if ":".join(pair) in words.contestants.split(",")]
    packages = [
        "slowhttptest",
        "gcc",
        "libc6-dev",
        *(package for name, _ in chosen for package in CONTESTANTS[name].packages),
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
        for contestant, scenario in chosen:
            try:
                costs += measure(contestant, scenario, folder, site, seconds=words.seconds, **size)
            except (NotReady, OSError) as error:
                is_whole = False
                print(f"{contestant}, {scenario}: {error}", file=sys.stderr)
    print(report(costs))
    return 0 if is_whole and not any(cost.failed for cost in costs) else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
