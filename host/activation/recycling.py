"""When a worker is recycled: a pure predicate over facts and configuration that returns the reason."""

from __future__ import annotations

from typing import Final, NamedTuple

from host.activation.worker_facts import WorkerFacts
from host.config.model import Pool

_FLAGS: Final = {
    "recycle-time": "Time",
    "recycle-requests": "Requests",
    "recycle-schedule": "Schedule",
    "recycle-memory": "Memory",
    "recycle-unhealthy": "IsapiUnhealthy",
    "recycle-on-demand": "OnDemand",
    "recycle-config-change": "ConfigChange",
    "recycle-plugin-change": "ConfigChange",  # ours: what is loaded is another one, as after a change of settings
    "recycle-private-memory": "PrivateMemory",
}
"""Event id to the flag of recycling/@logEventOnRecycle that lets it be written."""


class RecycleReason(NamedTuple):
    """The event's id and the sentence for it: which limit, which value."""

    event_id: str
    text: str


def is_logged(reason: RecycleReason, pool: Pool) -> bool:
    """Whether recycling/@logEventOnRecycle wants the event of this reason."""
    return _FLAGS[reason.event_id] in pool.log_event_on_recycle


def age_reason(facts: WorkerFacts, pool: Pool) -> RecycleReason | None:
    """periodicRestart/@time: the one limit that a suspended worker reaches, too."""
    age = facts.now - facts.started_at
    if not pool.periodic_restart_seconds or age < pool.periodic_restart_seconds:
        return None
    text = f"periodicRestart/@time is {pool.periodic_restart_seconds} s, the worker is {age:.0f} s old"
    return RecycleReason("recycle-time", text)


def schedule_reason(time_of_day: str) -> RecycleReason:
    """The clock came to a time of day that periodicRestart/schedule lists."""
    return RecycleReason("recycle-schedule", f"periodicRestart/schedule lists {time_of_day}, and it is past that now")


def recycle_reason(facts: WorkerFacts, pool: Pool) -> RecycleReason | None:
    """The first of the pool's periodicRestart limits that the worker has reached; None when it may go on."""
    reason = age_reason(facts, pool)
    if reason is not None:
        return reason
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
