"""The workers of one pool: starts them, carries out what their table commands, hears what they say, and misses none.

It decides nothing: `worker_transitions.py` says what becomes of a worker, `worker_watch.py` what is due, and whether
the pool may have another worker is its supervisor's affair (`pool_supervisor.py`).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from typing import Final, Protocol

from host.activation.children import Surroundings
from host.activation.front_group import FrontGroup
from host.activation.front_supervisor import FrontSupervisor
from host.activation.orphans import Orphans
from host.activation.parent_supervisor import ParentSupervisor
from host.activation.recycling import RecycleReason, age_reason
from host.activation.unresponsive import UnresponsiveWorkers
from host.activation.worker_record import WorkerRecord
from host.activation.worker_reports import SENTENCES, report_command, report_worker
from host.activation.worker_suspension import WorkerSuspension
from host.activation.worker_transitions import WorkerCommand, WorkerEvent, WorkerState
from host.activation.worker_watch import Due, Finding, look_at, look_for_idle
from host.config.diff import until_recycled
from host.config.model import Pool
from host.isolation.placement import Slot
from host.wire.control_messages import (
    AnyMessage,
    Drain,
    Event,
    FilesChanged,
    Plugins,
    Ready,
    Served,
    Suspended,
    Unhealthy,
    WebConfigChanged,
)
from host.wire.exit_codes import cannot_load
from host.wire.message_rows import Examination
from host.wire.script_messages import Scripts

_LAST_WORDS_SECONDS: Final = 5.0  # from the end of a worker's link to its exit status; longer means that it lives on
_ASLEEP: Final = (WorkerState.SUSPENDED, WorkerState.SUSPENDING)


class WorkersOwner(Protocol):
    """Who is told what happens to the workers of a pool."""

    def worker_failed(self, worker: WorkerRecord) -> None:
        """It failed in a way that rapid-fail protection counts."""

    def worker_cannot_load(self, worker: WorkerRecord) -> None:
        """It has ended before Ready, and said that another one would not do better."""

    def worker_attaching(self, worker: WorkerRecord) -> None:
        """It is about to get its first link."""

    def worker_attached(self) -> None:
        """One more serves."""

    def worker_exited(self, worker: WorkerRecord) -> None:
        """It has gone."""

    def wants_recycle(self, worker: WorkerRecord, reason: RecycleReason) -> None:
        """A policy, or the worker itself, wants it recycled."""

    def web_config_changed(self, files: list[str]) -> None:
        """A worker has seen these files change."""

    def idle_timeout(self, settings: Pool) -> float:
        """Seconds, as it is in force now for a worker with these settings; 0: never."""


class PoolWorkers:
    """The records of one pool's workers by name, and everything that is done with them.

    What follows for the pool is the affair of `owner`, its supervisor.
    """

    def __init__(
        self,
        slot: Slot,
        pool: Pool,
        around: Surroundings,
        front: FrontGroup,
        parent: ParentSupervisor,
        owner: WorkersOwner,
    ) -> None:
        self.slot = slot
        self.pool = pool
        self.records: dict[str, WorkerRecord] = {}
        self._around = around
        self._front = front
        self._parent = parent
        self._owner = owner
        self._report = partial(report_worker, around.report)
        self._suspension = WorkerSuspension(
            around, front, signal_worker=self._signal, attach=self._join, limit=self._limit, report=self._report
        )
        self._number = 0
        self._waiters: list[asyncio.Future[None]] = []
        self.orphans = Orphans(around, self.kill)
        self._unresponsive = unresponsive = UnresponsiveWorkers(around, front, parent, self._was_examined)
        self._commands: Mapping[WorkerCommand, Callable[[WorkerRecord], None]] = {
            WorkerCommand.ATTACH: self._attach,
            WorkerCommand.DETACH: self._detach,
            WorkerCommand.AWAIT_EXIT: lambda worker: self._limit(worker, _LAST_WORDS_SECONDS),
            WorkerCommand.KILL: self.kill,
            WorkerCommand.EXAMINE: unresponsive.examine,
            WorkerCommand.DROP: unresponsive.drop,
            WorkerCommand.ORPHAN: self._orphan,
            WorkerCommand.REPORT_PING: unresponsive.report,
            WorkerCommand.COUNT_FAILURE: owner.worker_failed,
            WorkerCommand.TAKE_OFFLINE: owner.worker_cannot_load,
            **self._suspension.commands,
            **{command: partial(report_command, around.report, command) for command in SENTENCES},
        }
        self._findings: Mapping[Due, Callable[[WorkerRecord, Finding], None]] = {
            Due.FAIL: self._fail,
            Due.RECYCLE: lambda worker, finding: owner.wants_recycle(worker, finding.recycle_reason),
            Due.PING: lambda worker, _finding: worker.ping(self._around.clock()),
        }

    # --- what the supervisor asks for ---------------------------------------------------------------------------

    def working(self) -> list[WorkerRecord]:
        """The workers that take requests or soon will: what maxProcesses counts."""
        return [worker for worker in self.records.values() if worker.takes_requests]

    def obey(self, slot: Slot, pool: Pool, *, are_recycled: bool) -> None:
        """Another configuration is in force. Workers that are not recycled for it go on as they were started."""
        self.slot, self.pool = slot, pool
        for worker in self.records.values():
            worker.settings = pool if are_recycled else until_recycled(worker.settings, pool)

    def start(self, why: str, replaces: WorkerRecord | None = None) -> None:
        """Have the pool's parent fork one; `why` ends in the event log. The parent must be ready."""
        self._number += 1
        now = self._around.clock()
        channel, workers_end = self._around.launcher.channel_pair()
        name = f"{self.pool.name}#{self._number}"
        worker = WorkerRecord(
            name=name,
            number=self._number,
            channel=channel,
            settings=self.pool,
            started_at=now,
            why_started=why,
            idle_since=now,
            replaces=replaces,
        )
        self.records[name] = worker
        channel.attach(
            self._around.loop,
            lambda message, descriptors: self._heard(worker, message, descriptors),
            lambda _why: self._channel_lost(worker),
        )
        self._parent.start_worker(name, self._number, workers_end.fileno(), is_awaited=replaces is None)
        workers_end.close()
        self._limit(worker, self.pool.startup_time_limit_seconds)

    def wake(self) -> None:
        """Requests wait: continue one worker that is suspended, or was about to be; the latest sleeper first."""
        asleep = [each for each in self.records.values() if each.state in _ASLEEP and not each.is_lost]
        worker = max(asleep, key=lambda each: each.last_pong_at)
        slept = worker.state is WorkerState.SUSPENDED
        self.step(worker, WorkerEvent.WAKE)
        if slept:
            self._report("worker-resumed", worker, f"{worker.name} is woken: a request waits")

    def drain_all(self, text: str) -> None:
        """End every worker in order; `text` says why."""
        for worker in list(self.records.values()):
            worker.end_text = worker.end_text or text
            self.step(worker, WorkerEvent.DRAIN)

    def kill_all(self) -> None:
        """End every worker at once."""
        for worker in list(self.records.values()):
            self.kill(worker)

    def abandon_all(self, text: str, names: Collection[str] | None = None) -> None:
        """The parent has died (of `names`; None: of all): its workers are the service's own children now, and finish
        what they have. Those whose channels have ended already, or that never ran, are gone: nobody else will tell."""
        everybody = (*self.records.values(), *self.orphans.records.values())
        for worker in [each for each in everybody if names is None or each.name in names]:
            worker.is_abandoned = True
            worker.end_text = worker.end_text or text
            self.step(worker, WorkerEvent.DRAIN)
            if worker.is_condemned:
                self.kill(worker)  # the parent may have died before it did it
            if worker.has_hung_up or not worker.pid:
                self.has_exited(worker.name, 1)

    def kill(self, worker: WorkerRecord) -> None:
        """End it at once."""
        worker.is_condemned = True
        self._signal(worker, signal.SIGKILL)

    def reattach(self, front: FrontSupervisor) -> None:
        """A front that has just started knows no worker: join them."""
        for worker in [each for each in self.records.values() if not each.is_lost]:
            if worker.state is WorkerState.RUNNING:
                self._join(worker, front)
            elif worker.state in _ASLEEP:  # a new link would be of no use yet
                worker.lost_fronts.add(front)
                if worker.state is WorkerState.SUSPENDING:
                    self.step(worker, WorkerEvent.WAKE)

    def has_paused(self, name: str, number: int, *, is_paused: bool) -> bool:
        """The front's answer to a pause; true when it is about one of this pool's workers."""
        worker = self.records.get(name)
        if worker is not None and worker.suspension == number:
            self.step(worker, WorkerEvent.PAUSED if is_paused else WorkerEvent.BUSY)
        return worker is not None

    def link_lost(self, name: str, broken: str) -> bool:
        """The front has lost that worker's link; true when it is one of this pool's."""
        worker = self.records.get(name)
        if worker is None:
            return False
        worker.is_lost = True
        if broken:
            self._report("front-broken-link", worker, f"{name} broke the dialogue: {broken}")
            worker.end_text = worker.end_text or f"it broke the dialogue: {broken}"
            self.kill(worker)
        else:
            self.step(worker, WorkerEvent.LINK_LOST)
        return True

    async def until_gone(self, names: set[str]) -> None:
        """Wait until none of these workers is left."""
        while names & self.records.keys():
            waiter = self._around.loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def tick(self) -> None:
        """Look at every worker that is there: pings, recycling limits, idle time-out."""
        now = self._around.clock()
        for worker in [each for each in self.records.values() if not each.is_lost]:
            if worker.state is WorkerState.RUNNING:
                self._look_at(worker)
            elif worker.state is WorkerState.SUSPENDED:
                reason = age_reason(worker.facts(now), worker.settings)
                if reason is not None:
                    self._owner.wants_recycle(worker, reason)
        self._look_for_idle(now)

    # --- what the parent tells ----------------------------------------------------------------------------------

    def has_started(self, name: str, pid: int) -> None:
        """The parent has forked it."""
        worker = self.records.get(name)
        if worker is not None:
            worker.pid = pid
            self._report("process-started", worker, f"worker {name}: {worker.why_started}")

    def has_exited(self, name: str, status: int) -> None:
        """It has ended: exit code, or minus the signal."""
        worker = self.records.pop(name, None) or self.orphans.records.pop(name, None)
        if worker is None:
            return
        worker.has_ended(status)
        self._wake_waiters()
        nobody_waits = not status and bool(self.working())
        with self._around.in_no_hurry() if nobody_waits else nullcontext():
            self.step(worker, WorkerEvent.EXITED if cannot_load(status) is None else WorkerEvent.CANNOT_LOAD)
            self._owner.worker_exited(worker)

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def was_examined(self, name: str, examination: Examination) -> None:
        """The parent has found out what it is doing."""
        worker = self.records.get(name)
        if worker is not None and worker.examined is not None and not worker.examined.done():
            worker.examined.set_result(examination)

    # --- what the worker says -----------------------------------------------------------------------------------

    def _heard(self, worker: WorkerRecord, message: AnyMessage, descriptors: list[int]) -> None:
        worker.has_said(message, descriptors, self._around.clock())
        match message:
            case Ready():
                if worker.exit_status is None:  # not the last word of one that has ended
                    with self._around.in_no_hurry() if worker.is_replacement else nullcontext():
                        self.step(worker, WorkerEvent.READY)
            case Served():
                if worker.state is WorkerState.RUNNING:
                    self._look_at(worker)
            case Plugins():
                worker.plugins, worker.filters = list(message.rows), list(message.filters)
                self._parent.known_plugins = message.known
            case Unhealthy():
                self._owner.wants_recycle(worker, RecycleReason("recycle-unhealthy", message.reason))
            case Suspended():
                if message.number == worker.suspension:
                    self.step(worker, WorkerEvent.RELEASED)
            case WebConfigChanged():
                if worker.state is WorkerState.RUNNING and worker.owed is None:
                    self._owner.web_config_changed(message.files)
            case FilesChanged():
                reason = RecycleReason("recycle-plugin-change", f"files changed: {', '.join(message.files)}")
                self._owner.wants_recycle(worker, reason)
            case Event():
                fields = {"pool": self.pool.name, "worker": worker.name, "pid": str(worker.pid), **message.fields}
                self._around.report(message.id, message.text, fields)
            case Scripts():
                self._around.scripts.add(self.pool.name, message.rows)

    def _channel_lost(self, worker: WorkerRecord) -> None:
        worker.is_lost = worker.has_hung_up = True
        if worker.is_abandoned:  # nobody else will tell how it ended
            self.has_exited(worker.name, 0)
        else:
            self.step(worker, WorkerEvent.LINK_LOST)

    # --- the worker's automaton ---------------------------------------------------------------------------------

    def step(self, worker: WorkerRecord, event: WorkerEvent) -> None:
        """Ask the table and do what it says."""
        for command in worker.step(event):
            self._commands[command](worker)

    def _attach(self, worker: WorkerRecord) -> None:
        worker.limit(None)
        now = self._around.clock()
        worker.ready_at = worker.idle_since = worker.last_ping_at = worker.last_pong_at = now
        self._owner.worker_attaching(worker)
        self._join(worker, self._front)
        replaced, worker.replaces = worker.replaces, None
        if replaced is not None:
            replaced.end_text = f"recycled ({replaced.owed.text})" if replaced.owed else ""
            self.step(replaced, WorkerEvent.DRAIN)
        self._owner.worker_attached()

    def _join(self, worker: WorkerRecord, front: FrontGroup | FrontSupervisor) -> None:
        front.attach(self.slot.name, worker.name, worker.pid, worker.channel)

    def _signal(self, worker: WorkerRecord, number: int) -> None:
        if not worker.is_abandoned:
            self._parent.signal_worker(worker.name, number)
        elif worker.pid and not worker.has_hung_up:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, number)

    def _detach(self, worker: WorkerRecord) -> None:
        self._front.detach(worker.name)
        seconds = worker.settings.shutdown_time_limit_seconds
        worker.channel.send(Drain(seconds=float(seconds)))
        self._limit(worker, seconds)

    def _limit(self, worker: WorkerRecord, seconds: float) -> None:
        worker.limit(self._around.loop.call_later(seconds, self.step, worker, WorkerEvent.LATE))

    # --- what a policy found ------------------------------------------------------------------------------------

    def _look_at(self, worker: WorkerRecord) -> None:
        finding = look_at(worker, self._around.clock())
        if finding is not None:
            self._findings[finding.due](worker, finding)

    def _fail(self, worker: WorkerRecord, finding: Finding) -> None:
        worker.end_text = finding.text
        self.step(worker, WorkerEvent.UNRESPONSIVE)

    def _was_examined(self, worker: WorkerRecord) -> None:
        orphans = worker.settings.orphan_worker_process
        self.step(worker, WorkerEvent.EXAMINED_TO_ORPHAN if orphans else WorkerEvent.EXAMINED)

    def _orphan(self, worker: WorkerRecord) -> None:
        del self.records[worker.name]
        self.orphans.take(worker)
        self._wake_waiters()
        self._owner.worker_exited(worker)

    def _look_for_idle(self, now: float) -> None:
        """The worker that has been idle for longest leaves: it is ended or suspended."""
        found = look_for_idle(self.working(), self._owner.idle_timeout, now)
        if found is None:
            return
        (worker, text), suspends = found, found.worker.settings.idle_timeout_action == "Suspend"
        if "IdleTimeout" in self.pool.log_event_on_process_model:
            self._report("worker-idle", worker, f"{worker.name} is {'suspended' if suspends else 'ended'}: {text}")
        if suspends:
            self.step(worker, WorkerEvent.SUSPEND)
        else:
            worker.end_text = text
            self.step(worker, WorkerEvent.DRAIN)
