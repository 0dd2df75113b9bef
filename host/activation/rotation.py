"""Which worker is recycled next, and how: pure decisions over the workers of one pool.

A recycle that is asked for is *owed* until it begins. In a web garden the workers change one after the other: one
replacement starts at a time, so that a new version which cannot start touches nobody, the pool keeps its capacity, and
memory is needed for one more worker only. Old workers may take their time to finish; no more of them drain than the
pool has workers. Where a pool has more workers than it may have by now (maxProcesses was lowered), the surplus is ended
instead of replaced.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from host.activation.worker_transitions import IN_PLACE, WorkerState

_FIRST_RETRY_SECONDS: Final = 10.0
_LONGEST_RETRY_SECONDS: Final = 900.0


class Manner(enum.Enum):
    """How a worker is recycled."""

    OVERLAPPED = "the replacement is ready before the old one stops taking requests"
    APART = "the old one ends before another one starts"
    ENDED = "it is suspended, or one too many: nobody waits for a replacement"


@dataclass(frozen=True, slots=True)
class Place:
    """One worker of the pool, as this policy sees it. `not_before` is monotonic seconds: a replacement failed, and the
    next one waits until then. `is_apart`: it drains, and its place is taken only when it is gone."""

    state: WorkerState
    is_owed: bool = False
    is_replacement: bool = False  # it starts to take another one's place
    is_apart: bool = False
    is_lost: bool = False  # its process has ended, or is about to: it counts no more
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """Recycle the worker at `place` in the list that was looked at."""

    place: int
    manner: Manner


def next_step(
    places: Sequence[Place], *, now: float, max_processes: int, overlaps: bool, can_start: bool
) -> Step | None:
    """The recycle that may begin now, None when none is owed or it must wait.

    `overlaps`: not disallowOverlappingRotation. `can_start`: the pool's parent can fork.
    """
    owed = [place for place, worker in enumerate(places) if worker.is_owed and worker.not_before <= now]
    for place in owed:
        if places[place].state is WorkerState.SUSPENDED:
            return Step(place, Manner.ENDED)
    ready = [place for place in owed if places[place].state is WorkerState.RUNNING]
    if ready and sum(_is_counted(worker) for worker in places) > max_processes:
        return Step(ready[0], Manner.ENDED)
    if not ready or not can_start or any(worker.is_replacement or worker.is_apart for worker in places):
        return None
    draining = sum(worker.state is WorkerState.DRAINING for worker in places)
    if draining >= max_processes:
        return None
    return Step(ready[0], Manner.OVERLAPPED if overlaps else Manner.APART)


def _is_counted(worker: Place) -> bool:
    """Whether maxProcesses counts it; a replacement is counted as the worker whose place it takes."""
    return worker.state in IN_PLACE and not worker.is_replacement and not worker.is_lost


def retry_seconds(failures: int) -> float:
    """How long a recycle waits after so many replacements in a row have failed to start: 10 s, doubling to 15 min."""
    return min(_FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 16), _LONGEST_RETRY_SECONDS)
