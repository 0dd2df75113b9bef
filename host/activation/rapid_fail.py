"""Rapid-fail protection: too many failures inside a window of time disable a pool."""

from __future__ import annotations

from collections.abc import Sequence

from host.config.model import Pool


def failures_in_window(instants: Sequence[float], now: float, pool: Pool) -> tuple[float, ...]:
    """The failures (monotonic seconds) that still count at `now`, oldest first."""
    return tuple(instant for instant in instants if now - instant < pool.rapid_fail_interval_seconds)


def must_disable(instants: Sequence[float], now: float, pool: Pool) -> bool:
    """Whether rapidFailProtectionMaxCrashes failures lie inside rapidFailProtectionInterval."""
    if not pool.rapid_fail_protection:
        return False
    return len(failures_in_window(instants, now, pool)) >= pool.rapid_fail_max_crashes
