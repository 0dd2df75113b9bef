"""Starts the process of a slot, and hears when it has ended (pidfd, Linux 5.3)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from host.isolation.placement import Slot, SlotRole
from host.processes.actions import ActionProgram
from host.processes.control_channel import ControlChannel, channel_pair
from host.processes.dllhost import run_dllhost
from host.processes.inetinfo import run_inetinfo
from host.processes.listener import run_listener
from host.processes.pool import run_pool
from host.processes.spawn import kill, start_child


class ChildProcess:
    """A running child of the service."""

    def __init__(self, process: Any, channel: ControlChannel) -> None:
        self._process = process
        self.channel = channel

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self._process.pid)

    def kill(self, number: int) -> None:
        """Send it a signal."""
        kill(self.pid, number)


class Launcher:
    """The service's way to processes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pidfds: dict[int, int] = {}
        self._actions: dict[int, ActionProgram] = {}

    def channel_pair(self) -> tuple[ControlChannel, socket.socket]:
        """A control channel: our end, and the end to pass on."""
        ours, theirs = channel_pair()
        return ControlChannel(ours), theirs

    def start(self, slot: Slot, on_exit: Callable[[int], None]) -> ChildProcess:
        """Start what the slot's role names."""
        channel, control = self.channel_pair()
        targets: dict[SlotRole, tuple[Callable[..., None], tuple[Any, ...]]] = {
            SlotRole.LISTENER: (run_listener, ()),
            SlotRole.INETINFO: (run_inetinfo, (slot.applications,)),
            SlotRole.POOL: (run_pool, (slot.name, slot.applications)),
            SlotRole.DLLHOST: (run_dllhost, (slot.name, slot.title, slot.applications)),
        }
        target, arguments = targets[slot.role]
        process = start_child(target, control, slot.title, *arguments)
        control.close()
        pidfd = os.pidfd_open(process.pid)
        self._pidfds[process.pid] = pidfd

        def ended() -> None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
            del self._pidfds[process.pid]
            process.join()
            on_exit(process.exitcode or 0)

        self._loop.add_reader(pidfd, ended)
        return ChildProcess(process, channel)

    def run_program(self, argv: Sequence[str], on_end: Callable[[int, str], None]) -> None:
        """Run a program that is no part of isapy; `on_end(status, output)` comes once. Raises OSError, ValueError."""

        def ended(status: int, output: str) -> None:
            del self._actions[action.pid]
            on_end(status, output)

        action = ActionProgram(self._loop, argv, ended)
        self._actions[action.pid] = action

    def is_ours(self, pid: int) -> bool:
        """Whether that child was started here (others are orphans that came back to the service)."""
        return pid in self._pidfds or pid in self._actions
