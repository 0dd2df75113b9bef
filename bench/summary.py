"""Medians, spans and ratios: pure functions over samples."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.sample import Memory, Sample

Value = Callable[[Sample], float]


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several rounds and their ends. All zero when there was no round."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contestant in one scenario at one number of connections. `rate` is requests or bytes per second; `cost`
    processor seconds per 1,000 requests or per 10^9 bytes; the ratios compare with the base in the same rounds."""

    contestant: str
    rounds: int
    rate: Spread
    rate_ratio: Spread
    cost: Spread
    cost_ratio: Spread
    tree_cost: float
    p50_seconds: float
    p99_seconds: float
    generator_share: float
    other_share: float
    errors: int
    memory: tuple[Memory, ...]


def spread(values: Iterable[float]) -> Spread:
    """Median, smallest and largest value."""
    found = list(values)
    return Spread(statistics.median(found), min(found), max(found)) if found else Spread(0.0, 0.0, 0.0)


def ratios(samples: Sequence[Sample], base: Sequence[Sample], value: Value) -> Spread:
    """The value of each round divided by the base's value in the same round: noise that lasts longer than a round
    strikes both and falls out. Rounds that one of them lacks do not count."""
    base_by_round = {sample.round: value(sample) for sample in base}
    return spread(
        value(sample) / base_by_round[sample.round] for sample in samples if base_by_round.get(sample.round, 0.0) > 0.0
    )


def rows(samples: Sequence[Sample], base: str, *, by_bytes: bool) -> list[Row]:
    """One row per contestant of a cell (samples of one scenario and number of connections), the fastest first."""
    rate: Value = _bytes_rate if by_bytes else _request_rate
    cost: Value = _bytes_cost if by_bytes else _request_cost
    tree: Value = _bytes_tree if by_bytes else _request_tree
    by_contestant: dict[str, list[Sample]] = {}
    for sample in samples:
        by_contestant.setdefault(sample.contestant, []).append(sample)
    of_base = by_contestant.get(base, [])
    found = [
        Row(
            contestant=name,
            rounds=len(own),
            rate=spread(map(rate, own)),
            rate_ratio=ratios(own, of_base, rate),
            cost=spread(map(cost, own)),
            cost_ratio=ratios(own, of_base, cost),
            tree_cost=statistics.median(map(tree, own)),
            p50_seconds=statistics.median(sample.p50_seconds for sample in own),
            p99_seconds=statistics.median(sample.p99_seconds for sample in own),
            generator_share=statistics.median(sample.generator_seconds / sample.seconds for sample in own),
            other_share=statistics.median(sample.other_seconds / sample.seconds for sample in own),
            errors=sum(sample.errors for sample in own),
            memory=largest_memory(own),
        )
        for name, own in by_contestant.items()
    ]
    return sorted(found, key=lambda row: -row.rate.median)


def largest_memory(samples: Iterable[Sample]) -> tuple[Memory, ...]:
    """Per role, the entry of the round in which a process of it was largest."""
    largest: dict[str, Memory] = {}
    for sample in samples:
        for entry in sample.memory:
            known = largest.get(entry.role)
            if known is None or (entry.uss_peak, entry.uss) > (known.uss_peak, known.uss):
                largest[entry.role] = entry
    return tuple(largest.values())


def _request_rate(sample: Sample) -> float:
    return sample.requests_per_second


def _request_cost(sample: Sample) -> float:
    return sample.server_seconds_per_1000


def _request_tree(sample: Sample) -> float:
    return sample.tree_seconds_per_1000


def _bytes_rate(sample: Sample) -> float:
    return sample.bytes_per_second


def _bytes_cost(sample: Sample) -> float:
    return sample.server_seconds_per_gigabyte


def _bytes_tree(sample: Sample) -> float:
    return sample.tree_seconds_per_gigabyte
