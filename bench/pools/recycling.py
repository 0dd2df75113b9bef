"""Latency while a pool is recycled again and again, beside the same load without: in turn, on the same servers."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.load import LoadResult, drive
from bench.processor_time import wait_until_quiet
from bench.reliability.contestants import CONTESTANTS, READY, Recycled, write_pages
from bench.scenarios import Load
from bench.server import Server
from bench.summary import Spread, spread

_QUIET_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class RecyclingLatency:
    """Medians over the rounds, in seconds; `added` is p99 with recycling divided by p99 without, round by round."""

    contestant: str
    how: str
    p50: float
    p99: float
    p99_recycled: float
    added: Spread
    errors: int
    recycles: int


def measure(
    folder: Path, names: Sequence[str], *, rounds: int, seconds: int, beat: float, connections: int, patience: float
) -> list[RecyclingLatency]:
    """Rounds of a quiet and a recycled measurement of each. Raises NotReady, LoadFailed."""
    servers: list[tuple[Recycled, Server]] = []
    results: dict[str, list[tuple[LoadResult, LoadResult, int]]] = {name: [] for name in names}
    try:
        for name in names:
            recycled = CONTESTANTS[name]
            where = folder / f"recycling-{name}"
            where.mkdir()
            server = Server(recycled.contestant, where / "run", write_pages(where / "site"))
            servers.append((recycled, server))
            server.start(recycled.contestant.paths[READY])
        for number in range(rounds):
            turn = number % len(servers)
            for recycled, server in [*servers[turn:], *servers[:turn]]:
                wait_until_quiet(_QUIET_SHARE, patience)
                plain, _ = _drive(recycled, server, seconds, connections, beat=0.0)
                wait_until_quiet(_QUIET_SHARE, patience)
                disturbed, count = _drive(recycled, server, seconds, connections, beat=beat)
                results[recycled.name].append((plain, disturbed, count))
    finally:
        for _recycled, server in servers:
            server.stop()
    return [summary(recycled, results[recycled.name]) for recycled, _ in servers]


def summary(recycled: Recycled, rounds: Sequence[tuple[LoadResult, LoadResult, int]]) -> RecyclingLatency:
    """(without, with, how many recycles) of each round to one line."""
    return RecyclingLatency(
        contestant=recycled.name,
        how=recycled.how,
        p50=statistics.median(plain.p50_seconds for plain, _, _ in rounds),
        p99=statistics.median(plain.p99_seconds for plain, _, _ in rounds),
        p99_recycled=statistics.median(disturbed.p99_seconds for _, disturbed, _ in rounds),
        added=spread(disturbed.p99_seconds / plain.p99_seconds for plain, disturbed, _ in rounds),
        errors=sum(disturbed.errors for _, disturbed, _ in rounds),
        recycles=sum(count for _, _, count in rounds),
    )


def _drive(
    recycled: Recycled, server: Server, seconds: int, connections: int, *, beat: float
) -> tuple[LoadResult, int]:
    """Load it for so long; with a beat, recycle on it."""
    count, end = 0, threading.Event()

    def recycle() -> None:
        nonlocal count
        while not end.wait(beat):
            recycled.recycle(server)
            count += 1

    thread = threading.Thread(target=recycle)
    if beat:
        thread.start()
    try:
        path = recycled.contestant.paths[READY]
        result = drive(server.port, path, Load.PLAIN, connections=connections, seconds=seconds)
    finally:
        end.set()
        if beat:
            thread.join()
    return result, count
