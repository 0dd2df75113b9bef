"""Puts an idle worker to sleep and wakes it (idleTimeoutAction Suspend), as the worker's table commands.

The front lets go of it first and says so: from then on nothing can be on its way to it. Then the worker gives back what
memory it can, its process is stopped, and the kernel is asked to take the pages that nobody will touch. Its links and
its state stay as they are: the next demand continues the process, and the front may hand it requests again.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import Final

from host.activation.children import Surroundings
from host.activation.front_group import FrontGroup
from host.activation.front_supervisor import FrontSupervisor
from host.activation.memory import resident_kilobytes
from host.activation.reclaim import reclaim_when_stopped
from host.activation.worker_record import WorkerRecord
from host.activation.worker_transitions import WorkerCommand, WorkerState
from host.wire.control_messages import Suspend

_PAUSE_SECONDS: Final = 10.0  # the front answers at once
_RELEASE_SECONDS: Final = 60.0  # collecting garbage in a large process takes its time


class WorkerSuspension:
    """The commands around SUSPENDING and SUSPENDED.

    `signal_worker(worker, number)` sends a signal; `attach(worker, front)` joins them by a new link;
    `limit(worker, seconds)` starts its time limit; `report(event_id, worker, text)` writes an event.
    """

    def __init__(
        self,
        around: Surroundings,
        front: FrontGroup,
        *,
        signal_worker: Callable[[WorkerRecord, int], None],
        attach: Callable[[WorkerRecord, FrontSupervisor], None],
        limit: Callable[[WorkerRecord, float], None],
        report: Callable[[str, WorkerRecord, str], None],
    ) -> None:
        self._around = around
        self._front = front
        self._signal = signal_worker
        self._attach = attach
        self._limit = limit
        self._report = report
        self._reclaiming: set[asyncio.Future[bool]] = set()
        self.commands: Mapping[WorkerCommand, Callable[[WorkerRecord], None]] = {
            WorkerCommand.PAUSE: self._pause,
            WorkerCommand.RELEASE: self._release,
            WorkerCommand.STOP: self._stop,
            WorkerCommand.CONTINUE: self._continue,
            WorkerCommand.RESUME: self._resume,
        }

    def _pause(self, worker: WorkerRecord) -> None:
        worker.suspension += 1
        worker.resident_before = resident_kilobytes(worker.pid)
        self._front.pause(worker.name, worker.suspension)
        self._limit(worker, _PAUSE_SECONDS)

    def _release(self, worker: WorkerRecord) -> None:
        worker.channel.send(Suspend(number=worker.suspension))
        self._limit(worker, _RELEASE_SECONDS)

    def _stop(self, worker: WorkerRecord) -> None:
        worker.limit(None)
        self._signal(worker, signal.SIGSTOP)
        number = worker.suspension
        reclaiming = self._around.loop.run_in_executor(None, reclaim_when_stopped, worker.pid)
        self._reclaiming.add(reclaiming)

        def has_reclaimed(done: asyncio.Future[bool]) -> None:
            self._reclaiming.discard(done)
            if not done.cancelled() and worker.suspension == number and worker.state is WorkerState.SUSPENDED:
                self._tell_what_was_given_back(worker, by_kernel=done.result())

        reclaiming.add_done_callback(has_reclaimed)

    def _tell_what_was_given_back(self, worker: WorkerRecord, *, by_kernel: bool) -> None:
        before, after = worker.resident_before, resident_kilobytes(worker.pid)
        how = "" if by_kernel else "; this kernel or this user cannot take more from another process"
        self._report(
            "worker-suspended", worker, f"{worker.name} sleeps: {before} KB were in memory, {after} KB are{how}"
        )

    def _continue(self, worker: WorkerRecord) -> None:
        self._signal(worker, signal.SIGCONT)

    def _resume(self, worker: WorkerRecord) -> None:
        worker.limit(None)
        worker.has_woken(self._around.clock())
        self._front.resume(worker.name)
        for front in worker.lost_fronts:
            self._attach(worker, front)
        worker.lost_fronts.clear()
