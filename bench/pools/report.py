"""The tables of docs/performance.md about pools."""

from __future__ import annotations

from collections.abc import Sequence

from bench.pools.demand import DemandStart
from bench.pools.extra_worker import ExtraWorker
from bench.pools.many import ManyPools
from bench.pools.recycle_moments import RecycleMoments
from bench.pools.recycling import RecyclingLatency
from bench.report import duration, megabytes, table


def demand_text(found: Sequence[DemandStart]) -> str:
    """A request that finds no worker."""
    lines = [
        [
            one.contestant,
            one.how,
            f"{duration(one.cold.median)} ({duration(one.cold.lowest)}-{duration(one.cold.highest)})",
            duration(one.warm.median),
            f"{one.ratio:.0f}",
        ]
        for one in found
    ]
    head = ["server", "how", "first byte (min-max)", "worker runs", "ratio"]
    return f"a start on demand\n\n{table(head, lines)}\n"


def recycling_text(found: Sequence[RecyclingLatency]) -> str:
    """p99 with and without."""
    lines = [
        [
            one.contestant,
            one.how,
            str(one.recycles),
            duration(one.p50),
            duration(one.p99),
            duration(one.p99_recycled),
            f"{one.added.median:.2f} ({one.added.lowest:.2f}-{one.added.highest:.2f})",
            str(one.errors),
        ]
        for one in found
    ]
    head = ["server", "how", "recycles", "p50", "p99", "p99 recycled", "ratio (min-max)", "errors"]
    return f"recycling under load\n\n{table(head, lines)}\n"


def moments_text(found: Sequence[RecycleMoments]) -> str:
    """p99 of half seconds with and without a recycle."""
    lines = [
        [
            one.contestant,
            f"{one.rate}/s" if one.rate else "as many as are answered",
            str(one.recycles),
            duration(one.p99),
            duration(one.p99_recycled),
            f"{one.p99_recycled / one.p99:.2f}",
            f"{one.added.median:.2f} ({one.added.lowest:.2f}-{one.added.highest:.2f})",
            f"{one.slow:.0f}",
            str(one.errors),
        ]
        for one in found
    ]
    head = [
        "server",
        "requests",
        "recycles",
        "p99",
        "p99 recycled",
        "ratio",
        "by second (min-max)",
        "slow each",
        "errors",
    ]
    return f"half a second with a recycle, and the one after it\n\n{table(head, lines)}\n"


def memory_text(found: Sequence[ExtraWorker]) -> str:
    """One more worker."""
    lines = [[one.contestant, megabytes(one.total), megabytes(one.each)] for one in found]
    return f"memory\n\n{table(['server', 'PSS MB with one worker', 'each further worker'], lines)}\n"


def many_text(found: Sequence[ManyPools]) -> str:
    """Many pools."""
    lines = [
        [
            str(one.pools),
            duration(one.ready),
            megabytes(one.memory),
            ""
            if one.cold is None
            else f"{duration(one.cold.median)} ({duration(one.cold.lowest)}-{duration(one.cold.highest)})",
            duration(one.warm),
        ]
        for one in found
    ]
    head = ["pools", "service answers after", "PSS MB", "first byte without a worker (min-max)", "worker runs"]
    return f"many pools, started on demand\n\n{table(head, lines)}\n"
