"""Which worker is recycled next, and how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from host.activation.rotation import Manner, Place, Step, next_step, retry_seconds
from host.activation.worker_transitions import WorkerState

RUNNING = Place(WorkerState.RUNNING)
OWED = Place(WorkerState.RUNNING, is_owed=True)
STARTING = Place(WorkerState.STARTING, is_replacement=True)
DRAINING = Place(WorkerState.DRAINING)


def step(*places: Place, now: float = 0.0, most: int = 1, overlaps: bool = True, can_start: bool = True) -> Step | None:
    return next_step(places, now=now, max_processes=most, overlaps=overlaps, can_start=can_start)


def test_nothing_is_owed_so_nothing_happens() -> None:
    """The usual look."""
    assert step(RUNNING, RUNNING) is None


def test_an_owed_worker_is_replaced_with_overlap_unless_the_pool_disallows_it() -> None:
    """disallowOverlappingRotation."""
    assert step(OWED) == Step(0, Manner.OVERLAPPED)
    assert step(OWED, overlaps=False) == Step(0, Manner.APART)


def test_a_garden_changes_one_after_the_other() -> None:
    """While a replacement starts, or a worker leaves without overlap, the others go on."""
    assert step(RUNNING, OWED, OWED, most=3) == Step(1, Manner.OVERLAPPED)
    assert step(OWED, OWED, STARTING, most=3) is None
    assert step(OWED, replace(DRAINING, is_apart=True), most=2, overlaps=False) is None


def test_never_more_workers_drain_than_the_pool_has() -> None:
    """Requests that take long must not pile up old workers when recycles come quickly."""
    assert step(OWED, DRAINING, most=2) == Step(0, Manner.OVERLAPPED)
    assert step(OWED, DRAINING, DRAINING, most=2) is None


def test_workers_that_are_too_many_are_ended_without_a_replacement() -> None:
    """maxProcesses was lowered: one by one they leave, until the last that may stay is replaced."""
    assert step(OWED, OWED, OWED, most=2) == Step(0, Manner.ENDED)
    assert step(DRAINING, OWED, RUNNING, most=1) == Step(1, Manner.ENDED)
    assert step(DRAINING, OWED, OWED, most=2) == Step(1, Manner.OVERLAPPED)
    assert step(RUNNING, RUNNING, RUNNING, most=2) is None


def test_neither_a_replacement_nor_a_lost_worker_is_one_too_many() -> None:
    """A replacement counts as the worker whose place it takes; a process that has crashed counts no more."""
    assert step(OWED, STARTING) is None
    assert step(replace(RUNNING, is_lost=True), OWED) == Step(1, Manner.OVERLAPPED)


def test_a_recycle_waits_for_its_worker_to_be_ready_and_for_the_parent() -> None:
    """A worker that starts is recycled once it runs; without a parent nobody can be forked."""
    assert step(Place(WorkerState.STARTING, is_owed=True)) is None
    assert step(OWED, can_start=False) is None


def test_after_a_failed_replacement_the_recycle_waits() -> None:
    """And the others of the garden are tried meanwhile."""
    waiting = replace(OWED, not_before=10.0)
    assert step(waiting, now=9.9) is None
    assert step(waiting, now=10.0) == Step(0, Manner.OVERLAPPED)
    assert step(waiting, OWED, most=2) == Step(1, Manner.OVERLAPPED)


def test_a_suspended_worker_is_ended_at_once() -> None:
    """It has nothing in hand, and nobody waits for a replacement."""
    asleep = Place(WorkerState.SUSPENDED, is_owed=True)
    assert step(OWED, asleep, STARTING, most=2, can_start=False) == Step(1, Manner.ENDED)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 10.0), (2, 20.0), (4, 80.0), (9, 900.0), (1000, 900.0)])
def test_each_failed_replacement_doubles_the_wait_up_to_a_quarter_of_an_hour(failures: int, seconds: float) -> None:
    """A broken version is not tried again every second."""
    assert retry_seconds(failures) == seconds
