"""A whole run: for each scenario start its contestants, load them in turn, round after round, and end them."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import LoadFailed
from bench.measure import measure_quietly, warm_up
from bench.report import LeftOut
from bench.sample import Sample
from bench.scenarios import Load, Scenario
from bench.server import Contestant, NotReady, Server
from bench.site import MeasuredSite


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What to measure.

    `connections` replaces each scenario's own list where it is given; before each measurement the machine may become
    quiet for `patience` seconds.
    """

    scenarios: tuple[Scenario, ...]
    contestants: tuple[Contestant, ...]
    rounds: int
    seconds: int
    connections: tuple[int, ...] = ()
    patience: float = 0.0

    def contestants_of(self, scenario: Scenario) -> list[Contestant]:
        """Those that take part in the scenario."""
        return [contestant for contestant in self.contestants if scenario.name in contestant.paths]

    def connections_of(self, scenario: Scenario) -> tuple[int, ...]:
        """One client downloads; everything else follows the command line."""
        return scenario.connections if scenario.load is Load.DOWNLOAD else self.connections or scenario.connections


def run(options: RunOptions, site: MeasuredSite, folder: Path) -> tuple[list[Sample], list[LeftOut]]:
    """Measure everything; contestants run in folders below `folder`."""
    samples: list[Sample] = []
    left_out: list[LeftOut] = []
    for scenario in options.scenarios:
        found = options.contestants_of(scenario)
        with _started(scenario, found, site, folder / scenario.name, left_out) as servers:
            samples += _rounds(options, scenario, servers, left_out)
    return samples, left_out


@contextmanager
def _started(
    scenario: Scenario, contestants: Sequence[Contestant], site: MeasuredSite, folder: Path, left_out: list[LeftOut]
) -> Iterator[list[Server]]:
    servers: list[Server] = []
    ready: list[Server] = []
    try:
        for contestant in contestants:
            server = Server(contestant, folder / contestant.name, site)
            servers.append(server)
            problem = _problem(server, scenario)
            if problem:
                _say(f"{scenario.name}: {server.name} is left out: {problem}")
                left_out.append(LeftOut(scenario.name, server.name, problem))
            else:
                ready.append(server)
        yield ready
    finally:
        for server in servers:
            server.stop()


def _problem(server: Server, scenario: Scenario) -> str:
    """Start it and look at its first answer; empty when all is well."""
    path = server.contestant.paths[scenario.name]
    try:
        server.start(path)
        status, body = server.get(path)
        if status != 200 or scenario.expected not in body:
            return f"{path} answers {status} {body[:60]!r}"
        warm_up(server, scenario, connections=max(scenario.connections))
    except (NotReady, LoadFailed, OSError, http.client.HTTPException) as error:
        return str(error)
    return ""


def _rounds(
    options: RunOptions, scenario: Scenario, servers: Sequence[Server], left_out: list[LeftOut]
) -> Iterator[Sample]:
    """Each round begins with another contestant, so that none always follows the same one."""
    failed: set[str] = set()
    for number in range(options.rounds):
        turn = number % max(1, len(servers))
        for connections in options.connections_of(scenario):
            for server in [*servers[turn:], *servers[:turn]]:
                if server.name in failed:
                    continue
                try:
                    sample = measure_quietly(
                        server,
                        scenario,
                        connections=connections,
                        seconds=options.seconds,
                        round=number,
                        patience=options.patience,
                    )
                except (LoadFailed, OSError) as error:
                    failed.add(server.name)
                    left_out.append(LeftOut(scenario.name, server.name, f"in round {number + 1}: {error}"))
                    continue
                _say(_progress(sample, scenario))
                yield sample


def _progress(sample: Sample, scenario: Scenario) -> str:
    rate = f"{sample.requests_per_second:9.0f} req/s"
    if scenario.load is Load.DOWNLOAD:
        rate = f"{sample.bytes_per_second / 1e6:9.0f} MB/s"
    where = f"{scenario.name}, round {sample.round + 1}, {sample.connections} connections, {sample.contestant}"
    return f"{where:60}{rate}" + (f"  {sample.errors} errors" if sample.errors else "")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
