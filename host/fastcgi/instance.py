"""One process of an application, or one connection to a server that somebody else runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from host.api import Program, ProgramExit, ProgramLauncher
from host.fastcgi.connection import FastCgiConnection
from host.fastcgi.listening import ListeningSocket
from host.gateway.error_output import ErrorOutput
from host.gateway.server_address import ServerAddress
from host.programs.error_pipe import ErrorPipe

CONNECT_SECONDS: Final = 10.0
"""A server that does not take a connection for so long cannot be reached."""

GRACE_SECONDS: Final = 2.0
"""From SIGTERM to SIGKILL when signalBeforeTerminateSeconds says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What a process is started with; `mark` is unlike every other process's."""

    argv: list[bytes]
    environment: Mapping[bytes, bytes]
    directory: bytes
    mark: str
    over_tcp: bool


class Instance:
    """Answers one request at a time. `report` gets the lines that the process writes to its own standard error."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.served = 0
        self.began_at = 0.0
        self.idle_since = 0.0
        self.is_busy = False
        self.is_doubtful = False
        self.is_ending = False
        self.connection: FastCgiConnection | None = None
        self.errors: ErrorPipe | None = None
        self._program: Program | None = None
        self._socket: ListeningSocket | None = None
        self._peek: select.poll | None = None

    # --- a process of ours

    async def launch(self, launcher: ProgramLauncher, launch: Launch, report: Callable[[str], None]) -> None:
        """Start the process. Raises OSError with exec's or chdir's errno."""
        theirs: list[int] = []
        try:
            self._socket = ListeningSocket(over_tcp=launch.over_tcp)
            theirs.append(null := os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
            reads, writes = os.pipe2(os.O_CLOEXEC)
            theirs.append(writes)
            self.errors = ErrorPipe(reads, report)
            self._program = await launcher.launch(
                launch.argv,
                launch.environment,
                directory=launch.directory,
                stdin=self._socket.descriptor,
                stdout=null,
                stderr=writes,
                request_id=launch.mark,
            )
        except BaseException:
            self.let_go()
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self._socket.hand_over()
        _let_others_finish(self._program.pid)

    @property
    def pid(self) -> int:
        """Process id; 0 when the process is not ours."""
        return self._program.pid if self._program is not None else 0

    @property
    def exit(self) -> ProgramExit | None:
        """How it ended, if that is known."""
        return self._program.exit if self._program is not None else None

    async def wait(self) -> ProgramExit:
        """How it ended, when it has; a process of ours only."""
        assert self._program is not None
        return await self._program.wait()

    async def kill(self, reason: str, grace_seconds: float) -> None:
        """End the process with all that it has started; close the connection to a server."""
        self.is_ending = True
        if self._program is not None and self._program.exit is None:
            await self._program.kill(reason, grace_seconds=grace_seconds or GRACE_SECONDS)

    # --- its connection

    @property
    def is_connected(self) -> bool:
        """Whether its connection is open and quiet, as far as the kernel knows now: it may be given a request."""
        return self.connection is not None and self.connection.is_open and self._is_quiet()

    @property
    def may_go_on(self) -> bool:
        """The same as far as is known without a question to the kernel, of one that has just answered: a request that
        may be given twice may follow at once."""
        connection, errors = self.connection, self.errors
        if errors is not None and not errors.text.is_empty:
            errors.text = ErrorOutput()
        return connection is not None and connection.is_open

    async def connect(self, address: ServerAddress | None) -> FastCgiConnection:
        """A connection; the one that is open, if it is. Raises OSError (TimeoutError is one)."""
        if self.connection is not None and self.is_connected:
            return self.connection
        self.disconnect()
        loop = asyncio.get_running_loop()
        made: FastCgiConnection
        if address is None:
            assert self._socket is not None
            sock = self._socket.connect()
            self._peek = select.poll()  # its end and its bytes, without taking them
            self._peek.register(sock, select.POLLIN)
            if self.errors is not None and not self.errors.is_closed:
                self._peek.register(self.errors.descriptor, select.POLLIN)
            if self._socket.is_local:
                _, made = await loop.create_unix_connection(FastCgiConnection, sock=sock)
            else:
                _, made = await loop.create_connection(FastCgiConnection, sock=sock)
        else:
            async with asyncio.timeout(CONNECT_SECONDS):
                if address.path:
                    _, made = await loop.create_unix_connection(FastCgiConnection, address.path)
                else:
                    _, made = await loop.create_connection(FastCgiConnection, address.host, address.port)
        self.connection = made
        return made

    def _is_quiet(self) -> bool:
        """Whether nothing waits on the idle connection: neither its end, which the loop has not seen yet, nor bytes.

        What the process has written to its standard error belongs to no request that is still to come.
        """
        if self._peek is None:
            return True
        ready = self._peek.poll(0)
        errors = self.errors
        if errors is None:
            return not ready
        if any(descriptor == errors.descriptor for descriptor, _ in ready):
            errors.drain()
            if errors.is_closed:
                self._peek.unregister(errors.descriptor)
            ready = [one for one in ready if one[0] != errors.descriptor]
        if not errors.text.is_empty:
            errors.text = ErrorOutput()
        return not ready

    def disconnect(self) -> None:
        """Close the connection, if there is one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def let_go(self) -> None:
        """Nothing of it is needed any more; the process, if it lives, is not touched."""
        self.is_ending = True
        self.disconnect()
        if self.errors is not None:
            self.errors.drain()
            self.errors.close()
        if self._socket is not None:
            self._socket.close()


def _let_others_finish(pid: int) -> None:
    """A request that comes for that process interrupts nobody: worker and listener finish what they are at, often for
    several requests. Its part of the processors stays the same (SCHED_BATCH, sched(7))."""
    with contextlib.suppress(OSError):  # it has ended, or a container's rules forbid it
        if os.sched_getscheduler(pid) == os.SCHED_OTHER:
            os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
