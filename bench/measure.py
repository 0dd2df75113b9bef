"""One cell: load a server for some seconds and note what it did, what it cost and how much memory it had."""

from __future__ import annotations

from bench import processor_time
from bench.download import download
from bench.load import LoadResult, drive
from bench.memory import PeakMemory, memory_by_role
from bench.sample import Memory, Sample
from bench.scenarios import Load, Scenario
from bench.server import Server

QUIET_SHARE = 0.25
"""Other processes may use this much of one processor before a cell is measured again."""


def measure(server: Server, scenario: Scenario, *, connections: int, seconds: int, round: int) -> Sample:
    """One measurement. Raises LoadFailed."""
    peak: PeakMemory | None = None
    before = processor_time.read(server.roots)
    if scenario.load in (Load.DOWNLOAD, Load.POST):
        with PeakMemory(server.roots, server.contestant.role_of) as peak:
            result = _loaded(server, scenario, connections=connections, seconds=seconds)
    else:
        result = _loaded(server, scenario, connections=connections, seconds=seconds)
    spent = processor_time.read(server.roots).since(before)
    return Sample(
        scenario=scenario.name,
        contestant=server.name,
        connections=connections,
        round=round,
        requests=result.requests,
        seconds=result.seconds,
        bytes=result.bytes,
        errors=result.errors,
        p50_seconds=result.p50_seconds,
        p99_seconds=result.p99_seconds,
        server_seconds=spent.server,
        tree_seconds=spent.tree,
        generator_seconds=spent.generator,
        other_seconds=spent.others,
        memory=_memory(server, peak),
    )


def measure_quietly(
    server: Server, scenario: Scenario, *, connections: int, seconds: int, round: int, patience: float
) -> Sample:
    """As `measure`, begun when the machine is quiet or `patience` seconds are over.

    When others were busy meanwhile, it is done once more, and the quieter of the two counts.
    """
    processor_time.wait_until_quiet(QUIET_SHARE, patience)
    first = measure(server, scenario, connections=connections, seconds=seconds, round=round)
    if first.other_seconds <= QUIET_SHARE * first.seconds:
        return first
    processor_time.wait_until_quiet(QUIET_SHARE, patience)
    second = measure(server, scenario, connections=connections, seconds=seconds, round=round)
    return min(first, second, key=lambda sample: sample.other_seconds / sample.seconds)


def warm_up(server: Server, scenario: Scenario, *, connections: int) -> LoadResult:
    """A second of load that nobody counts: caches fill, workers start."""
    seconds = 0 if scenario.load is Load.DOWNLOAD else 1
    return _loaded(server, scenario, connections=connections, seconds=seconds)


def _loaded(server: Server, scenario: Scenario, *, connections: int, seconds: int) -> LoadResult:
    """The scenario's load for that long. Raises LoadFailed."""
    path = server.contestant.paths[scenario.name]
    if scenario.load is Load.DOWNLOAD:
        return download(server.port, path, seconds=seconds)
    return drive(server.port, path, scenario.load, connections=connections, seconds=seconds)


def _memory(server: Server, peak: PeakMemory | None) -> tuple[Memory, ...]:
    return tuple(
        Memory(
            role=entry.role,
            count=entry.count,
            uss=entry.uss,
            pss=entry.pss,
            uss_before=peak.before.get(entry.role, 0) if peak else 0,
            uss_peak=peak.peak.get(entry.role, 0) if peak else 0,
        )
        for entry in memory_by_role(server.roots, server.contestant.role_of)
    )
