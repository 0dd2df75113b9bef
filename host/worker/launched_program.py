"""A program that the worker has asked the spawner for, as far as the worker has been told of it."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Callable
from typing import Final

from host.api import ProgramExit
from host.wire.spawn_messages import GRACE_SECONDS, KillProgram, ProgramLaunched

GONE: Final = "the spawner is gone: the pool's parent has ended"

_NOT_STARTED: Final = 127


class LaunchedProgram:
    """A program for a request, from the word to start it (host.api.StartedProgram)."""

    def __init__(self, send: Callable[[KillProgram], None], number: int, told: Callable[[], None] | None) -> None:
        self._send = send
        self._number = number
        self._told = told
        self._launched: ProgramLaunched | None = None
        self._failure: OSError | None = None
        self._exit: ProgramExit | None = None
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def pid(self) -> int:
        """Process id of the program; 0 while it is being started."""
        return 0 if self._launched is None else self._launched.pid

    @property
    def remark(self) -> str:
        """Why it was not started warm, if that was asked and has not been said before."""
        return "" if self._launched is None else self._launched.remark

    @property
    def is_warm(self) -> bool:
        """Whether it is a fork of an interpreter that had been started before."""
        return self._launched is not None and self._launched.is_warm

    @property
    def failure(self) -> OSError | None:
        """Why it could not be started."""
        return self._failure

    @property
    def exit(self) -> ProgramExit | None:
        """How it ended, as far as is known now; None while it runs."""
        return self._exit

    async def start(self) -> None:
        """Return when it runs, or has run. Raises OSError when it could not be started."""
        while self._launched is None and self._failure is None:
            await self._news()
        if self._failure is not None:
            raise self._failure

    async def wait(self) -> ProgramExit:
        """How it ended; returns at once when it has."""
        while self._exit is None:
            await self._news()
        return self._exit

    async def kill(self, reason: str, *, grace_seconds: float = GRACE_SECONDS) -> None:
        """End the whole process tree, also what is left of it when the program itself has ended."""
        self._send(KillProgram(number=self._number, reason=reason, grace_seconds=grace_seconds))

    def launched(self, message: ProgramLaunched) -> None:
        """It runs."""
        self._launched = message
        self._wake()

    def failed(self, failure: OSError) -> None:
        """It could not be started: as a shell would say, it has ended with 127."""
        self._failure, self._exit = failure, ProgramExit(_NOT_STARTED, "")
        self._tell()

    def ended(self, status: int) -> None:
        """It has ended."""
        self._exit = ProgramExit(status, _signal_name(-status) if status < 0 else "")
        self._tell()

    def lost(self) -> None:
        """Its spawner is gone, and has taken it along."""
        if self._launched is None:
            self.failed(BrokenPipeError(errno.EPIPE, GONE))
        else:
            self.ended(-signal.SIGKILL)

    def _tell(self) -> None:
        self._wake()
        told, self._told = self._told, None  # whoever is told holds this program: no circle is left behind
        if told is not None:
            told()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _news(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
