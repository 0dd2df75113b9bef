"""The upgrade of a running service: one successor at a time, and what this process is to it afterwards.

Two ways to leave. A service manager is told the new main process, and the old one ends. Anybody else (a terminal, a
container, a supervisor) waits for the process that it has started: that one stays, as a waiter (docs/decisions/014).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from typing import Final, NoReturn

from host.admin.server import ControlServer
from host.processes.launcher import Launcher
from host.processes.lifeline import WaitersEnd, lifeline_pair
from host.processes.listening_sockets import ListeningSockets
from host.processes.predecessor import Predecessor
from host.processes.service_manager import ServiceManager
from host.processes.succession import PROTOCOL, Succession, UpgradeFailed, interpreter_command
from host.wire.handover_messages import Succeed

_ABANDON_SECONDS: Final = 90.0  # shutdownTimeLimit's default: what a failed successor has accepted is finished


class Upgrade:
    """`isapy upgrade` and SIGUSR2. `heirs` are the processes that serve, or have served, in this one's place."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        launcher: Launcher,
        server: ControlServer,
        manager: ServiceManager,
        predecessor: Predecessor | None,
    ) -> None:
        self._loop = loop
        self._launcher = launcher
        self._server = server
        self._manager = manager
        self._above = predecessor.lifeline if predecessor is not None else None
        self._attempt: Succession | None = None
        self._failed: dict[asyncio.Task[None], Succession] = {}
        self._is_hurried = False
        self._successor = 0
        self.waiters_end: WaitersEnd | None = None

    @property
    def heirs(self) -> list[int]:
        """Empty while this process is the service."""
        if self.waiters_end is not None and self.waiters_end.service:
            return self.waiters_end.services
        return [self._successor] if self._successor else []

    @property
    def is_under_way(self) -> bool:
        """Whether a successor is being started, or has taken over."""
        return self._attempt is not None or bool(self.heirs)

    def pass_on(self, number: int) -> bool:
        """Pass a signal on to the service that took over; false while this process is the service."""
        if not self.heirs:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.heirs[-1], number)
        return True

    async def run(
        self, sockets: ListeningSockets, sites: dict[int, str], pools: dict[str, str], stop: asyncio.Event
    ) -> int:
        """Start a successor and hand over; gives its process id. Raises UpgradeFailed: then nothing has changed."""
        attempt = self._attempt = Succession(self._loop, self._launcher)
        waiters, services = self._lifeline()
        inheritance = Succeed(protocol=PROTOCOL, managers=sockets.managers, sites=sites, pools=pools)
        lifeline = (
            services.fileno() if services is not None else self._above.fileno() if self._above is not None else -1
        )
        try:
            await attempt.start(self._manager.variables(), sockets.everything, inheritance, lifeline)
            await self._commit(attempt, stop)
        except (UpgradeFailed, asyncio.CancelledError):
            if waiters is not None:
                waiters.close()
            self._give_up(attempt)
            raise
        finally:
            self._attempt = None
            if services is not None:
                services.close()
        self._successor = attempt.pid
        if waiters is not None:
            self.waiters_end = WaitersEnd(waiters, attempt.pid)
        elif self._above is not None:
            self._above.announce(attempt.pid)
        self._manager.main_process(attempt.pid)
        attempt.release()
        return attempt.pid

    async def abandon(self, seconds: float) -> None:
        """This process ends: a successor that is not ready will not take its place, and ends too."""
        if self._attempt is not None:
            self._give_up(self._attempt, seconds)
        while self._failed:
            await asyncio.wait(list(self._failed))

    def kill(self) -> None:
        """End at once what has failed, and whatever fails from now on: nobody wants to wait any more."""
        self._is_hurried = True
        for attempt in self._failed.values():
            attempt.kill()

    def _lifeline(self) -> tuple[socket.socket | None, socket.socket | None]:
        """A new one, when this is the first process of all and somebody waits for it."""
        is_managed = self._manager.is_there and os.getpid() != 1  # a container ends with its process 1
        if self._above is not None or is_managed:
            return None, None
        return lifeline_pair()

    async def _commit(self, attempt: Succession, stop: asyncio.Event) -> None:
        if stop.is_set():
            raise UpgradeFailed("the service ends")
        self._server.pause()
        try:
            await attempt.commit(self._server.listening)
        except UpgradeFailed:
            self._server.resume()
            raise
        self._server.let_go()

    def _give_up(self, attempt: Succession, seconds: float = _ABANDON_SECONDS) -> None:
        task = self._loop.create_task(attempt.abandon(0.0 if self._is_hurried else seconds))
        self._failed[task] = attempt
        task.add_done_callback(self._failed.pop)


def become_waiter(lifeline: WaitersEnd) -> NoReturn:
    """Execute the waiter in this process's place: what a service needs of memory is given back."""
    os.set_inheritable(lifeline.fileno(), True)
    sys.stdout.flush()
    sys.stderr.flush()
    arguments = ["-m", "host.processes.waiter", str(lifeline.service), str(lifeline.fileno())]
    command = [*interpreter_command(), *arguments]
    os.execv(command[0], command)
