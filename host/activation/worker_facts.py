"""What the policies look at: the facts of one worker at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """Times are seconds on the supervisor's monotonic clock, memory is kilobytes."""

    now: float
    started_at: float
    requests_served: int = 0
    requests_in_hand: int = 0
    idle_seconds: float = 0.0
    virtual_kilobytes: int = 0
    private_kilobytes: int = 0
    last_ping_at: float = 0.0
    last_pong_at: float = 0.0
