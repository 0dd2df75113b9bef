"""How long something took, many times: a histogram of fixed size, so that counting needs no memory of each time.

Bucket 0 is everything below 0.1 ms; each further one is a fourth root of 2 wider than the one before it, and the last
one takes all above 1.5 hours. A percentile is known to within a tenth of itself. Histograms of processes are added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

BUCKETS: Final = 104
_LEAST_SECONDS: Final = 0.0001
_STEPS: Final = 4  # buckets in which a duration doubles


def bucket_of(seconds: float) -> int:
    """The bucket that a duration is counted in."""
    if seconds < _LEAST_SECONDS:
        return 0
    return min(1 + int(math.log2(seconds / _LEAST_SECONDS) * _STEPS), BUCKETS - 1)


def percentile(histogram: Sequence[int], share: float) -> float:
    """The duration in seconds that `share` (0.5, 0.99) of those counted did not exceed; 0 when none was counted."""
    wanted = math.ceil(sum(histogram) * share)
    passed = 0
    for bucket, count in enumerate(histogram):
        passed += count
        if count and passed >= wanted:
            return _middle_of(bucket)
    return 0.0


def _middle_of(bucket: int) -> float:
    if bucket == 0:
        return _LEAST_SECONDS / 2
    return _LEAST_SECONDS * 2 ** ((bucket - 0.5) / _STEPS)
