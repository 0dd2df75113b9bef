"""The service's way to its nursery: orders a process, and has it at once; does without while there is no nursery.

An order takes some milliseconds, and the service waits for it. Whatever goes wrong with the nursery costs a start the
time of a fresh interpreter, and nothing else: nobody depends on it who has been born.
"""

from __future__ import annotations

import gc
import os
import select
import socket
from typing import Any, Final

import multiprocess

from host.isolation.placement import Slot, SlotRole
from host.processes.control_channel import ControlChannel, channel_pair
from host.processes.nursery import run_nursery
from host.processes.spawn import become, start_child
from host.wire.control_messages import AnyMessage, Ready
from host.wire.errors import WireError
from host.wire.pool_messages import Born, GiveBirth

_fork_context: Final = multiprocess.get_context("fork")
_TITLE: Final = "nursery"
_BIRTH_SECONDS: Final = 5.0  # one that has not answered by then hangs
_READY_SECONDS: Final = 30.0  # when the service starts: the nursery imports what the first process needs
BORN_ROLES: Final = (SlotRole.POOL, SlotRole.DLLHOST)
"""Processes of which there may be many."""


class Nursery:
    """A nursery that runs. `process` is multiprocess's; `patience_seconds`: how long the first order may wait until it
    is ready."""

    def __init__(self, process: Any, channel: ControlChannel, patience_seconds: float) -> None:
        self._process = process
        self._channel = channel
        self._patience_seconds = patience_seconds
        self._is_ready = False
        self.pid = int(process.pid)

    def give_birth(self, slot: Slot, control: socket.socket) -> int:
        """Have the slot's process forked, with that end of its control channel, which stays the caller's. Gives its
        process id; it is a child of this process. 0: it cannot be had, and the caller has to start it elsewhere."""
        if self._channel.is_closed:
            return 0
        if not self._is_ready:
            patience, self._patience_seconds = self._patience_seconds, 0.0
            if not self._waits(patience):
                return 0
            self._is_ready = isinstance(self._answer(), Ready)
        order = GiveBirth(role=slot.role.value, name=slot.name, title=slot.title, applications=list(slot.applications))
        self._channel.send(order, [control.fileno()])
        answer = self._answer() if self._waits(_BIRTH_SECONDS) else None
        if isinstance(answer, Born):
            return answer.pid
        self.kill()  # what it may still bear finds nobody at the other end, and ends
        return 0

    def _waits(self, seconds: float) -> bool:
        """Whether it has said something, after so long at most."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _answer(self) -> AnyMessage | None:
        try:
            messages = self._channel.receive()
        except (EOFError, WireError):
            return None
        return messages[0][0] if messages else None

    def kill(self) -> None:
        """End it at once; those that it has borne live on."""
        self._process.kill()
        self._channel.close()

    def dismiss(self) -> None:
        """It is not needed any more, and ends; those that it has borne live on."""
        self._channel.close()

    def reap(self) -> int:
        """When it has ended: its exit code, or minus the signal."""
        self._process.join()
        status = self._process.exitcode or 0
        self._process.close()
        self._channel.close()
        return status


def fork_nursery() -> Nursery:
    """Fork it from this process, which has no threads and has read nothing yet: both share what isapy is."""
    ours, its = channel_pair()
    service = os.getpid()

    def live() -> None:
        become(_TITLE)
        _close_all_but(its.fileno())
        run_nursery(its, service)

    gc.collect()
    gc.freeze()
    process = _fork_context.Process(target=live, name=_TITLE)
    process.start()
    its.close()
    return Nursery(process, ControlChannel(ours), _READY_SECONDS)


def spawn_nursery() -> Nursery:
    """Start it in a fresh interpreter, when the first one is gone. Until it is ready it bears nobody."""
    ours, its = channel_pair()
    process = start_child(run_nursery, its, _TITLE, os.getpid())
    its.close()
    return Nursery(process, ControlChannel(ours), 0.0)


def _close_all_but(kept: int) -> None:
    """Sockets that the service has inherited are none of the nursery's business."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            try:
                os.close(int(name))
            except OSError:  # the listing's own descriptor
                continue
