"""Medians, spans and ratios."""

from __future__ import annotations

import pytest

from bench.sample import Memory
from bench.summary import Spread, largest_memory, ratios, rows, spread
from tests.bench.samples import sample


def test_a_spread_is_median_and_ends() -> None:
    """An even number of rounds takes the middle of the two in the middle."""
    assert spread([4.0, 1.0, 2.0, 8.0]) == Spread(3.0, 1.0, 8.0)
    assert spread([]) == Spread(0.0, 0.0, 0.0)


def test_ratios_compare_the_same_round() -> None:
    """Noise that slows a whole round down does not show in the ratio."""
    base = [sample("nginx", round=0, requests=1000), sample("nginx", round=1, requests=100)]
    ours = [sample("isapy", round=0, requests=500), sample("isapy", round=1, requests=50)]
    assert ratios(ours, base, lambda one: one.requests_per_second) == Spread(0.5, 0.5, 0.5)


def test_a_round_that_the_base_lacks_does_not_count() -> None:
    """No division by zero, no ratio out of nothing."""
    base = [sample("nginx", round=0, requests=0)]
    ours = [sample("isapy", round=0), sample("isapy", round=1)]
    assert ratios(ours, base, lambda one: one.requests_per_second) == Spread(0.0, 0.0, 0.0)


def test_rows_come_fastest_first_with_costs_per_1000_requests() -> None:
    """The base's ratios are 1, the other's follow from its numbers."""
    cell = [
        sample("isapy", requests=500, server_seconds=0.5),
        sample("nginx", requests=1000, server_seconds=0.5),
        sample("isapy", round=1, requests=500, server_seconds=0.5),
        sample("nginx", round=1, requests=1000, server_seconds=0.5),
    ]
    nginx, isapy = rows(cell, "nginx", by_bytes=False)
    assert (nginx.contestant, nginx.rate_ratio.median, nginx.cost_ratio.median) == ("nginx", 1.0, 1.0)
    assert (isapy.contestant, isapy.rate_ratio.median, isapy.cost_ratio.median) == ("isapy", 0.5, 2.0)
    assert isapy.cost.median == pytest.approx(1.0)
    assert isapy.tree_cost == pytest.approx(0.5)
    assert (isapy.rounds, isapy.errors) == (2, 2)


def test_a_download_is_rated_by_bytes() -> None:
    """Costs are per 10^9 bytes then."""
    (row,) = rows([sample("nginx", requests=1_000_000, server_seconds=0.5)], "nginx", by_bytes=True)
    assert row.rate.median == pytest.approx(1e9)
    assert row.cost.median == pytest.approx(0.5)


def test_the_largest_round_counts_for_memory() -> None:
    """A peak is what is looked for, not an average."""
    small = Memory(role="worker", count=1, uss=10.0, pss=12.0)
    large = Memory(role="worker", count=2, uss=20.0, pss=22.0)
    found = largest_memory([sample("nginx", memory=(large,)), sample("nginx", round=1, memory=(small,))])
    assert found == (large,)
