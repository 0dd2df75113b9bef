"""Keeps one application pool as its state and its policies say: its parent process and its workers.

It holds no policy: tables and predicates decide, this file spawns, joins, signals and counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Final

from host.activation.children import Surroundings, describe_exit
from host.activation.front_supervisor import FrontSupervisor
from host.activation.health import is_ping_due, is_unresponsive
from host.activation.idle import is_idle
from host.activation.memory import memory_kilobytes
from host.activation.parent_supervisor import ParentSupervisor
from host.activation.pool_transitions import TRANSITIONS, PoolCommand, PoolEvent, PoolState
from host.activation.rapid_fail import failures_in_window, must_disable
from host.activation.recycling import RecycleReason, recycle_reason
from host.activation.worker_record import WorkerRecord
from host.activation.worker_transitions import WorkerCommand, WorkerEvent, WorkerState
from host.config.model import Pool
from host.isolation.placement import Slot
from host.wire.control_messages import AnyMessage, Configure, Drain, Event, Plugins, Pong, Ready, Unhealthy

_COUNTER_SECONDS: Final = 1.0  # how often counters are asked for where a limit depends on them
_MEMORY_SECONDS: Final = 10.0


class PoolSupervisor:
    """One pool. `tick` is called about once a second."""

    def __init__(
        self, slot: Slot, pool: Pool, around: Surroundings, front: FrontSupervisor, configure: Configure
    ) -> None:
        self.slot = slot
        self.pool = pool
        self.state = PoolState.STOPPED
        self.workers: dict[str, WorkerRecord] = {}
        self.last_recycle = ""
        self.refuse_reason = ""  # HTTPERR's word while requests are refused
        self.gone: asyncio.Future[None] = around.loop.create_future()
        self._around = around
        self._front = front
        self._parent = ParentSupervisor(
            slot,
            around,
            configure,
            on_ready=self._parent_is_ready,
            on_started=self._worker_started,
            on_exited=self._worker_exited,
            on_gone=self._parent_gone,
        )
        self._is_wanted = False  # somebody waits for a worker and the parent cannot fork yet
        self._is_retiring = False
        self._number = 0
        self._failures: list[float] = []
        self._waiters: list[asyncio.Future[None]] = []

    # --- what the supervisor above and the administrator ask for ----------------------------------------------

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

    def start(self) -> None:
        """Start the parent, and the pool unless autoStart is off."""
        self._parent.start("the pool's parent")
        self.handle(PoolEvent.START if self.pool.auto_start else PoolEvent.STOP)

    def handle(self, event: PoolEvent) -> None:
        """Ask the table and do what it says."""
        self.state, commands = TRANSITIONS[self.state, event]
        actions: dict[PoolCommand, Callable[[], None]] = {
            PoolCommand.ACCEPT: self._accept,
            PoolCommand.REFUSE_DISABLED: lambda: self._refuse("Disabled"),
            PoolCommand.REFUSE_OFFLINE: lambda: self._refuse("AppOffline"),
            PoolCommand.DRAIN_WORKERS: lambda: self._drain_all("the pool was stopped"),
        }
        for command in commands:
            actions[command]()
        self._note_if_empty()

    def demand(self) -> None:
        """The front has requests and no worker with credit: start one, up to maxProcesses (a web garden grows so)."""
        if self.state is not PoolState.STARTED or self._is_retiring:
            return
        working = [worker for worker in self.workers.values() if worker.takes_requests]
        if any(worker.state is WorkerState.STARTING for worker in working):
            return
        if len(working) < max(1, self.pool.max_processes):
            self._start_worker("a request waits")

    def recycle(self, reason: RecycleReason) -> None:
        """Replace every worker: overlapped, unless disallowOverlappingRotation."""
        self.last_recycle = reason.text
        for worker in [each for each in self.workers.values() if each.takes_requests]:
            self._recycle_worker(worker, reason)

    def apply(self, slot: Slot, pool: Pool, configure: Configure, reason: RecycleReason | None) -> None:
        """Another configuration is in force; `reason` says why workers must be replaced, None that they need not."""
        self.slot, self.pool = slot, pool
        self._parent.slot = slot
        self._parent.configure(configure)
        if reason is not None and not pool.disallow_rotation_on_config_change:
            self.recycle(reason)

    def retire(self) -> None:
        """End for good: drain the workers, then the parent; `gone` is set when nothing is left."""
        self._is_retiring = True
        self._drain_all("the service lets it go")
        self._end_when_empty()

    def kill(self) -> None:
        """End everything at once."""
        self._is_retiring = True
        for worker in self.workers.values():
            self._kill(worker)
        self._parent.kill()

    def reattach(self) -> None:
        """A new front knows no worker: join them again."""
        for worker in self.workers.values():
            if worker.state is WorkerState.RUNNING and not worker.is_lost:
                self._front.attach(self.slot.name, worker.name, worker.pid, worker.channel)

    def worker_gone(self, name: str, broken: str) -> bool:
        """The front has lost that worker's link; true when it is one of this pool's."""
        worker = self.workers.get(name)
        if worker is None:
            return False
        worker.is_lost = True
        if broken:
            self._report("front-broken-link", worker, f"{name} broke the dialogue: {broken}")
            self._kill(worker)
        return True

    def take_parent_death(self) -> bool:
        """Whether the parent died unexpectedly since this was asked last."""
        return self._parent.take_death()

    async def until_gone(self, names: set[str]) -> None:
        """Wait until none of these workers is left."""
        while names & self.workers.keys():
            waiter = self._around.loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def tick(self) -> None:
        """Look at the clock: pings, idle time-out, recycling limits."""
        now = self._around.clock()
        for worker in list(self.workers.values()):
            if worker.state is WorkerState.RUNNING and not worker.is_lost:
                self._check(worker, now)

    # --- the parent -------------------------------------------------------------------------------------------

    def _parent_is_ready(self) -> None:
        if self._is_wanted or self.pool.start_mode == "AlwaysRunning":
            self._is_wanted = False
            self.demand()

    def _worker_started(self, name: str, pid: int) -> None:
        worker = self.workers.get(name)
        if worker is not None:
            worker.pid = pid
            self._report("process-started", worker, f"worker {name}: {worker.why_started}")

    def _parent_gone(self, was_expected: bool) -> None:
        if not was_expected:
            self._drain_all("its pool's parent died")
            self._is_wanted = True
        for worker in [each for each in self.workers.values() if each.is_lost or not each.pid]:
            self._worker_exited(worker.name, 1)
        self._end_when_empty()

    def _end_when_empty(self) -> None:
        if not self._is_retiring or self.workers:
            return
        if not self._parent.is_alive:
            if not self.gone.done():
                self.gone.set_result(None)
        else:
            self._parent.retire()

    # --- workers ----------------------------------------------------------------------------------------------

    def _start_worker(self, why: str, replaces: WorkerRecord | None = None) -> None:
        if not self._parent.is_ready:
            self._is_wanted = True
            return
        self._number += 1
        now = self._around.clock()
        channel, workers_end = self._around.launcher.channel_pair()
        name = f"{self.pool.name}#{self._number}"
        worker = WorkerRecord(
            name=name, number=self._number, channel=channel, started_at=now, why_started=why, idle_since=now
        )
        worker.replaces = replaces
        self.workers[name] = worker
        channel.attach(
            self._around.loop,
            lambda message, _descriptors: self._heard_worker(worker, message),
            lambda _why: self._channel_lost(worker),
        )
        self._parent.start_worker(name, self._number, workers_end.fileno())
        workers_end.close()
        self._limit(worker, self.pool.startup_time_limit_seconds)

    def _heard_worker(self, worker: WorkerRecord, message: AnyMessage) -> None:
        match message:
            case Ready():
                self._step(worker, WorkerEvent.READY)
            case Pong():
                worker.has_answered(message, self._around.clock())
            case Plugins():
                worker.plugins = list(message.rows)
            case Unhealthy():
                self._recycle_worker(worker, RecycleReason("recycle-unhealthy", message.reason))
            case Event():
                fields = {"pool": self.pool.name, "worker": worker.name, "pid": str(worker.pid), **message.fields}
                self._around.report(message.id, message.text, fields)
            case _:
                pass

    def _channel_lost(self, worker: WorkerRecord) -> None:
        worker.is_lost = True
        if not self._parent.is_alive:  # nobody else will tell how it ended
            self._worker_exited(worker.name, 0)

    def _worker_exited(self, name: str, status: int) -> None:
        worker = self.workers.get(name)
        if worker is None:
            return
        worker.limit(None)
        worker.channel.close()
        how = describe_exit(status)
        worker.end_text = f"{worker.end_text}; {how}" if worker.end_text else how
        del self.workers[name]
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
        self._step(worker, WorkerEvent.EXITED, status=status)
        self._note_if_empty()
        self._end_when_empty()

    def _step(self, worker: WorkerRecord, event: WorkerEvent, *, status: int = 0) -> None:
        for command in worker.step(event):
            match command:
                case WorkerCommand.ATTACH:
                    self._attach(worker)
                case WorkerCommand.DETACH:
                    self._front.detach(worker.name)
                    worker.channel.send(Drain(seconds=float(self.pool.shutdown_time_limit_seconds)))
                    self._limit(worker, self.pool.shutdown_time_limit_seconds)
                case WorkerCommand.KILL:
                    self._kill(worker)
                case WorkerCommand.COUNT_FAILURE:
                    self._count_failure()
                case WorkerCommand.REPORT_STARTUP_LIMIT:
                    limit = self.pool.startup_time_limit_seconds
                    self._report("worker-startup-limit", worker, f"{worker.name} was not ready within {limit} s")
                case WorkerCommand.REPORT_SHUTDOWN_LIMIT:
                    limit = self.pool.shutdown_time_limit_seconds
                    self._report("worker-shutdown-limit", worker, f"{worker.name} did not end within {limit} s")
                case WorkerCommand.REPORT_PING:
                    limit = self.pool.ping_response_time_seconds
                    self._report("worker-ping-failed", worker, f"{worker.name} did not answer within {limit} s")
                case WorkerCommand.REPORT_DEATH:
                    self._report("worker-died", worker, f"{worker.name} ended by {worker.end_text}", status)
                case WorkerCommand.REPORT_END:
                    self._report("process-ended", worker, f"{worker.name} has ended: {worker.end_text}", status)

    def _attach(self, worker: WorkerRecord) -> None:
        worker.limit(None)
        now = self._around.clock()
        worker.idle_since = worker.last_ping_at = worker.last_pong_at = now
        self._front.attach(self.slot.name, worker.name, worker.pid, worker.channel)
        replaced, worker.replaces = worker.replaces, None
        if replaced is not None:
            self._step(replaced, WorkerEvent.DRAIN)

    def _recycle_worker(self, worker: WorkerRecord, reason: RecycleReason) -> None:
        if any(each.replaces is worker for each in self.workers.values()):
            return
        self._report(reason.event_id, worker, f"{worker.name} is recycled: {reason.text}")
        self.last_recycle = reason.text
        worker.end_text = f"recycled ({reason.text})"
        if (
            worker.state is WorkerState.RUNNING
            and not self.pool.disallow_overlapping_rotation
            and self._parent.is_ready
        ):
            self._start_worker(f"replaces {worker.name}", worker)
        else:
            self._step(worker, WorkerEvent.DRAIN)

    def _drain_all(self, text: str) -> None:
        for worker in list(self.workers.values()):
            worker.end_text = worker.end_text or text
            self._step(worker, WorkerEvent.DRAIN)

    def _check(self, worker: WorkerRecord, now: float) -> None:
        pool = self.pool
        limited = pool.periodic_restart_memory_kilobytes or pool.periodic_restart_private_memory_kilobytes
        if limited and now - worker.measured_at >= _MEMORY_SECONDS:
            worker.measured_at = now
            worker.virtual_kilobytes, worker.private_kilobytes = memory_kilobytes(worker.pid)
        facts = worker.facts(now)
        if is_unresponsive(facts, pool):
            worker.end_text = "it did not answer a ping"
            self._step(worker, WorkerEvent.UNRESPONSIVE)
        elif (reason := recycle_reason(facts, pool)) is not None:
            self._recycle_worker(worker, reason)
        elif is_idle(facts, pool):
            text = f"idle for {facts.idle_seconds:.0f} s, idleTimeout is {pool.idle_timeout_seconds} s"
            self._report("worker-idle", worker, f"{worker.name} is ended: {text}")
            worker.end_text = text
            self._step(worker, WorkerEvent.DRAIN)
        elif is_ping_due(facts, pool) or self._needs_counters(worker, now):
            worker.ping(now)

    def _needs_counters(self, worker: WorkerRecord, now: float) -> bool:
        if not (self.pool.periodic_restart_requests or self.pool.idle_timeout_seconds):
            return False
        if worker.last_pong_at < worker.last_ping_at:
            return False
        quick = self.pool.periodic_restart_requests or self.pool.idle_timeout_seconds <= 60
        return now - worker.last_ping_at >= (_COUNTER_SECONDS if quick else _MEMORY_SECONDS)

    def _kill(self, worker: WorkerRecord) -> None:
        if self._parent.is_alive:
            self._parent.kill_worker(worker.name)
        elif worker.pid and not worker.is_lost:  # an orphan: it is the service's own child by now
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)

    def _limit(self, worker: WorkerRecord, seconds: float) -> None:
        worker.limit(self._around.loop.call_later(seconds, self._step, worker, WorkerEvent.LATE))

    # --- the pool's state -------------------------------------------------------------------------------------

    def _count_failure(self) -> None:
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

    def _report(self, event_id: str, worker: WorkerRecord, text: str, status: int | None = None) -> None:
        fields = {"pool": self.pool.name, "worker": worker.name, "pid": str(worker.pid)}
        if status is not None:
            fields["status"] = str(status)
        self._around.report(event_id, text, fields)
