"""When an idle worker is ended (processModel/@idleTimeout)."""

from __future__ import annotations

from host.activation.worker_facts import WorkerFacts
from host.config.model import Pool


def is_idle(facts: WorkerFacts, pool: Pool) -> bool:
    """Whether the worker has had nothing to do for idleTimeout (0: never). AlwaysRunning pools idle out too, as in
    IIS; they are normally given idleTimeout="00:00:00"."""
    if not pool.idle_timeout_seconds or facts.requests_in_hand:
        return False
    return facts.idle_seconds >= pool.idle_timeout_seconds
