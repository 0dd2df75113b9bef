"""The old service's half of an upgrade: starts the successor, hands over, or goes on serving.

The successor is started by the same command line as this service, so by what is installed now. It gets duplicates of
the listening sockets, reads the configuration, starts its processes, and says Ready; only then is it the service. Until
that moment nothing of the old one has changed: whatever goes wrong with the successor, the old service serves on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from host.activation.children import describe_exit
from host.processes.control_channel import ControlChannel
from host.processes.launcher import Launcher
from host.processes.spawn import kill
from host.wire.control_messages import AnyMessage, Event, Hello, Listen, Ready
from host.wire.handover_messages import HANDOVER_VARIABLE, Serve, Succeed

START_SECONDS: Final = 120.0
"""How long a successor may take until it is ready: longer than a front may (front_health.START_SECONDS)."""

PROTOCOL: Final = 1
_HANDOVER_DESCRIPTOR: Final = 3
_END_SECONDS: Final = 5.0  # a successor that has closed its channel ends at once
_OUTPUT_KEPT: Final = 4096
_Message = TypeVar("_Message", bound=AnyMessage)


class UpgradeFailed(Exception):
    """There is no successor; the text says why."""


class Succession:
    """One attempt. `start` first; then `commit`, or `abandon`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, launcher: Launcher) -> None:
        self._loop = loop
        self._launcher = launcher
        self._messages: asyncio.Queue[AnyMessage | None] = asyncio.Queue()
        self._exit: asyncio.Future[int] = loop.create_future()
        self._output = b""
        self._is_silent: asyncio.Future[None] = loop.create_future()
        self._channel: ControlChannel
        self.pid = 0

    async def start(
        self,
        environment: Mapping[str, str],
        sockets: Mapping[str, Sequence[socket.socket]],
        inheritance: Succeed,
        lifeline: int,
    ) -> None:
        """Start the successor and wait until it is ready to serve. Raises UpgradeFailed.

        `environment` is added to this process's; `lifeline` is a descriptor, -1 for none.
        """
        self._spawn({**os.environ, **environment})
        await self._expect(Hello)
        for endpoint, group in sockets.items():
            for listening in group:
                self._channel.send(Listen(endpoint=endpoint), (listening.fileno(),))
        self._channel.send(inheritance, (2,) if lifeline < 0 else (2, lifeline))
        await self._expect(Ready)

    async def commit(self, control: socket.socket) -> None:
        """Make it the service. Raises UpgradeFailed when it has just ended: then nothing has been handed over."""
        self._channel.send(Serve(), (control.fileno(),))
        await self._expect(Ready)

    def release(self) -> None:
        """It stands on its own feet."""
        self._channel.close()
        self._launcher.let_go(self.pid)

    async def abandon(self, seconds: float) -> None:
        """It will not be the service: it finishes what it may have begun, and ends; after `seconds` it is killed."""
        self._channel.close()
        self._messages.put_nowait(None)
        await asyncio.wait([self._exit], timeout=seconds)
        self.kill()
        await self._exit

    def kill(self) -> None:
        """End it at once."""
        if not self._exit.done():
            kill(self.pid)

    def _spawn(self, environment: dict[str, str]) -> None:
        self._channel, theirs = self._launcher.channel_pair()
        output, its_output = os.pipe()
        environment[HANDOVER_VARIABLE] = str(_HANDOVER_DESCRIPTOR)
        actions = [
            (os.POSIX_SPAWN_DUP2, its_output, 2),
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), _HANDOVER_DESCRIPTOR),
        ]
        # A group of its own: a terminal's Ctrl-C reaches the first process only, which passes it on exactly once.
        command = own_command()
        try:
            self.pid = os.posix_spawn(command[0], command, environment, file_actions=actions, setpgroup=0)
        except OSError as error:
            os.close(output)
            self._exit.set_result(1)
            raise UpgradeFailed(f"{command[0]} cannot be started: {error.strerror}") from error
        finally:
            theirs.close()
            os.close(its_output)
        self._launcher.watch(self.pid, self._exit.set_result)
        os.set_blocking(output, False)
        self._loop.add_reader(output, self._pass_output_on, output)
        self._channel.attach(
            self._loop,
            lambda message, _descriptors: self._messages.put_nowait(message),
            lambda _why: self._messages.put_nowait(None),
        )

    def _pass_output_on(self, output: int) -> None:
        """What it says before it has our standard error; the last lines tell why it did not start."""
        try:
            raw_text = os.read(output, 65536)
        except BlockingIOError:
            return
        if not raw_text:
            self._loop.remove_reader(output)
            os.close(output)
            self._is_silent.set_result(None)
            return
        self._output = (self._output + raw_text)[-_OUTPUT_KEPT:]
        with contextlib.suppress(OSError):
            os.write(2, raw_text)

    async def _expect(self, kind: type[_Message]) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                message = await self._messages.get()
        except TimeoutError:
            raise UpgradeFailed(f"the new service was not ready within {START_SECONDS:g} s") from None
        if isinstance(message, Event):
            raise UpgradeFailed(message.text)
        if message is None:
            raise UpgradeFailed(await self._how_it_ended())
        if not isinstance(message, kind):
            raise UpgradeFailed(f"the new service said {type(message).__name__} where {kind.__name__} is due")

    async def _how_it_ended(self) -> str:
        ends: list[asyncio.Future[Any]] = [self._exit, self._is_silent]
        await asyncio.wait(ends, timeout=_END_SECONDS)
        if not self._exit.done():
            return "the new service does not speak with the old one"
        text = f"the new service ended by {describe_exit(self._exit.result())} before it was ready"
        lines = self._output.decode("utf-8", "replace").strip().splitlines()
        return f"{text}: {lines[-1].strip()}" if lines else text


def own_command() -> list[str]:
    """The command line of this process, to be run again: the same interpreter path with what is installed there now."""
    return [sys.executable, *sys.orig_argv[1:]]


def interpreter_command() -> list[str]:
    """The interpreter with this process's own options, up to `-m`."""
    arguments = sys.orig_argv
    return [sys.executable, *arguments[1 : arguments.index("-m")]]
