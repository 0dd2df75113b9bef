"""A program that the worker has asked the spawner for, as far as the worker has been told of it."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Callable
from typing import Final

from host.api import ProgramExit
from host.wire.spawn_messages import GRACE_SECONDS, KillProgram, ProgramEnded, ProgramLaunched, TellStart

GONE: Final = "the process that starts programs has ended: the pool's parent, or a CGI spawner"

_NOT_STARTED: Final = 127
_clean_exit: Final = ProgramExit(0, "")


class LaunchedProgram:
    """A program for a request, from the word to start it (host.api.StartedProgram)."""

    __slots__ = (
        "_asks",
        "_exit",
        "_failure",
        "_number",
        "_send",
        "_told",
        "_waiters",
        "is_warm",
        "pid",
        "remark",
        "request_id",
    )

    def __init__(
        self,
        send: Callable[[KillProgram | TellStart], None],
        number: int,
        told: Callable[[], None] | None,
        request_id: str,
        *,
        is_brief: bool = False,
    ) -> None:
        """`is_brief`: that it runs is said with its end, or when it is asked for."""
        self._send = send
        self._number = number
        self._told = told
        self._asks = is_brief
        self.request_id = request_id
        self._failure: OSError | None = None
        self._exit: ProgramExit | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self.pid = 0
        """Process id of the program; 0 while it is being started, as far as is known."""
        self.remark = ""
        """Why it was not started warm, if that was asked and has not been said before."""
        self.is_warm = False
        """Whether it is a fork of an interpreter that had been started before."""

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
        if self._asks and not self.pid and self._exit is None:
            self._asks = False
            self._send(TellStart(number=self._number))
        while not self.pid and self._failure is None:
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
        self.end(reason, grace_seconds)

    def end(self, reason: str, grace_seconds: float = GRACE_SECONDS) -> None:
        """As `kill`, which waits for nothing either."""
        self._send(KillProgram(number=self._number, reason=reason, grace_seconds=grace_seconds))

    def launched(self, message: ProgramLaunched) -> None:
        """It runs."""
        self.pid, self.remark, self.is_warm = message.pid, message.remark, message.is_warm
        self._wake()

    def failed(self, failure: OSError) -> None:
        """It could not be started: as a shell would say, it has ended with 127."""
        self._failure, self._exit = failure, ProgramExit(_NOT_STARTED, "")
        self._tell()

    def ended(self, message: ProgramEnded) -> None:
        """It has ended."""
        if not self.pid:
            self.pid, self.remark, self.is_warm = message.pid, message.remark, message.is_warm
        self._end(message.status)

    def lost(self) -> None:
        """Its spawner is gone, and has taken it along."""
        if not self.pid:
            self.failed(BrokenPipeError(errno.EPIPE, GONE))
        else:
            self._end(-signal.SIGKILL)

    def _end(self, status: int) -> None:
        self._exit = _clean_exit if status == 0 else ProgramExit(status, _signal_name(-status) if status < 0 else "")
        self._tell()

    def _tell(self) -> None:
        self._wake()
        told, self._told = self._told, None  # whoever is told holds this program: no circle is left behind
        if told is not None:
            told()

    def _wake(self) -> None:
        if self._waiters:
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
