"""The new service's half of an upgrade: what it takes over from the service whose place it takes."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
from collections.abc import Callable, MutableMapping
from typing import Final

from host.processes.control_channel import ControlChannel
from host.processes.lifeline import ServicesEnd
from host.wire.control_messages import AnyMessage, Event, Hello, Listen, Ready
from host.wire.errors import WireError
from host.wire.frames import PROTOCOL_VERSION
from host.wire.handover_messages import HANDOVER_VARIABLE, Serve, Succeed

_MEETING_SECONDS: Final = 30.0
_STANDARD_ERROR: Final = 2


class PredecessorGone(Exception):
    """The service that should have been succeeded is gone, or does not speak as one."""


def meet_predecessor(environment: MutableMapping[str, str]) -> Predecessor | None:
    """The service whose place this process is to take, if it was started for that; the variable is taken out.

    Blocks until the sockets are here. Raises PredecessorGone."""
    number = environment.pop(HANDOVER_VARIABLE, "")
    if not number:
        return None
    try:
        end = socket.socket(fileno=int(number))
        end.set_inheritable(False)
    except (OSError, ValueError) as error:
        raise PredecessorGone(f"{HANDOVER_VARIABLE}={number} names no socket: unset it") from error
    predecessor = Predecessor(end)
    predecessor.meet()
    return predecessor


class Predecessor:
    """The other end. `meet` first, before there is a loop; then `attach`; then `take_over` and `confirm`."""

    def __init__(self, end: socket.socket) -> None:
        self._channel = ControlChannel(end)
        self._control: asyncio.Future[socket.socket]
        self._let_go: asyncio.Future[None]
        self._has_confirmed = False
        self.listening: list[socket.socket] = []
        self.managers: list[str] = []
        self.lifeline: ServicesEnd | None = None
        self.sites: dict[int, str] = {}
        self.pools: dict[str, str] = {}

    def meet(self) -> None:
        """Take the sockets and what else is handed over; blocks. Raises PredecessorGone."""
        self._channel.send(Hello(role="service", pid=os.getpid(), protocol=PROTOCOL_VERSION))
        while True:
            readable, _, _ = select.select([self._channel], [], [], _MEETING_SECONDS)
            if not readable:
                raise PredecessorGone("the service that started this one says nothing")
            try:
                messages = self._channel.receive()
            except (EOFError, WireError) as error:
                raise PredecessorGone(f"the service that started this one is gone: {error}") from error
            for message, descriptors in messages:
                if isinstance(message, Listen):
                    self.listening.append(socket.socket(fileno=descriptors[0]))
                elif isinstance(message, Succeed):
                    self._inherit(message, descriptors)
                    return

    def refuse(self, why: str) -> None:
        """This process cannot be the service."""
        self._channel.send(Event(id="upgrade-failed", text=why))

    def attach(self, loop: asyncio.AbstractEventLoop, on_gone: Callable[[str], None]) -> None:
        """From now on `on_gone(why)` is called, once, if the predecessor, or the waiter behind it, goes at the wrong
        time: this service has to end then."""
        self._control = loop.create_future()

        self._let_go = loop.create_future()

        def closed(_why: str) -> None:
            self._channel.close()
            self._let_go.set_result(None)
            if not self._has_confirmed:
                self._control.cancel()
                on_gone("the service that it should have succeeded is gone")

        self._channel.attach(loop, self._heard, closed)
        if self.lifeline is not None:
            self.lifeline.watch(loop, lambda: on_gone("the first process of this service is gone"))

    async def take_over(self) -> socket.socket:
        """Say that all is ready; gives the listening control socket. Raises PredecessorGone."""
        self._channel.send(Ready())
        try:
            return await self._control
        except asyncio.CancelledError as error:
            if self._control.cancelled():
                raise PredecessorGone from error
            raise

    async def confirm(self) -> None:
        """This is the service now; returns when the predecessor has told the service manager so, and let go."""
        self._has_confirmed = True
        self._channel.send(Ready())
        await self._let_go

    def _heard(self, message: AnyMessage, descriptors: list[int]) -> None:
        if isinstance(message, Serve) and not self._control.done():
            self._control.set_result(socket.socket(fileno=descriptors[0]))

    def _inherit(self, message: Succeed, descriptors: list[int]) -> None:
        # Not in the terminal's foreground group: with `stty tostop` writing there would stop this process.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.dup2(descriptors[0], _STANDARD_ERROR)
        os.close(descriptors[0])
        if len(descriptors) > 1:
            self.lifeline = ServicesEnd(socket.socket(fileno=descriptors[1]))
        self.managers, self.sites, self.pools = message.managers, message.sites, message.pools
