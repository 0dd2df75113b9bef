"""Starts the process of a slot, and hears when it has ended (pidfd, Linux 5.3)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from host.activation.children import ProgramEnd
from host.isolation.placement import Slot, SlotRole
from host.processes.actions import ActionProgram
from host.processes.births import BORN_ROLES, Nursery, spawn_nursery
from host.processes.control_channel import ControlChannel, channel_pair
from host.processes.dllhost import run_dllhost
from host.processes.inetinfo import run_inetinfo
from host.processes.listener import run_listener
from host.processes.pool import run_pool
from host.processes.spawn import kill, start_child

_PROGRAMS_SECONDS: Final = 2.0  # they are killed; what a debugger or the kernel holds up is not waited for
_NURSERY_SECONDS: Final = 2.0  # it has nothing to finish; what is left then is killed with everything else


class ChildProcess:
    """A running child of the service."""

    def __init__(self, pid: int, channel: ControlChannel) -> None:
        self._pid = pid
        self.channel = channel

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    def kill(self, number: int) -> None:
        """Send it a signal."""
        kill(self.pid, number)


class Launcher:
    """The service's way to processes."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        nursery: Nursery | None = None,
        nursery_has_died: Callable[[int, int], None] | None = None,
    ) -> None:
        """Without a nursery every process is started in a fresh interpreter. `nursery_has_died(pid, status)` tells that
        it has ended by itself; another one is started when it is needed next."""
        self._loop = loop
        self._nursery = nursery
        self._nursery_has_died = nursery_has_died
        self._is_ending = False
        self._nursery_gone = asyncio.Event()
        self._pidfds: dict[int, int] = {}
        self._actions: dict[int, ActionProgram] = {}
        self._actions_gone = asyncio.Event()
        self._let_go: set[int] = set()
        if nursery is not None:
            self._watch_nursery(nursery)

    @property
    def nursery_pid(self) -> int:
        """The process id of the nursery; 0 when there is none at the moment."""
        return self._nursery.pid if self._nursery is not None else 0

    def channel_pair(self) -> tuple[ControlChannel, socket.socket]:
        """A control channel: our end, and the end to pass on."""
        ours, theirs = channel_pair()
        return ControlChannel(ours), theirs

    def start(self, slot: Slot, on_exit: Callable[[int], None]) -> ChildProcess:
        """Start what the slot's role names."""
        channel, control = self.channel_pair()
        pid = self._bear(slot, control) if slot.role in BORN_ROLES else 0
        if pid:
            control.close()
            self.watch(pid, on_exit)
            return ChildProcess(pid, channel)
        if slot.role in BORN_ROLES:  # an end that a nursery has seen is not given to anybody else
            channel.close()
            control.close()
            channel, control = self.channel_pair()
        return self._start_fresh(slot, channel, control, on_exit)

    def _start_fresh(
        self, slot: Slot, channel: ControlChannel, control: socket.socket, on_exit: Callable[[int], None]
    ) -> ChildProcess:
        """In an interpreter of its own."""
        targets: dict[SlotRole, tuple[Callable[..., None], tuple[Any, ...]]] = {
            SlotRole.LISTENER: (run_listener, (slot.confinement, slot.place, slot.instances)),
            SlotRole.INETINFO: (run_inetinfo, (slot.applications,)),
            SlotRole.POOL: (run_pool, (slot.name, slot.applications)),
            SlotRole.DLLHOST: (run_dllhost, (slot.name, slot.title, slot.applications)),
        }
        target, arguments = targets[slot.role]
        process = start_child(target, control, slot.title, *arguments)
        control.close()

        def reap() -> int:
            process.join()
            status = process.exitcode or 0
            process.close()  # multiprocess's pipes, at once and not when the collector comes by
            return status

        pid = int(process.pid)
        self._watch(pid, reap, on_exit)
        return ChildProcess(pid, channel)

    def _bear(self, slot: Slot, control: socket.socket) -> int:
        """Have the nursery fork it; 0 when there is no nursery, or it cannot."""
        if self._nursery is not None:
            return self._nursery.give_birth(slot, control)
        if self._nursery_has_died is not None and not self._is_ending:
            self._nursery = spawn_nursery()
            self._watch_nursery(self._nursery)
        return 0

    def _watch_nursery(self, nursery: Nursery) -> None:
        def ended(status: int) -> None:
            if self._nursery is nursery:
                self._nursery = None
            if self._is_ending:
                self._nursery_gone.set()
            elif self._nursery_has_died is not None:
                self._nursery_has_died(nursery.pid, status)

        self._watch(nursery.pid, nursery.reap, ended)

    async def end_nursery(self) -> None:
        """This process ends: nobody is borne any more. Returns when the nursery has ended, or takes too long."""
        self._is_ending = True
        if self._nursery is not None:
            self._nursery.dismiss()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nursery_gone.wait(), _NURSERY_SECONDS)

    def watch(self, pid: int, on_exit: Callable[[int], None]) -> None:
        """Hear of the end of a child of this process that was started elsewhere."""
        self._watch(pid, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), on_exit)

    def let_go(self, pid: int) -> None:
        """Hear no more of that child, and leave its exit status to somebody else."""
        self._loop.remove_reader(self._pidfds[pid])
        os.close(self._pidfds.pop(pid))
        self._let_go.add(pid)

    def _watch(self, pid: int, reap: Callable[[], int], on_exit: Callable[[int], None]) -> None:
        pidfd = os.pidfd_open(pid)
        self._pidfds[pid] = pidfd

        def ended() -> None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
            del self._pidfds[pid]
            on_exit(reap())

        self._loop.add_reader(pidfd, ended)

    def run_program(self, argv: Sequence[str], on_end: Callable[[ProgramEnd], None]) -> ActionProgram:
        """Run a program that is no part of isapy; `on_end` comes once. Raises OSError, ValueError."""

        def ended(end: ProgramEnd) -> None:
            del self._actions[action.pid]
            on_end(end)
            if not self._actions:
                self._actions_gone.set()

        action = ActionProgram(self._loop, argv, ended)
        self._actions[action.pid] = action
        self._actions_gone.clear()
        return action

    async def end_programs(self, why: str) -> None:
        """End those that run still. Returns when they are gone, or take too long."""
        for action in list(self._actions.values()):
            action.end(why)
        if self._actions:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._actions_gone.wait(), _PROGRAMS_SECONDS)

    def is_ours(self, pid: int) -> bool:
        """Whether that child was started here (others are orphans that came back to the service)."""
        return pid in self._pidfds or pid in self._actions or pid in self._let_go
