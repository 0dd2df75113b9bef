"""The histogram of durations, beside the exact figures."""

from __future__ import annotations

import math
import random

import pytest

from host.wire.durations import BUCKETS, bucket_of, percentile


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99, 1.0])
def test_percentiles_are_within_a_tenth(share: float) -> None:
    """Against the sorted list, for durations of many sizes."""
    random_numbers = random.Random(5)
    durations = sorted(random_numbers.lognormvariate(-3, 2) for _ in range(5000))
    histogram = [0] * BUCKETS
    for duration in durations:
        histogram[bucket_of(duration)] += 1
    exact = durations[math.ceil(len(durations) * share) - 1]
    assert percentile(histogram, share) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (-1.0, 0), (0.0001, 1), (1e9, BUCKETS - 1)])
def test_the_ends(seconds: float, bucket: int) -> None:
    """Nothing is outside, not even a clock that ran backwards."""
    assert bucket_of(seconds) == bucket


def test_nothing_counted() -> None:
    """No duration."""
    assert percentile([0] * BUCKETS, 0.5) == 0.0
