"""Looks at the processor time of one pool and carries out what `cpu.py` says about it, about once a second."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from host.activation.children import Surroundings
from host.activation.cpu import (
    CpuUse,
    Load,
    Window,
    allowed_share,
    exceeded_text,
    follow_window,
    is_counted,
    is_slowed,
    must_slow,
    window_end,
    worker_share,
)
from host.activation.pool_door import APP_SHUTDOWN
from host.activation.processor_groups import ProcessorGroups
from host.activation.processor_time import MachineTime, ProcessTime, below, read_machine, read_times, time_of
from host.activation.worker_record import WorkerRecord
from host.activation.worker_transitions import WorkerState
from host.config.confinement import Cpu
from host.config.model import Pool
from host.wire.control_messages import Pace

_CHANGE: Final = 0.02  # a share that differs by less is not told again


class PoolProcessorOwner(Protocol):
    """The pool's supervisor."""

    @property
    def workers(self) -> dict[str, WorkerRecord]:
        """Its workers by name."""

    @property
    def refuse_reason(self) -> str:
        """HTTPERR's word while it refuses: AppShutdown after `shut_down`, until somebody starts or stops it."""

    def shut_down(self, why: str) -> None:
        """End the workers at once and refuse requests with AppShutdown."""

    def end_shut_down(self) -> None:
        """The window is over."""


class PoolProcessor:
    """`parents()` are the process ids of the pool's parents; everything below them counts."""

    def __init__(
        self, owner: PoolProcessorOwner, around: Surroundings, groups: ProcessorGroups, parents: Callable[[], list[int]]
    ) -> None:
        self._owner = owner
        self._around = around
        self._groups = groups
        self._parents = parents
        self._processors = len(os.sched_getaffinity(0))
        self._cpu: Cpu | None = None  # what was in force at the last look
        self._window: Window | None = None
        self._shut_until = 0.0
        self._used = 0.0  # of the pool, since this was made
        self._seen: dict[int, float] = {}  # by parent: what was counted of it
        self._own: dict[int, float] = {}  # by worker: its own time at the last look
        self._machine: MachineTime | None = None
        self._looked_at = 0.0
        self._slowed_since: float | None = None
        self._share = 0.0  # of each worker that is paced; 0: none is
        self._is_grouped = False

    def look(self, pool: Pool) -> None:
        """Measure, and act."""
        cpu, now = pool.cpu, self._around.clock()
        has_changed = self._cpu is not None and cpu != self._cpu
        self._cpu = cpu
        if has_changed:
            self._begin_anew()
        if not (is_counted(cpu) or is_slowed(cpu) or self._slowed_since is not None):
            return
        times = read_times()
        before = self._used
        self._measure(times)
        self._count(pool, CpuUse(now, self._used, self._processors))
        self._slow(pool, times, self._used - before, now)
        if has_changed and self._slowed_since is not None and self._slowed_since < now:
            self._report_slowed(pool)
        self._looked_at = now

    def attaching(self, worker: WorkerRecord, cpu: Cpu) -> None:
        """The worker is about to get its link: one that may be paced must know it before."""
        if is_slowed(cpu) and not self._groups.are_available():
            is_now = self._slowed_since is not None or cpu.action == "Throttle"
            share = self._share or allowed_share(cpu, self._processors)
            worker.channel.send(Pace(share=share if is_now else float(self._processors)))

    def forget(self, pool: Pool) -> None:
        """The pool is gone."""
        self._groups.remove(pool.name)

    # --- counting

    def _measure(self, times: dict[int, ProcessTime]) -> None:
        """A parent that is new has used nothing before; one that is gone is not counted any further."""
        seen = {}
        for parent in self._parents():
            total = time_of(below([parent], times), times)
            self._used += max(0.0, total - self._seen.get(parent, 0.0))
            seen[parent] = total
        self._seen = seen

    def _begin_anew(self) -> None:
        """Another limit counts from now on: what the one before it has told, or has shut down, is over."""
        is_shut, self._window, self._shut_until = bool(self._shut_until), None, 0.0
        if is_shut and self._owner.refuse_reason == APP_SHUTDOWN:
            self._owner.end_shut_down()

    def _count(self, pool: Pool, use: CpuUse) -> None:
        cpu = pool.cpu
        if self._shut_until:
            if self._owner.refuse_reason != APP_SHUTDOWN:  # the administrator has started or stopped it
                self._window, self._shut_until = None, 0.0
            elif use.now >= self._shut_until:
                self._window, self._shut_until = None, 0.0
                self._owner.end_shut_down()
            return
        if not is_counted(cpu):
            self._window = None
            return
        was_exceeded = self._window is not None and self._window.is_exceeded
        window = self._window = follow_window(self._window, use, cpu)
        if not window.is_exceeded or was_exceeded:
            return
        text = f"pool {pool.name}: {exceeded_text(window, use, cpu)}"
        if cpu.action == "KillW3wp":
            self._shut_until = window_end(window, cpu)
            text += f"; it is shut down for {self._shut_until - use.now:.0f} s"
        self._around.report("cpu-limit", text, {"pool": pool.name})
        if self._shut_until:
            self._owner.shut_down("cpu/@limit is exceeded")

    # --- slowing down

    def _slow(self, pool: Pool, times: dict[int, ProcessTime], used: float, now: float) -> None:
        cpu = pool.cpu
        load = self._load(used) if cpu.action == "ThrottleUnderLoad" else None
        is_slow = must_slow(cpu, load, slowed_since=self._slowed_since, now=now)
        if is_slow and self._slowed_since is None:
            self._slowed_since = now
            self._is_grouped = self._limit_group(pool, times)
            self._report_slowed(pool)
        elif not is_slow and self._slowed_since is not None:
            self._slowed_since = None
            self._groups.release(pool.name)
            self._tell(float(self._processors))
            self._around.report("cpu-freed", f"pool {pool.name} is not held back any more", {"pool": pool.name})
        elif is_slow and self._is_grouped:
            self._is_grouped = self._limit_group(pool, times)
        own, self._own = self._own, {each.pid: times[each.pid].own for each in self._living(times)}
        if is_slow and not self._is_grouped and self._looked_at:
            mine = sum(seconds - own.get(pid, 0.0) for pid, seconds in self._own.items() if pid in own)
            elsewhere = max(0.0, used - mine) / max(0.001, now - self._looked_at)
            self._tell(worker_share(allowed_share(cpu, self._processors), elsewhere, len(self._own)))

    def _report_slowed(self, pool: Pool) -> None:
        how = "by its control group" if self._is_grouped else f"by pace ({self._groups.problem})"
        text = f"pool {pool.name} is held to {pool.cpu.limit / 1000:g} % of {self._processors} processors {how}"
        self._around.report("cpu-throttled", text, {"pool": pool.name})

    def _limit_group(self, pool: Pool, times: dict[int, ProcessTime]) -> bool:
        members = below(self._parents(), times)
        return self._groups.limit(pool.name, allowed_share(pool.cpu, self._processors), members)

    def _living(self, times: dict[int, ProcessTime]) -> Iterable[WorkerRecord]:
        return [worker for worker in self._owner.workers.values() if worker.pid in times]

    def _tell(self, share: float) -> None:
        if self._is_grouped or abs(share - self._share) <= _CHANGE * share:
            return
        self._share = share
        for worker in self._owner.workers.values():
            if worker.state is WorkerState.RUNNING:
                worker.channel.send(Pace(share=share))

    def _load(self, used: float) -> Load | None:
        before, self._machine = self._machine, read_machine()
        if before is None:
            return None
        busy, idle = self._machine.busy - before.busy, self._machine.idle - before.idle
        whole = max(0.01, busy + idle)
        return Load(idle / whole, max(0.0, busy - used) / whole)
