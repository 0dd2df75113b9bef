"""A worker's side of the spawner's dialogue on an event loop, as small as tests can do with."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Mapping, Sequence

from host.api import ProgramExit
from host.wire.spawn_messages import (
    IN_MEMORY_FILE,
    LARGEST_PACKET,
    KillProgram,
    LaunchFailed,
    LaunchProgram,
    ProgramEnded,
    ProgramLaunched,
    decode_spawn_message,
    encode_spawn_message,
)

_numbers = itertools.count(1)


class LoopProgram:
    """A program that was launched."""

    def __init__(self, launcher: LoopLauncher, number: int) -> None:
        self._launcher = launcher
        self._number = number
        self.launched: asyncio.Future[int] = launcher.loop.create_future()
        self.ended: asyncio.Future[ProgramExit] = launcher.loop.create_future()

    @property
    def pid(self) -> int:
        return self.launched.result()

    @property
    def exit(self) -> ProgramExit | None:
        return self.ended.result() if self.ended.done() else None

    async def wait(self) -> ProgramExit:
        return await asyncio.shield(self.ended)

    async def kill(self, reason: str) -> None:
        self._launcher.sock.send(encode_spawn_message(KillProgram(number=self._number, reason=reason)))


class LoopLauncher:
    """`ProgramLauncher` over the worker's socket to a spawner; made inside the loop that uses it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.loop = asyncio.get_running_loop()
        self.programs: dict[int, LoopProgram] = {}
        self.requests: list[str] = []
        self._has_heard = asyncio.Event()
        sock.setblocking(False)
        self.loop.add_reader(sock.fileno(), self._hear)

    def close(self) -> None:
        self.loop.remove_reader(self.sock.fileno())

    async def launch(
        self,
        argv: Sequence[bytes],
        environment: Mapping[bytes, bytes],
        *,
        directory: bytes,
        stdin: int,
        stdout: int,
        stderr: int,
        request_id: str,
    ) -> LoopProgram:
        number = next(_numbers)
        self.requests.append(request_id)
        program = self.programs[number] = LoopProgram(self, number)
        message = LaunchProgram(
            number=number,
            argv=list(argv),
            environment=[name + b"=" + value for name, value in environment.items()],
            directory=directory,
            request_id=request_id,
        )
        raw_message = encode_spawn_message(message)
        descriptors = [stdin, stdout, stderr]
        if len(raw_message) <= LARGEST_PACKET:
            await self._send(raw_message, descriptors)
        else:
            with os.fdopen(os.memfd_create("message"), "wb") as file:
                file.write(raw_message)
                file.flush()
                await self._send(IN_MEMORY_FILE, [*descriptors, file.fileno()])
        await program.launched
        return program

    async def _send(self, packet: bytes, descriptors: list[int]) -> None:
        while True:
            try:
                socket.send_fds(self.sock, [packet], descriptors)
            except BlockingIOError:  # the spawner is busy: it answers before it reads on
                self._has_heard.clear()
                await self._has_heard.wait()
            else:
                return

    def _hear(self) -> None:
        message = decode_spawn_message(self.sock.recv(LARGEST_PACKET))
        self._has_heard.set()
        program = self.programs.get(message.number)
        if program is None:
            return  # of an earlier loop
        if isinstance(message, ProgramLaunched):
            program.launched.set_result(message.pid)
        elif isinstance(message, LaunchFailed):
            error = OSError(message.errno, os.strerror(message.errno), os.fsdecode(message.path))
            program.launched.set_exception(error)
        elif isinstance(message, ProgramEnded):
            name = signal.Signals(-message.status).name if message.status < 0 else ""
            program.ended.set_result(ProgramExit(message.status, name))
