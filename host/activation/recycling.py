"""When a worker is recycled: a pure predicate over facts and configuration that returns the reason."""

from __future__ import annotations

from typing import NamedTuple

from host.activation.worker_facts import WorkerFacts
from host.config.model import Pool


class RecycleReason(NamedTuple):
    """The event's id and the sentence for it: which limit, which value."""

    event_id: str
    text: str


def recycle_reason(facts: WorkerFacts, pool: Pool) -> RecycleReason | None:
    """The first of the pool's periodicRestart limits that the worker has reached; None when it may go on."""
    age = facts.now - facts.started_at
    if pool.periodic_restart_seconds and age >= pool.periodic_restart_seconds:
        text = f"periodicRestart/@time is {pool.periodic_restart_seconds} s, the worker is {age:.0f} s old"
        return RecycleReason("recycle-time", text)
    if pool.periodic_restart_requests and facts.requests_served >= pool.periodic_restart_requests:
        limit = pool.periodic_restart_requests
        text = f"periodicRestart/@requests is {limit}, the worker has served {facts.requests_served}"
        return RecycleReason("recycle-requests", text)
    if pool.periodic_restart_memory_kilobytes and facts.virtual_kilobytes > pool.periodic_restart_memory_kilobytes:
        limit = pool.periodic_restart_memory_kilobytes
        return RecycleReason(
            "recycle-memory", f"periodicRestart/@memory is {limit} KB, the worker has {facts.virtual_kilobytes} KB"
        )
    limit = pool.periodic_restart_private_memory_kilobytes
    if limit and facts.private_kilobytes > limit:
        text = f"periodicRestart/@privateMemory is {limit} KB, the worker has {facts.private_kilobytes} KB"
        return RecycleReason("recycle-private-memory", text)
    return None
