"""Rapid-fail protection: too many failures inside a window of time disable a pool.

A failure is a worker that crashed, missed startupTimeLimit, did not answer a ping or broke its link, and a pool's
parent that died before it could fork. An orderly end is none: recycling, idle time-out, a missed shutdownTimeLimit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from host.config.model import Pool


class Failure(NamedTuple):
    """One failure: when (monotonic seconds), of which process, and why."""

    at: float
    process: str
    cause: str


def failures_in_window(failures: Sequence[Failure], now: float, pool: Pool) -> tuple[Failure, ...]:
    """The failures that still count at `now`, oldest first."""
    return tuple(failure for failure in failures if now - failure.at < pool.rapid_fail_interval_seconds)


def must_disable(failures: Sequence[Failure], now: float, pool: Pool) -> bool:
    """Whether rapidFailProtectionMaxCrashes failures lie inside rapidFailProtectionInterval."""
    if not pool.rapid_fail_protection:
        return False
    return len(failures_in_window(failures, now, pool)) >= pool.rapid_fail_max_crashes


def describe(failures: Sequence[Failure], now: float) -> str:
    """Which failures, when and why: one clause each, for the event log."""
    return "; ".join(f"{now - each.at:.1f} s ago {each.process}: {each.cause}" for each in failures)
