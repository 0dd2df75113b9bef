"""Carries out the recycling of one pool's workers, one step after the other; `rotation.py` says which and how."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from host.activation.children import Surroundings
from host.activation.headroom import shortage
from host.activation.parent_supervisor import ParentSupervisor
from host.activation.pool_workers import PoolWorkers
from host.activation.recycling import RecycleReason, is_logged, schedule_reason
from host.activation.rotation import Manner, Place, next_step, retry_seconds
from host.activation.schedule import look_at_schedule, time_of_day
from host.activation.worker_record import WorkerRecord
from host.activation.worker_reports import report_worker
from host.activation.worker_transitions import WorkerEvent


class PoolRotation:
    """Owed recycles and how they go on. `max_processes()` is the pool's, NUMA nodes counted."""

    def __init__(
        self,
        workers: PoolWorkers,
        parent: ParentSupervisor,
        around: Surroundings,
        max_processes: Callable[[], int],
    ) -> None:
        self.last_recycle = ""  # why a worker was recycled last
        self.last_recycle_at = 0.0  # monotonic seconds
        self._workers = workers
        self._parent = parent
        self._around = around
        self._max_processes = max_processes
        self._schedule_mark = around.wall_clock()
        self.is_over = False  # no recycle begins any more

    def end(self) -> None:
        """Begin no recycle any more: the workers will soon end with everything else."""
        self.is_over = True

    def owe(self, worker: WorkerRecord, reason: RecycleReason) -> None:
        """A policy wants this worker recycled; what is owed already keeps its reason and its time."""
        if worker.owed is None:
            worker.owed = reason
            self.go_on()

    def owe_all(self, reason: RecycleReason) -> None:
        """Every worker is to be recycled, those that start now included: they may have read what was changed since.
        Replacements that failed before do not delay it."""
        for worker in self._workers.working():
            worker.owed, worker.not_before, worker.failed_replacements = reason, 0.0, 0
        self.go_on()

    def go_on(self) -> None:
        """Begin what may begin now: called whenever a worker has come or gone, and with every look at the clock."""
        while not self.is_over:
            records = list(self._workers.records.values())
            step = next_step(
                [_place_of(worker) for worker in records],
                now=self._around.clock(),
                max_processes=self._max_processes(),
                overlaps=not self._workers.pool.disallow_overlapping_rotation,
                can_start=self._parent.is_ready,
            )
            if step is None:
                return
            requests_wait = step.manner is Manner.APART
            with nullcontext() if requests_wait else self._around.in_no_hurry():
                self._begin(records[step.place], step.manner)

    def tick(self) -> None:
        """Look at the clock: a time of day that the schedule names recycles the workers that there are."""
        mark, wall = self._schedule_mark, self._around.wall_clock()
        self._schedule_mark = look_at_schedule((), mark, wall).mark
        for worker in self._workers.working():
            due = look_at_schedule(worker.settings.periodic_restart_schedule, mark, wall).due
            if due is not None:
                self.owe(worker, schedule_reason(time_of_day(due)))
        self.go_on()

    def worker_has_gone(self, gone: WorkerRecord) -> None:
        """If it was to replace a worker that still serves, that one stays, and the recycle waits."""
        old = gone.replaces
        if old is None or not old.takes_requests:
            return
        old.failed_replacements += 1
        seconds = retry_seconds(old.failed_replacements)
        old.not_before = self._around.clock() + seconds
        text = (
            f"{gone.name}, the replacement of {old.name}, did not start ({gone.end_text}): {old.name} goes on serving, "
            f"the recycle is tried again in {seconds:.0f} s"
        )
        report_worker(self._around.report, "recycle-failed", gone, text)

    def _begin(self, worker: WorkerRecord, manner: Manner) -> None:
        reason, pool = worker.owed, self._workers.pool
        assert reason is not None, "only owed workers are recycled"
        if is_logged(reason, pool) and not worker.failed_replacements:
            text = f"{worker.name} is recycled: {reason.text}"
            report_worker(self._around.report, reason.event_id, worker, text)
        self.last_recycle, self.last_recycle_at = reason.text, self._around.clock()
        if manner is Manner.OVERLAPPED and not self._has_room_beside(worker):
            manner = Manner.APART
        if manner is Manner.OVERLAPPED:
            self._workers.start(f"replaces {worker.name}", worker)
            return
        worker.is_apart = manner is Manner.APART
        worker.end_text = f"recycled ({reason.text})"
        self._workers.step(worker, WorkerEvent.DRAIN)

    def _has_room_beside(self, worker: WorkerRecord) -> bool:
        short = shortage(self._around.memory_facts(worker.pid))
        if short:
            text = f"{worker.name} is recycled without overlap, requests wait meanwhile: {short}"
            report_worker(self._around.report, "recycle-apart", worker, text)
        return not short


def _place_of(worker: WorkerRecord) -> Place:
    return Place(
        worker.state,
        is_owed=worker.owed is not None and not worker.is_lost,
        is_replacement=worker.is_replacement,
        is_apart=worker.is_apart,
        is_lost=worker.is_lost,
        not_before=worker.not_before,
    )
