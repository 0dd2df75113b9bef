"""Keeps a pool's parent process as the pool wants it: running or not, one after another."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from host.activation.children import Child, Surroundings, describe_exit
from host.activation.outgoing_parent import OutgoingParent
from host.isolation.placement import Slot
from host.wire.control_messages import AnyMessage, CannotStart, Configure, Drain, Event, Hello, Ready, Unhealthy
from host.wire.message_rows import Examination, KnownPlugin
from host.wire.pool_messages import (
    ExamineWorker,
    Importing,
    KillWorker,
    Preloading,
    StartWorker,
    WorkerExamined,
    WorkerExited,
    WorkerStarted,
)

_ENDING_SECONDS: Final = 10.0  # a parent that was told to end has no workers left: longer means that it hangs


@dataclass(frozen=True, slots=True)
class ParentEnd:
    """How a parent process has ended. `status`: exit code, or minus the signal; `ready_at`: when it became able to
    fork (monotonic seconds), None when it never did; `reason`: what it said or what was done to it, may be empty.
    `was_preloading`: it was importing plugins, and the next one does without."""

    pid: int
    status: int
    ready_at: float | None
    reason: str
    was_preloading: bool = False

    @property
    def cause(self) -> str:
        """One clause: how it ended, and why if that is known."""
        how = describe_exit(self.status)
        return f"{how}: {self.reason}" if self.reason else how


class ParentOwner(Protocol):
    """Who wants the parent."""

    def parent_is_ready(self) -> None:
        """It can fork; said again after every `configure`."""

    def worker_has_started(self, name: str, pid: int) -> None:
        """It has forked that worker."""

    def worker_has_exited(self, name: str, status: int) -> None:
        """That worker has ended: exit code, or minus the signal."""

    def worker_was_examined(self, name: str, examination: Examination) -> None:
        """What that worker is doing."""

    def parent_is_unhealthy(self, reason: str) -> None:
        """It serves, but another one should take its place."""

    def parent_is_gone(self) -> None:
        """It has ended as it was told to."""

    def parent_has_died(self, end: ParentEnd) -> None:
        """It has ended without being told; whether and when there is another one is the owner's affair."""

    def workers_are_abandoned(self, names: set[str]) -> None:
        """A parent that was replaced has died before these workers of its own."""


class ParentSupervisor:
    """One parent process at a time that forks workers; `owner` is told what becomes of it and of its workers.

    What a parent has taken on (identity, sandbox) it cannot give back: `renew` starts another one beside it, and the
    old one goes with its last worker.
    """

    def __init__(
        self,
        slot: Slot,
        around: Surroundings,
        configure: Configure,
        owner: ParentOwner,
    ) -> None:
        self.slot = slot
        self.known_plugins: list[KnownPlugin] = []  # as a worker has told last: the next one may fail to load them
        self.startup_seconds = 90.0  # startupTimeLimit: from the start to Ready
        self._around = around
        self._configure = configure
        self._owner = owner
        self._child: Child | None = None
        self._forked: set[str] = set()  # its workers that live
        self._outgoing: list[OutgoingParent] = []
        self._ready_at: float | None = None
        self._reason = ""
        self._why_again = ""  # it is ending, and another one is wanted behind it
        self._is_ending = False
        self._preloads = True  # until a parent has died of it
        self._preload_limit: asyncio.TimerHandle | None = None  # set while it imports plugins
        self._importing = ""  # the file of one
        self._start_timer: asyncio.TimerHandle | None = None
        self._limit_timer: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 when there is none at the moment."""
        return self._child.pid if self._child is not None else 0

    @property
    def pids(self) -> list[int]:
        """Process ids of the parent and of those that it has replaced."""
        return [each.pid for each in (self._child, *(one.child for one in self._outgoing)) if each is not None]

    @property
    def is_alive(self) -> bool:
        """Whether one of them runs."""
        return self._child is not None or bool(self._outgoing)

    @property
    def is_ready(self) -> bool:
        """Whether it can fork workers, and is not on its way out."""
        return self._ready_at is not None and not self._is_ending

    def start(self, why: str) -> None:
        """There shall be one; `why` ends in the event log. One that is ending is waited for."""
        self._wait(None)
        if self._child is None:
            self._spawn(why)
        elif self._is_ending:
            self._why_again = why

    def start_after(self, seconds: float, why: str) -> None:
        """As `start`, when the pause is over; `start` and `stop` come before it."""
        self._wait(self._around.loop.call_later(seconds, self.start, why))

    def stop(self) -> None:
        """There shall be none; its workers have ended already. `parent_is_gone` follows, at once where none runs."""
        self._wait(None)
        self._why_again = ""
        for outgoing in self._outgoing:
            outgoing.end()
        if self._child is None:
            self._note_if_gone()
        elif not self._is_ending:
            self._is_ending = True
            self._tell(Drain(seconds=0.0))
            self._limit(self._around.loop.call_later(_ENDING_SECONDS, self._child.kill, signal.SIGKILL))

    def kill(self) -> None:
        """End it at once."""
        self._wait(None)
        self._why_again = ""
        self._is_ending = True
        for outgoing in self._outgoing:
            outgoing.is_told = True
            outgoing.child.kill(signal.SIGKILL)
        if self._child is not None:
            self._child.kill(signal.SIGKILL)

    def renew(self, why: str, configure: Configure | None = None) -> None:
        """Another parent takes over, with this configuration (None: the same). Until it is ready nothing is forked; the
        workers that there are serve on."""
        self._configure = configure or self._configure
        if self._child is None or self._is_ending:
            return  # the next one is a new one anyway
        self._outgoing.append(OutgoingParent(self._child, self._forked))
        self._spawn(why)

    def configure(self, configure: Configure) -> None:
        """Workers forked from now on see this configuration."""
        self._configure = configure
        self._tell(self._configuration())

    def start_worker(self, name: str, number: int, control: int, *, is_awaited: bool) -> None:
        """Fork a worker with that end of its control channel. `is_awaited`: nobody serves meanwhile."""
        self._forked.add(name)
        order = StartWorker(worker=name, number=number, is_awaited=is_awaited, known=self.known_plugins)
        self._tell(order, control)

    def signal_worker(self, name: str, number: int) -> None:
        """Send that worker a signal: SIGKILL ends it, SIGSTOP and SIGCONT suspend and wake it."""
        self._tell_of(name, KillWorker(worker=name, signal=number))

    def examine_worker(self, name: str) -> None:
        """Find out what that worker is doing; the owner is told, unless it ends before."""
        self._tell_of(name, ExamineWorker(worker=name))

    def _spawn(self, why: str) -> None:
        child = self._around.launcher.start(self.slot, lambda status: self._ended(child, status))
        self._child, self._ready_at, self._is_ending, self._reason = child, None, False, ""
        self._forked, self._importing = set(), ""
        child.channel.attach(self._around.loop, partial(self._heard, child), lambda _why: None)
        self._report("process-started", f"{self.slot.title}: {why}", {"pid": str(child.pid)})
        self._limit(self._around.loop.call_later(self.startup_seconds, self._is_late))

    def _is_late(self) -> None:
        assert self._child is not None
        self._reason = f"it was not ready within {self.startup_seconds:.0f} s"
        self._report("worker-startup-limit", f"{self.slot.title}: {self._reason}", {"pid": str(self.pid)})
        self._child.kill(signal.SIGKILL)

    def _heard(self, child: Child, message: AnyMessage, _descriptors: list[int]) -> None:
        match message:
            case WorkerStarted():
                self._owner.worker_has_started(message.worker, message.pid)
            case WorkerExamined():
                self._owner.worker_was_examined(message.worker, message.examination)
            case WorkerExited():
                self._forget(message.worker)
                self._owner.worker_has_exited(message.worker, message.status)
            case Event():
                self._report(message.id, message.text, message.fields)
            case _:
                if child is self._child:
                    self._heard_of_itself(message)

    def _heard_of_itself(self, message: AnyMessage) -> None:
        match message:
            case Hello():
                self._tell(self._configuration())
            case Preloading():
                self._limit(None)
                self._preload_limit = self._around.loop.call_later(message.seconds, self._preloads_too_long)
            case Importing():
                self._importing = message.file
            case Ready():
                self._became_ready()
            case CannotStart():
                self._reason = message.reason
            case Unhealthy():
                self._owner.parent_is_unhealthy(message.reason)
            case _:
                pass

    def _became_ready(self) -> None:
        self._end_of_preload()
        if not self._is_ending:
            self._limit(None)
        if self._ready_at is None:
            self._ready_at = self._around.clock()
        if not self._is_ending:
            self._owner.parent_is_ready()

    def _report(self, event_id: str, text: str, fields: Mapping[str, str]) -> None:
        self._around.report(event_id, text, {"pool": self.slot.name, **fields})

    def _ended(self, child: Child, status: int) -> None:
        child.channel.read_rest()
        child.channel.close()
        if child is self._child:
            self._current_has_ended(child, status)
            return
        outgoing = next(one for one in self._outgoing if one.child is child)
        self._outgoing.remove(outgoing)
        fields = {"pid": str(child.pid), "status": str(status)}
        if outgoing.is_told:
            self._report("process-ended", f"{self.slot.title}, which was replaced, has ended", fields)
        else:
            self._around.has_lost_parent()
            how = describe_exit(status)
            text = f"{self.slot.title}, which was replaced, ended by {how}; its workers finish what they have"
            self._report("process-died", text, fields)
            self._owner.workers_are_abandoned(outgoing.workers)
        if self._child is None:
            self._note_if_gone()

    def _current_has_ended(self, child: Child, status: int) -> None:
        self._limit(None)
        end = ParentEnd(child.pid, status, self._ready_at, self._reason, self._end_of_preload())
        self._child, self._ready_at = None, None
        self._forked = set()
        fields = {"pid": str(child.pid), "status": str(status)}
        if not self._is_ending:
            self._around.has_lost_parent()
            if end.was_preloading:
                self._preloads = False
                what = f"plugins ({self._importing})" if self._importing else "plugins"
                text = f"{self.slot.title} ended by {end.cause} while it imported {what}: nothing is preloaded"
                self._report("preload-failed", text, fields)
            else:
                text = f"{self.slot.title} ended by {end.cause}; its workers finish what they have"
                self._report("process-died", text, fields)
            self._owner.parent_has_died(end)
            return
        self._report("process-ended", f"{self.slot.title} has ended", fields)
        if self._why_again:
            why, self._why_again = self._why_again, ""
            self._spawn(why)
        else:
            self._note_if_gone()

    def _note_if_gone(self) -> None:
        if not self._outgoing:
            self._owner.parent_is_gone()

    def _forget(self, worker: str) -> None:
        self._forked.discard(worker)
        for outgoing in self._outgoing:
            if worker in outgoing.workers:
                outgoing.has_lost(worker)

    def _wait(self, timer: asyncio.TimerHandle | None) -> None:
        """Replace the pause before a start by this one (None: there is none any more)."""
        if self._start_timer is not None:
            self._start_timer.cancel()
        self._start_timer = timer

    def _limit(self, timer: asyncio.TimerHandle | None) -> None:
        """Replace the running time limit by this one (None: there is none any more)."""
        if self._limit_timer is not None:
            self._limit_timer.cancel()
        self._limit_timer = timer

    def _configuration(self) -> Configure:
        return self._configure if self._preloads else self._configure.without_preload()

    def _preloads_too_long(self) -> None:
        if self._child is not None:
            self._reason = f"startupTimeLimit is {self.startup_seconds:.0f} s"
            self._child.kill(signal.SIGKILL)

    def _end_of_preload(self) -> bool:
        """Whether it was importing plugins until now."""
        limit, self._preload_limit = self._preload_limit, None
        if limit is not None:
            limit.cancel()
        return limit is not None

    def _tell(self, message: AnyMessage, *descriptors: int) -> None:
        if self._child is not None:
            self._child.channel.send(message, descriptors)

    def _tell_of(self, worker: str, message: AnyMessage) -> None:
        """Say it to the process that has forked the worker."""
        for outgoing in self._outgoing:
            if worker in outgoing.workers:
                outgoing.tell(message)
                return
        self._tell(message)
