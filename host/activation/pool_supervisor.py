"""Keeps one application pool as its state says: its parent process, whether it takes requests, and how many workers.

It holds no policy: tables and predicates decide. What is done with a single worker stands in `pool_workers.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from host.activation.children import Surroundings
from host.activation.front_group import FrontGroup
from host.activation.front_supervisor import FrontSupervisor
from host.activation.garden import Answer, GardenFacts, answer_demand
from host.activation.numa import numa_nodes
from host.activation.parent_supervisor import ParentEnd, ParentSupervisor
from host.activation.pool_door import APP_OFFLINE, APP_SHUTDOWN, DISABLED, PoolDoor
from host.activation.pool_processor import PoolProcessor
from host.activation.pool_rotation import PoolRotation
from host.activation.pool_starts import PoolStarts
from host.activation.pool_transitions import TRANSITIONS, PoolCommand, PoolEvent, PoolState
from host.activation.pool_workers import PoolWorkers
from host.activation.recycling import RecycleReason
from host.activation.settled_changes import SettledChanges
from host.activation.whole_server import WholeServer
from host.activation.worker_record import WorkerRecord
from host.config.model import Pool
from host.isolation.placement import Slot
from host.wire.control_messages import Configure
from host.wire.message_rows import Examination

ALWAYS_RUNNING: Final = "AlwaysRunning"  # applicationPools/add/@startMode
_SETTLE_SECONDS: Final = 1.0  # web.config files that are saved within this time recycle once


class PoolSupervisor:
    """One pool. `tick` is called about once a second."""

    def __init__(
        self,
        slot: Slot,
        pool: Pool,
        around: Surroundings,
        front: FrontGroup,
        configure: Configure,
        server: WholeServer,
    ) -> None:
        self._server = server
        self.slot = slot
        self.pool = pool
        self.state = PoolState.STOPPED
        self.gone: asyncio.Future[None] = around.loop.create_future()
        self.has_settled = asyncio.Event()  # set while it is not Starting
        self._around = around
        self._door = PoolDoor(slot.name, pool, around, front)
        self._parent = ParentSupervisor(slot, around, configure, self)
        self._parent.startup_seconds = pool.startup_time_limit_seconds
        self._starts = PoolStarts(pool, around, go_on=self._go_on, disable=self._disable)
        self._workers = PoolWorkers(slot, pool, around, front, self._parent, self)
        self._rotation = PoolRotation(self._workers, self._parent, around, lambda: self.max_processes)
        self._processor = PoolProcessor(self, around, server.processor_groups, lambda: self._parent.pids)
        self._changed_files = SettledChanges(around.loop, _SETTLE_SECONDS, self._recycle_for_web_config)
        self._is_held_back = False
        self._is_wanted = False  # a worker shall be started as soon as one can be
        self._is_retiring = False
        self._commands: Mapping[PoolCommand, Callable[[], None]] = {
            PoolCommand.ACCEPT: self._door.open,
            PoolCommand.FORGET_FAILURES: self._starts.forget,
            PoolCommand.START_PARENT: self._start_parent,
            PoolCommand.START_WORKERS: self._start_wanted,
            PoolCommand.REFUSE_DISABLED: lambda: self._refuse(DISABLED),
            PoolCommand.REFUSE_OFFLINE: lambda: self._refuse(APP_OFFLINE),
            PoolCommand.REFUSE_SHUTDOWN: lambda: self._refuse(APP_SHUTDOWN),
            PoolCommand.DRAIN_WORKERS: lambda: self._workers.drain_all("the pool was stopped"),
            PoolCommand.KILL_WORKERS: self._workers.kill_all,
            PoolCommand.DRAIN_ABANDONED: self._drain_abandoned,
            PoolCommand.END_PARENT: self._end_parent,
            PoolCommand.RUN_AUTO_SHUTDOWN: self._door.run_auto_shutdown,
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
        return self._rotation.last_recycle

    @property
    def max_processes(self) -> int:
        """How many workers the pool may have: maxProcesses, where 0 is one for each NUMA node."""
        return self.pool.max_processes or numa_nodes()

    @property
    def last_recycle_seconds(self) -> float | None:
        """How long ago that was; None when it never was."""
        return self.now - self._rotation.last_recycle_at if self.last_recycle else None

    @property
    def refuse_reason(self) -> str:
        """HTTPERR's word while requests are refused; empty while they are taken."""
        return self._door.reason

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
        return self._starts.failure_count

    # --- what the supervisor above and the administrator ask for ------------------------------------------------

    def start(self) -> None:
        """The service has it now: start it, unless autoStart is off."""
        self.handle(PoolEvent.START if self.pool.auto_start else PoolEvent.STOP)

    def handle(self, event: PoolEvent) -> None:
        """Ask the table and do what it says."""
        self.state, commands = TRANSITIONS[self.state, event]
        (self.has_settled.clear if self.state is PoolState.STARTING else self.has_settled.set)()
        for command in commands:
            self._commands[command]()
        self._note_if_empty()

    def shut_down(self, why: str) -> None:
        """A policy wants no workers of this pool for a time: they are killed, requests get 503 AppShutdown until
        `end_shut_down`."""
        self._door.why = why
        self.handle(PoolEvent.SHUT_DOWN)

    def end_shut_down(self) -> None:
        """The policy's time is over: start the pool again, unless somebody else has stopped it meanwhile."""
        if self._door.reason == APP_SHUTDOWN:
            self.handle(PoolEvent.START)

    def demand(self, known_to_front: int | None = None, why: str = "a request waits") -> None:
        """The front has requests and no worker with credit, and knows so many workers (None: it is not the front that
        asks): wake one or start one, up to maxProcesses (a web garden grows so). Where none can be started yet it is
        started later; asking again changes nothing."""
        if self._is_retiring or self.state not in (PoolState.STARTING, PoolState.STARTED):
            return
        facts = self._garden(known_to_front)
        answer = answer_demand(facts)
        if answer is Answer.WAKE:
            self._workers.wake()
        elif answer is Answer.START and self._may_start():
            self._is_wanted = False
            self._workers.start(why)
        elif answer is Answer.START or facts.leaving:
            self._is_wanted = True
        self._note_if_held_back(answer is Answer.HELD_BACK)

    def recycle(self, reason: RecycleReason) -> None:
        """Replace every worker, one after the other: overlapped, unless disallowOverlappingRotation. A sandbox is made
        anew: what it names may be another file by now."""
        if self.pool.confinement.is_made_at_start:
            self._parent.renew(f"what it is confined by is made anew: {reason.text}")
        self._rotation.owe_all(reason)

    def apply(self, slot: Slot, pool: Pool, configure: Configure, reason: RecycleReason | None) -> None:
        """Another configuration is in force; `reason` says why workers must be replaced, None that they need not."""
        is_recycled = reason is not None and not pool.disallow_rotation_on_config_change
        must_renew = pool.confinement != self.pool.confinement or (is_recycled and pool.confinement.is_made_at_start)
        self.slot, self.pool = slot, pool
        self._workers.obey(slot, pool, are_recycled=is_recycled)
        self._starts.pool = self._door.pool = pool
        self._parent.slot, self._parent.startup_seconds = slot, pool.startup_time_limit_seconds
        if must_renew:
            self._parent.renew("identity, privileges, sandbox or users of scripts are others now", configure)
        else:
            self._parent.configure(configure)
        if is_recycled and reason is not None:
            self._rotation.owe_all(reason)

    def end_recycling(self) -> None:
        """The front finishes its last requests, for which workers may still be started; none is replaced any more."""
        self._rotation.end()

    def retire(self) -> None:
        """End for good: drain the workers, then the parent; `gone` is set when nothing is left."""
        self._is_retiring = True
        self._starts.stop_waiting()
        self._workers.drain_all("the service lets it go")
        self._workers.orphans.end()
        self._end_when_empty()

    def kill(self) -> None:
        """End everything at once."""
        self._is_retiring = True
        self._starts.stop_waiting()
        for worker in (*self.workers.values(), *self.orphans.values()):
            self._workers.kill(worker)
        self._parent.kill()

    def reattach(self, front: FrontSupervisor) -> None:
        """A front that has just started knows no worker: join them."""
        self._workers.reattach(front)

    def worker_gone(self, name: str, broken: str) -> bool:
        """The front has lost that worker's link; true when it is one of this pool's."""
        return self._workers.link_lost(name, broken)

    def worker_paused(self, name: str, number: int, *, is_paused: bool) -> bool:
        """The front's answer to a pause; true when it is about one of this pool's workers."""
        return self._workers.has_paused(name, number, is_paused=is_paused)

    async def until_gone(self, names: set[str]) -> None:
        """Wait until none of these workers is left."""
        await self._workers.until_gone(names)

    def tick(self) -> None:
        """Look at the clock: pings, idle time-out, recycling limits and schedule."""
        if self._is_held_back:
            self._go_on()  # the front says again that requests wait; startMode AlwaysRunning does not
        self._workers.tick()
        self._processor.look(self.pool)
        self._rotation.tick()

    # --- demand and recycling -----------------------------------------------------------------------------------

    def _garden(self, known_to_front: int | None) -> GardenFacts:
        return GardenFacts(
            states=[worker.state for worker in self._workers.working() if not worker.is_replacement],
            leaving=sum(worker.is_apart for worker in self.workers.values()),
            known_to_front=known_to_front,
            max_processes=self.max_processes,
            on_server=self._server.worker_count(),
            most_on_server=self._server.limits.demand_start_threshold,
        )

    def _note_if_held_back(self, is_held_back: bool) -> None:
        """Said once, until a demand is met again."""
        if is_held_back and not self._is_held_back:
            most = self._server.limits.demand_start_threshold
            text = f"pool {self.pool.name} gets no worker: webLimits/@demandStartThreshold allows {most} in all"
            self._around.report("demand-held-back", text, {"pool": self.pool.name})
        self._is_held_back = is_held_back

    # --- what the workers tell (pool_workers.WorkersOwner) ------------------------------------------------------

    def worker_attaching(self, worker: WorkerRecord) -> None:
        """It is about to get its first link."""
        self._processor.attaching(worker, self.pool.cpu)
        worker.count_to(worker.settings.periodic_restart_requests)

    def worker_attached(self) -> None:
        """One more serves: the next one may be recycled."""
        self._rotation.go_on()

    def worker_exited(self, worker: WorkerRecord) -> None:
        """It has gone: somebody may wait for its place."""
        self._rotation.worker_has_gone(worker)
        if worker.is_apart or worker.owed is not None:
            self._start_wanted()
        self._rotation.go_on()
        self._note_if_empty()
        if self.state is PoolState.STOPPED:
            self._end_parent()

    def wants_recycle(self, worker: WorkerRecord, reason: RecycleReason) -> None:
        """A policy, or the worker itself, wants it recycled."""
        self._rotation.owe(worker, reason)

    def idle_timeout(self, settings: Pool) -> float:
        """Seconds, as it is in force now for a worker with these settings; 0: never."""
        return self._server.idle_timeout(settings, self.now)

    def web_config_changed(self, files: list[str]) -> None:
        """A worker has seen these change. Saves that come together give one recycle."""
        if not self.pool.disallow_rotation_on_config_change:
            self._changed_files.note(files)

    def _recycle_for_web_config(self, files: list[str]) -> None:
        self.recycle(RecycleReason("recycle-config-change", f"web.config changed: {', '.join(files)}"))

    # --- the parent ---------------------------------------------------------------------------------------------

    def _start_parent(self) -> None:
        self._parent.start("the pool's parent")
        if self._parent.is_ready:  # the one of before, whose workers had not ended yet
            self.handle(PoolEvent.PARENT_READY)

    def _end_parent(self) -> None:
        if not self.orphans:  # a worker that was left to a debugger would end with it
            self._parent.stop()

    def _drain_abandoned(self) -> None:
        self._is_wanted = self._is_wanted or bool(self._workers.working())
        self._workers.abandon_all("its pool's parent died")

    def parent_is_ready(self) -> None:
        """Workers can be forked (parent_supervisor.ParentOwner)."""
        self.handle(PoolEvent.PARENT_READY)
        self._rotation.go_on()

    def parent_has_died(self, end: ParentEnd) -> None:
        """The parent has ended without being told."""
        self.handle(PoolEvent.PARENT_LOST)
        if not end.was_preloading:  # no failure of the pool: the next parent does without
            self._starts.parent_has_died(self.slot.title, end)
        if self.state is PoolState.STARTING and not self._is_retiring:
            why = "without preloading" if end.was_preloading else "the one before it died"
            self._parent.start_after(self._starts.seconds_to_wait, why)
        self._end_when_empty()

    def workers_are_abandoned(self, names: set[str]) -> None:
        """A parent that was replaced has died before its last workers."""
        self._workers.abandon_all("its pool's parent, which was replaced, died", names)

    def parent_is_unhealthy(self, reason: str) -> None:
        """It lacks what it cannot get any more: another one has it. Workers in a sandbox lack it, too."""
        if self.pool.confinement.is_made_at_start:
            self.recycle(RecycleReason("recycle-unhealthy", reason))
        else:
            self._parent.renew(reason)

    def parent_is_gone(self) -> None:
        """The parent has ended as it was told to."""
        self._workers.abandon_all("its pool's parent was ended")  # there are none, unless it was killed
        self._end_when_empty()

    def worker_has_started(self, name: str, pid: int) -> None:
        """The parent has forked it."""
        self._workers.has_started(name, pid)

    def worker_has_exited(self, name: str, status: int) -> None:
        """The parent tells of its end: exit code, or minus the signal."""
        self._workers.has_exited(name, status)

    def worker_was_examined(self, name: str, examination: Examination) -> None:
        """The parent has found out what it is doing."""
        self._workers.was_examined(name, examination)

    def _end_when_empty(self) -> None:
        if not self._is_retiring or self.workers or self.orphans:
            return
        if not self._parent.is_alive:
            if not self.gone.done():
                self._processor.forget(self.pool)
                self.gone.set_result(None)
        else:
            self._parent.stop()

    # --- the pool's state ---------------------------------------------------------------------------------------

    def worker_failed(self, worker: WorkerRecord) -> None:
        """It failed in a way that rapid-fail protection counts."""
        self._starts.worker_has_failed(worker)

    def worker_cannot_load(self, worker: WorkerRecord) -> None:
        """It has ended before Ready, and said that another one would not do better."""
        self._starts.worker_cannot_load(worker)

    def _may_start(self) -> bool:
        """Whether a worker can be started at this moment."""
        return self.state is PoolState.STARTED and self._parent.is_ready and not self._starts.must_wait()

    def _start_wanted(self) -> None:
        """Start what somebody waits for, or startMode AlwaysRunning demands."""
        always = self.pool.start_mode == ALWAYS_RUNNING and not self._rotation.is_over and not self._workers.working()
        if self._is_wanted or always:
            self._is_wanted = False
            self.demand(why="startMode is AlwaysRunning" if always else "one is wanted")

    def _go_on(self) -> None:
        """After a failure, or when starts need not wait any more."""
        if self.state is PoolState.STARTED and not self._is_retiring:
            self._start_wanted()

    def _disable(self, event: PoolEvent, why: str) -> None:
        self._door.why = why
        self.handle(event)

    def _refuse(self, reason: str) -> None:
        self._is_wanted = False
        self._starts.stop_waiting()
        self._door.close(reason)

    def _note_if_empty(self) -> None:
        if not self.workers and self.state is PoolState.STOPPING:
            self.handle(PoolEvent.EMPTY)
        self._end_when_empty()
