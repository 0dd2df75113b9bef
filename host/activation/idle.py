"""When an idle worker leaves (processModel/@idleTimeout), which one does, and how scarce memory shortens the time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from host.activation.worker_facts import WorkerFacts

_SHORTER: Final = ((100, 32), (95, 16), (90, 8), (85, 4), (80, 2))
"""Percent of webLimits/@dynamicIdleThreshold that is in use, and what idle time-outs are divided by from there on."""


def idle_timeout(seconds: int, threshold_percent: int, total_kilobytes: int, used_kilobytes: int) -> float:
    """The idle time-out in force, in seconds, where the configured one is `seconds` (0: never, whatever the memory).

    dynamicIdleThreshold is a percentage of physical memory (0: off). When the memory in use comes near that figure,
    idle workers leave earlier: at 80 % of it after half of their time-out, at 100 % after a thirty-second part.
    """
    figure = total_kilobytes * threshold_percent / 100
    if not figure:
        return seconds
    share = used_kilobytes * 100 / figure
    return seconds / next((divisor for percent, divisor in _SHORTER if share >= percent), 1)


def idle_text(idle_seconds: float, configured_seconds: int, timeout_seconds: float) -> str:
    """Which limit, which value; and what has shortened the limit, if anything has."""
    limit = f"idleTimeout is {configured_seconds} s"
    if timeout_seconds < configured_seconds:
        limit += f", which webLimits/@dynamicIdleThreshold makes {timeout_seconds:g} s while memory is scarce"
    return f"idle for {idle_seconds:.0f} s, {limit}"


def is_idle(facts: WorkerFacts, timeout_seconds: float) -> bool:
    """Whether the worker has had nothing to do for that long (0: never). AlwaysRunning pools idle out too, as in IIS;
    they are normally given idleTimeout="00:00:00"."""
    if not timeout_seconds or facts.requests_in_hand:
        return False
    return facts.idle_seconds >= timeout_seconds


def idlest(garden: Sequence[WorkerFacts], timeouts: Sequence[float]) -> int | None:
    """Which worker of a pool leaves at this look (its place in `garden`): of those that are idle the one that has been
    for longest, and never more than one, so that a garden shrinks step by step. None when none is idle.

    `timeouts`: seconds, of each of them."""
    idle = [place for place, facts in enumerate(garden) if is_idle(facts, timeouts[place])]
    return max(idle, key=lambda place: garden[place].idle_seconds, default=None)
