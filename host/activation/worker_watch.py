"""The look at a running worker, about once a second: measures what the policies need, asks them, names what is due.

The policies themselves are the predicate files (`health.py`, `recycling.py`): pure, over facts and a clock.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from host.activation.health import is_ping_due, is_unresponsive
from host.activation.idle import idle_text, idlest
from host.activation.memory import memory_kilobytes
from host.activation.recycling import RecycleReason, recycle_reason
from host.activation.worker_record import WorkerRecord
from host.activation.worker_transitions import WorkerState
from host.config.model import Pool

_COUNTER_SECONDS: Final = 1.0  # how often counters are asked for where a short idle time-out depends on them
_QUICK_IDLE_SECONDS: Final = 60
_MEMORY_SECONDS: Final = 10.0


class Due(enum.Enum):
    """What a policy wants done with a worker."""

    FAIL = "it did not answer a ping"
    RECYCLE = "recycle"
    PING = "ask whether it is well, and for its counters"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is due for one worker, and why. `event_id` is the event that tells it; empty for none."""

    due: Due
    text: str = ""
    event_id: str = ""

    @property
    def recycle_reason(self) -> RecycleReason:
        """The same as a reason to recycle."""
        return RecycleReason(self.event_id, self.text)


class IdleWorker(NamedTuple):
    """A worker that leaves, and the sentence for it: which limit, which value."""

    worker: WorkerRecord
    text: str


def look_at(worker: WorkerRecord, now: float) -> Finding | None:
    """What is due for this running worker at `now` (monotonic seconds); the first policy that wants something wins."""
    pool = worker.settings
    worker.count_to(pool.periodic_restart_requests)  # another number may be in force
    _measure(worker, pool, now)
    facts = worker.facts(now)
    if is_unresponsive(facts, pool):
        return Finding(Due.FAIL, "it did not answer a ping")
    reason = recycle_reason(facts, pool) if worker.owed is None else None
    if reason is not None:
        return Finding(Due.RECYCLE, reason.text, reason.event_id)
    if is_ping_due(facts, pool) or _needs_counters(worker, pool, now):
        return Finding(Due.PING)
    return None


def look_for_idle(workers: Sequence[WorkerRecord], timeout: Callable[[Pool], float], now: float) -> IdleWorker | None:
    """The running worker that has been idle for longest, if it has been for too long. `timeout(settings)`: idleTimeout
    in seconds, as it is in force now."""
    garden = [each for each in workers if each.state is WorkerState.RUNNING]
    facts, timeouts = [each.facts(now) for each in garden], [timeout(each.settings) for each in garden]
    place = idlest(facts, timeouts)
    if place is None:
        return None
    configured = garden[place].settings.idle_timeout_seconds
    return IdleWorker(garden[place], idle_text(facts[place].idle_seconds, configured, timeouts[place]))


def _measure(worker: WorkerRecord, pool: Pool, now: float) -> None:
    limited = pool.periodic_restart_memory_kilobytes or pool.periodic_restart_private_memory_kilobytes
    if limited and now - worker.measured_at >= _MEMORY_SECONDS:
        worker.measured_at = now
        worker.virtual_kilobytes, worker.private_kilobytes = memory_kilobytes(worker.pid)


def _needs_counters(worker: WorkerRecord, pool: Pool, now: float) -> bool:
    """The idle time-out goes by them; of its requests a worker says itself when they are enough."""
    if not pool.idle_timeout_seconds or worker.last_pong_at < worker.last_ping_at:
        return False
    is_quick = pool.idle_timeout_seconds <= _QUICK_IDLE_SECONDS
    return now - worker.last_ping_at >= (_COUNTER_SECONDS if is_quick else _MEMORY_SECONDS)
