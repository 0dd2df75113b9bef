"""Asks the spawner in the pool's small parent to start programs: the worker itself never forks.

One SOCK_SEQPACKET socket per worker; sending and receiving never block the loop. A message that no packet takes
travels in a memory file.
"""

from __future__ import annotations

import array
import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from host.api import LaunchRefused, Program, ResourceLimits, WarmStart
from host.wire import spawn_messages
from host.wire.errors import WireError
from host.wire.spawn_messages import (
    IN_MEMORY_FILE,
    LARGEST_MESSAGE,
    LARGEST_PACKET,
    NO_LIMITS,
    Answer,
    KillProgram,
    KillRequest,
    LaunchFailed,
    LaunchProgram,
    Limits,
    ProgramEnded,
    ProgramLaunched,
    TellStart,
    UseConfiguration,
    decode_answers,
    encode_spawn_message,
)
from host.worker.launched_program import GONE, LaunchedProgram

# as plain numbers: an enumeration's are found by calls
_SOCKET_LEVEL: Final = int(socket.SOL_SOCKET)
_RIGHTS: Final = int(socket.SCM_RIGHTS)

_MANY: Final = 4
"""Programs at the same time, none of which has been heard of: from then on a second spawner takes its share."""


class ScriptLauncher:
    """The worker's half of `wire/spawn_messages.py` (host.api.ProgramLauncher). `spawner` is its own from now on, and
    so is `for_users`, which leads to the spawner that may start scripts as other users, where that is another one.
    `second` leads to one that takes its share of the programs once there are many at the same time. `lost` is called
    when the spawner has ended by itself, with the requests whose programs it has left behind."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spawner: socket.socket,
        for_users: socket.socket | None = None,
        lost: Callable[[list[str]], None] | None = None,
        *,
        second: socket.socket | None = None,
    ) -> None:
        self._for_users = ScriptLauncher(loop, for_users) if for_users is not None else None
        self._second = ScriptLauncher(loop, second, lost=self._has_lost_second) if second is not None else None
        self._second_serves = False
        self._unheard = 0  # programs of which the spawner has said nothing yet
        spawner.setblocking(False)
        self._loop = loop
        self._socket = spawner
        self._lost = lost
        self._number = 0
        self._programs: dict[int, LaunchedProgram] = {}  # that have not ended
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._is_closed = False
        loop.add_reader(spawner.fileno(), self._readable)

    async def launch(  # noqa: PLR0913  the parameters are those of an exec
        self,
        argv: Sequence[bytes],
        environment: Mapping[bytes, bytes],
        *,
        directory: bytes,
        stdin: int,
        stdout: int,
        stderr: int,
        request_id: str,
        limits: ResourceLimits | None = None,
        warm: WarmStart | None = None,
        script: bytes = b"",
        private_temp: bool = False,
    ) -> Program:
        """`start`, and return when it runs. Raises OSError with the errno of exec or chdir, LaunchRefused. A caller
        that is cancelled meanwhile leaves no program behind."""
        program = self.start(
            argv,
            environment,
            directory=directory,
            descriptors=(stdin, stdout, stderr),
            request_id=request_id,
            limits=limits,
            warm=warm,
            script=script,
            private_temp=private_temp,
        )
        try:
            await program.start()
        except asyncio.CancelledError:
            program.end("its request ended while it was started")
            raise
        return program

    def start(  # noqa: PLR0913  the parameters are those of an exec
        self,
        argv: Sequence[bytes],
        environment: Mapping[bytes, bytes],
        *,
        directory: bytes,
        descriptors: tuple[int, int, int],
        request_id: str,
        limits: ResourceLimits | None = None,
        warm: WarmStart | None = None,
        script: bytes = b"",
        private_temp: bool = False,
        told: Callable[[], None] | None = None,
    ) -> LaunchedProgram:
        """Say that `argv[0]` is to be started; `told` is called when it has ended or could not be. Raises OSError E2BIG
        for a launch of more than 4 MiB, EPIPE when the spawner is gone."""
        if script and self._for_users is not None:
            return self._for_users.start(
                argv,
                environment,
                directory=directory,
                descriptors=descriptors,
                request_id=request_id,
                script=script,
                told=told,
            )
        second = self._second
        if second is not None and not (warm or script or private_temp) and self._leaves_to(second, environment):
            return second.start(
                argv,
                environment,
                directory=directory,
                descriptors=descriptors,
                request_id=request_id,
                limits=limits,
                told=told,
            )
        number = self._number = self._number + 1
        message = LaunchProgram(
            number=number,
            argv=argv if isinstance(argv, list) else list(argv),
            environment=environment if isinstance(environment, dict) else dict(environment),
            directory=directory,
            request_id=request_id,
            limits=NO_LIMITS if limits is None else _as_said(limits),
            warm=None if warm is None else _as_asked(warm),
            script=script,
            private_temp=private_temp,
            is_brief=told is not None,
        )
        self.send(message, descriptors)
        if self._is_closed:  # which was found just now
            raise BrokenPipeError(errno.EPIPE, GONE)
        program = LaunchedProgram(self.send, number, told, request_id, is_brief=told is not None)
        self._programs[number] = program
        self._unheard += 1
        return program

    def send(
        self,
        message: LaunchProgram | TellStart | KillProgram | KillRequest | UseConfiguration,
        descriptors: Sequence[int] = (),
    ) -> None:
        """Say something; the descriptors stay the caller's, and are duplicated when it cannot be said at once. Raises
        OSError for a launch that cannot be said."""
        if self._is_closed:
            if isinstance(message, LaunchProgram):
                raise BrokenPipeError(errno.EPIPE, GONE)
            return
        raw_message = encode_spawn_message(message)
        if len(raw_message) > LARGEST_MESSAGE:
            raise OSError(errno.E2BIG, "arguments and environment are longer than 4 MiB")
        own: list[int] = []
        if len(raw_message) > LARGEST_PACKET:
            own.append(_memory_file(raw_message))
            raw_message = IN_MEMORY_FILE
        if self._unsent or not self._has_sent(raw_message, [*descriptors, *own]):
            passed = _duplicates(descriptors, own)
            if not self._unsent:
                self._loop.add_writer(self._socket.fileno(), self._writable)
            self._unsent.append((raw_message, passed))
            return
        for descriptor in own:
            os.close(descriptor)

    def close(self) -> None:
        """Let go: the spawner ends every program that still runs for this worker."""
        if self._for_users is not None:
            self._for_users.close()
        if self._second is not None:
            self._second.close()
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        while self._unsent:
            for descriptor in self._unsent.popleft()[1]:
                os.close(descriptor)
        programs, self._programs = self._programs, {}
        for program in programs.values():
            program.lost()

    def _has_sent(self, raw_message: bytes, descriptors: Sequence[int]) -> bool:
        """False when the socket takes nothing now; to a spawner that is gone everything is sent."""
        try:
            rights = [(_SOCKET_LEVEL, _RIGHTS, array.array("i", descriptors))] if descriptors else []
            self._socket.sendmsg([raw_message], rights)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self._lose()
        return True

    def _leaves_to(self, second: ScriptLauncher, environment: Mapping[bytes, bytes]) -> bool:
        """Whether another program is for the second spawner, which has no rights and no folders of its own, and no
        warm interpreters. It is one that can be found again if that spawner should be killed."""
        if not self._second_serves:
            self._second_serves = self._unheard >= _MANY
        return self._second_serves and second._unheard < self._unheard and b"UNIQUE_ID" in environment

    def _has_lost_second(self, requests: list[str]) -> None:
        """The first one goes on alone."""
        self._second = None
        for request_id in requests:
            self.send(KillRequest(number=0, request_id=request_id))

    def _lose(self) -> None:
        left = [program.request_id for program in self._programs.values()]
        self.close()
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(left)

    def _writable(self) -> None:
        while self._unsent:
            raw_message, descriptors = self._unsent[0]
            if not self._has_sent(raw_message, descriptors):
                return
            if self._is_closed:  # which has closed the descriptors
                return
            self._unsent.popleft()
            for descriptor in descriptors:
                os.close(descriptor)
        self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        try:
            packet = self._socket.recv(LARGEST_PACKET)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            packet = b""
        if not packet:
            self._lose()
            return
        try:
            answers = decode_answers(packet)
        except WireError:
            self._lose()
            return
        answers.reverse()
        self._take_all(answers)

    def _take_all(self, answers: list[Answer]) -> None:
        """From the last to the first. Whoever is told of one, and raises, keeps nobody waiting who is to be told of the
        others."""
        try:
            while answers:
                self._take(answers.pop())
        finally:
            if answers:
                self._take_all(answers)

    def _take(self, answer: Answer) -> None:
        number = answer.number
        program = self._programs.get(number)
        if program is None:
            return
        if not program.pid:
            self._unheard -= 1
        if isinstance(answer, ProgramLaunched):
            program.launched(answer)
            return
        del self._programs[number]
        if isinstance(answer, ProgramEnded):
            program.ended(answer)
        elif isinstance(answer, LaunchFailed):
            path = os.fsdecode(answer.path)
            program.failed(OSError(answer.errno, os.strerror(answer.errno), path))
        else:
            program.failed(LaunchRefused(answer.check, answer.reason, answer.remedy))


def _as_said(limits: ResourceLimits) -> Limits:
    return Limits(
        processor_seconds=limits.processor_seconds,
        address_space_bytes=limits.address_space_kilobytes * 1024,
        open_files=limits.open_files,
        processes=limits.processes,
    )


def _as_asked(warm: WarmStart) -> spawn_messages.WarmStart:
    return spawn_messages.WarmStart(
        program=warm.program,
        command=list(warm.command),
        arguments=list(warm.arguments),
        lasting=list(warm.lasting),
        language=warm.language,
        modules=list(warm.modules),
    )


def _duplicates(descriptors: Sequence[int], own: Sequence[int]) -> list[int]:
    """Duplicates of the ones, and the others. Raises OSError when there can be no more; then the others are closed."""
    made: list[int] = []
    try:
        for descriptor in descriptors:
            made.append(os.dup(descriptor))
    except OSError:
        for descriptor in (*made, *own):
            os.close(descriptor)
        raise
    return [*made, *own]


def _memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("isapy-launch", os.MFD_CLOEXEC)
    with open(os.dup(descriptor), "wb") as file:
        file.write(content)
    return descriptor
