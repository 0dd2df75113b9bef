"""Keeps one application pool as its state says: its parent process, whether it takes requests, and how many workers.

It holds no policy: tables and predicates decide. What is done with a single worker stands in `pool_workers.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from host.activation.children import Surroundings
from host.activation.front_supervisor import FrontSupervisor
from host.activation.parent_supervisor import ParentSupervisor
from host.activation.pool_transitions import TRANSITIONS, PoolCommand, PoolEvent, PoolState
from host.activation.pool_workers import PoolWorkers
from host.activation.rapid_fail import failures_in_window, must_disable
from host.activation.recycling import RecycleReason
from host.activation.worker_record import WorkerRecord
from host.activation.worker_transitions import WorkerState
from host.config.model import Pool
from host.isolation.placement import Slot
from host.wire.control_messages import Configure, Examination


class PoolSupervisor:
    """One pool. `tick` is called about once a second."""

    def __init__(
        self, slot: Slot, pool: Pool, around: Surroundings, front: FrontSupervisor, configure: Configure
    ) -> None:
        self.slot = slot
        self.pool = pool
        self.state = PoolState.STOPPED
        self.refuse_reason = ""  # HTTPERR's word while requests are refused
        self.gone: asyncio.Future[None] = around.loop.create_future()
        self._around = around
        self._front = front
        self._parent = ParentSupervisor(
            slot,
            around,
            configure,
            on_ready=self._parent_is_ready,
            on_started=self._worker_has_started,
            on_exited=self._worker_has_exited,
            on_examined=self._worker_was_examined,
            on_gone=self._parent_gone,
        )
        self._workers = PoolWorkers(
            slot, pool, around, front, self._parent, on_failure=self._count_failure, on_exited=self._note_if_empty
        )
        self._is_wanted = False  # somebody waits for a worker and the parent cannot fork yet
        self._is_retiring = False
        self._failures: list[float] = []
        self._commands: Mapping[PoolCommand, Callable[[], None]] = {
            PoolCommand.ACCEPT: self._accept,
            PoolCommand.REFUSE_DISABLED: lambda: self._refuse("Disabled"),
            PoolCommand.REFUSE_OFFLINE: lambda: self._refuse("AppOffline"),
            PoolCommand.DRAIN_WORKERS: lambda: self._workers.drain_all("the pool was stopped"),
        }

    # --- what there is to know ----------------------------------------------------------------------------------

    @property
    def workers(self) -> dict[str, WorkerRecord]:
        """The pool's workers by name, in the order of their start; to be read only."""
        return self._workers.records

    @property
    def orphans(self) -> dict[str, WorkerRecord]:
        """Workers that were let go and still live, by name; to be read only."""
        return self._workers.orphans.records

    @property
    def last_recycle(self) -> str:
        """Why a worker was recycled last; empty when none was."""
        return self._workers.last_recycle

    @property
    def parent_pid(self) -> int:
        """Process id of the pool's parent, 0 when there is none at the moment."""
        return self._parent.pid

    @property
    def now(self) -> float:
        """The supervisor's clock, monotonic seconds."""
        return self._around.clock()

    @property
    def failure_count(self) -> int:
        """Failures that count at the moment (rapid-fail protection)."""
        return len(failures_in_window(self._failures, self.now, self.pool))

    # --- what the supervisor above and the administrator ask for ------------------------------------------------

    def start(self) -> None:
        """Start the parent, and the pool unless autoStart is off."""
        self._parent.start("the pool's parent")
        self.handle(PoolEvent.START if self.pool.auto_start else PoolEvent.STOP)

    def handle(self, event: PoolEvent) -> None:
        """Ask the table and do what it says."""
        self.state, commands = TRANSITIONS[self.state, event]
        for command in commands:
            self._commands[command]()
        self._note_if_empty()

    def demand(self) -> None:
        """The front has requests and no worker with credit: start one, up to maxProcesses (a web garden grows so)."""
        if self.state is not PoolState.STARTED or self._is_retiring:
            return
        working = self._workers.working()
        if any(worker.state is WorkerState.STARTING for worker in working):
            return
        if len(working) >= max(1, self.pool.max_processes):
            return
        if self._parent.is_ready:
            self._workers.start("a request waits")
        else:
            self._is_wanted = True

    def recycle(self, reason: RecycleReason) -> None:
        """Replace every worker: overlapped, unless disallowOverlappingRotation."""
        self._workers.last_recycle = reason.text
        for worker in self._workers.working():
            self._workers.recycle(worker, reason)

    def apply(self, slot: Slot, pool: Pool, configure: Configure, reason: RecycleReason | None) -> None:
        """Another configuration is in force; `reason` says why workers must be replaced, None that they need not."""
        self.slot, self.pool = slot, pool
        self._workers.slot, self._workers.pool = slot, pool
        self._parent.slot = slot
        self._parent.configure(configure)
        if reason is not None and not pool.disallow_rotation_on_config_change:
            self.recycle(reason)

    def retire(self) -> None:
        """End for good: drain the workers, then the parent; `gone` is set when nothing is left."""
        self._is_retiring = True
        self._workers.drain_all("the service lets it go")
        self._workers.orphans.end()
        self._end_when_empty()

    def kill(self) -> None:
        """End everything at once."""
        self._is_retiring = True
        for worker in (*self.workers.values(), *self.orphans.values()):
            self._workers.kill(worker)
        self._parent.kill()

    def reattach(self) -> None:
        """A new front knows no worker: join them again."""
        self._workers.reattach()

    def worker_gone(self, name: str, broken: str) -> bool:
        """The front has lost that worker's link; true when it is one of this pool's."""
        return self._workers.link_lost(name, broken)

    def take_parent_death(self) -> bool:
        """Whether the parent died unexpectedly since this was asked last."""
        return self._parent.take_death()

    async def until_gone(self, names: set[str]) -> None:
        """Wait until none of these workers is left."""
        await self._workers.until_gone(names)

    def tick(self) -> None:
        """Look at the clock: pings, idle time-out, recycling limits."""
        self._workers.tick()

    # --- the parent ---------------------------------------------------------------------------------------------

    def _parent_is_ready(self) -> None:
        if self._is_wanted or self.pool.start_mode == "AlwaysRunning":
            self._is_wanted = False
            self.demand()

    def _parent_gone(self, was_expected: bool) -> None:
        if not was_expected:
            self._workers.drain_all("its pool's parent died")
            self._is_wanted = True
        self._workers.parent_has_gone()
        self._end_when_empty()

    def _worker_has_started(self, name: str, pid: int) -> None:
        self._workers.has_started(name, pid)

    def _worker_has_exited(self, name: str, status: int) -> None:
        self._workers.has_exited(name, status)

    def _worker_was_examined(self, name: str, examination: Examination) -> None:
        self._workers.was_examined(name, examination)

    def _end_when_empty(self) -> None:
        if not self._is_retiring or self.workers or self.orphans:
            return
        if not self._parent.is_alive:
            if not self.gone.done():
                self.gone.set_result(None)
        else:
            self._parent.retire()

    # --- the pool's state ---------------------------------------------------------------------------------------

    def _count_failure(self, _worker: WorkerRecord) -> None:
        now = self._around.clock()
        self._failures = [*failures_in_window(self._failures, now, self.pool), now]
        if self.state is PoolState.STARTED and must_disable(self._failures, now, self.pool):
            text = (
                f"pool {self.pool.name} is disabled: {len(self._failures)} failures within "
                f"{self.pool.rapid_fail_interval_seconds} s; `isapy start pool {self.pool.name}` enables it"
            )
            self._around.report("pool-rapid-fail", text, {"pool": self.pool.name})
            self.handle(PoolEvent.RAPID_FAIL)

    def _accept(self) -> None:
        self._failures.clear()
        self.refuse_reason = ""
        self._front.queue_state(self.slot.name, "")
        self._around.report("pool-started", f"pool {self.pool.name} takes requests", {"pool": self.pool.name})
        if self.pool.start_mode == "AlwaysRunning":
            self.demand()

    def _refuse(self, reason: str) -> None:
        self.refuse_reason = reason
        self._front.queue_state(self.slot.name, reason)
        text = f"pool {self.pool.name} refuses requests with 503 {reason}"
        self._around.report("pool-stopped", text, {"pool": self.pool.name})

    def _note_if_empty(self) -> None:
        if not self.workers and self.state is PoolState.STOPPING:
            self.handle(PoolEvent.EMPTY)
        self._end_when_empty()
