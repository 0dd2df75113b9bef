"""When a worker is asked whether it is well, and when silence means that it is not."""

from __future__ import annotations

from host.activation.worker_facts import WorkerFacts
from host.config.model import Pool


def is_ping_due(facts: WorkerFacts, pool: Pool) -> bool:
    """Whether pingInterval has passed since the last ping and that one was answered."""
    if not pool.pinging_enabled or facts.last_pong_at < facts.last_ping_at:
        return False
    return facts.now - max(facts.last_ping_at, facts.started_at) >= pool.ping_interval_seconds


def is_unresponsive(facts: WorkerFacts, pool: Pool) -> bool:
    """Whether a ping has waited longer than pingResponseTime for its answer."""
    if not pool.pinging_enabled or facts.last_pong_at >= facts.last_ping_at:
        return False
    return facts.now - facts.last_ping_at > pool.ping_response_time_seconds
