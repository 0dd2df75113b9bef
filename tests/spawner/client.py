"""A worker's side of the spawner's dialogue, blocking, for tests."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Mapping, Sequence

from host.wire.spawn_messages import (
    IN_MEMORY_FILE,
    LARGEST_PACKET,
    NO_LIMITS,
    AnySpawnMessage,
    KillProgram,
    LaunchFailed,
    LaunchProgram,
    LaunchRefused,
    Limits,
    ProgramEnded,
    ProgramLaunched,
    WarmStart,
    decode_answers,
    encode_spawn_message,
)
from tests.spawner.spawner_process import SpawnerProcess

PATIENCE_SECONDS = 90.0


class SpawnerClient:
    """Starts a spawner process, or is given one, and talks to it."""

    def __init__(self, process: SpawnerProcess | None = None) -> None:
        self.process = process or SpawnerProcess()
        self.sock = self.process.connect()
        self.sock.settimeout(PATIENCE_SECONDS)
        self._number = 0
        self._heard: list[AnySpawnMessage] = []

    def close(self) -> None:
        """Leave; the spawner ends its programs and itself."""
        self.sock.close()
        self.process.close()

    def send_launch(
        self,
        argv: Sequence[bytes],
        descriptors: Sequence[int],
        *,
        environment: Mapping[bytes, bytes] | None = None,
        directory: bytes = b"/",
        request_id: str = "",
        limits: Limits = NO_LIMITS,
        warm: WarmStart | None = None,
        script: bytes = b"",
        private_temp: bool = False,
        is_brief: bool = False,
    ) -> int:
        """Send a LaunchProgram; its number."""
        self._number += 1
        request_id = request_id or f"request-{self._number}"
        variables = {b"PATH": b"/usr/bin:/bin", b"UNIQUE_ID": request_id.encode()} | dict(environment or {})
        message = LaunchProgram(
            number=self._number,
            argv=list(argv),
            environment=variables,
            directory=directory,
            request_id=request_id,
            limits=limits,
            warm=warm,
            script=script,
            private_temp=private_temp,
            is_brief=is_brief,
        )
        raw_message = encode_spawn_message(message)
        if len(raw_message) <= LARGEST_PACKET:
            socket.send_fds(self.sock, [raw_message], list(descriptors))
            return self._number
        with os.fdopen(os.memfd_create("message"), "wb") as file:
            file.write(raw_message)
            file.flush()
            socket.send_fds(self.sock, [IN_MEMORY_FILE], [*descriptors, file.fileno()])
        return self._number

    def launch(self, argv: Sequence[bytes], stdin: bytes = b"", **options: object) -> Launched:
        """Start a program whose output and errors can be read here; `stdin` is what it reads."""
        read_in, write_in = os.pipe()
        read_out, write_out = os.pipe()
        read_error, write_error = os.pipe()
        os.write(write_in, stdin)
        os.close(write_in)
        number = self.send_launch(argv, [read_in, write_out, write_error], **options)  # type: ignore[arg-type]
        for descriptor in (read_in, write_out, write_error):
            os.close(descriptor)
        answer = self.hear(ProgramLaunched, LaunchFailed, LaunchRefused, number=number)
        return Launched(self, number, answer, read_out, read_error)

    def kill(self, number: int) -> None:
        """Send a KillProgram."""
        self.sock.send(encode_spawn_message(KillProgram(number=number, reason="test")))

    def hear(self, *kinds: type[AnySpawnMessage], number: int) -> AnySpawnMessage:
        """The next message of one of `kinds` about program `number`; others are kept."""
        while True:
            for message in self._heard:
                if isinstance(message, kinds) and message.number == number:
                    self._heard.remove(message)
                    return message
            self._heard += decode_answers(self.sock.recv(LARGEST_PACKET))


class Launched:
    """A program that the client has launched, or failed to."""

    def __init__(self, client: SpawnerClient, number: int, answer: AnySpawnMessage, out: int, error: int) -> None:
        self.client = client
        self.number = number
        self.answer = answer
        self.out = out
        self.error = error

    @property
    def pid(self) -> int:
        assert isinstance(self.answer, ProgramLaunched)
        return self.answer.pid

    def read_line(self) -> bytes:
        """One line of its output."""
        line = bytearray()
        while not line.endswith(b"\n"):
            byte = self._read(self.out, 1)
            if not byte:
                break
            line += byte
        return bytes(line)

    def read_all(self) -> bytes:
        """Its output until every process has closed it, and close our end."""
        return self._drain(self.out)

    def read_errors(self) -> bytes:
        """The same of its standard error."""
        return self._drain(self.error)

    def status(self) -> int:
        """Exit code, or minus the signal's number, once it has ended."""
        ended = self.client.hear(ProgramEnded, number=self.number)
        assert isinstance(ended, ProgramEnded)
        return ended.status

    def close(self) -> None:
        for descriptor in (self.out, self.error):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _drain(self, descriptor: int) -> bytes:
        found = b"".join(iter(lambda: self._read(descriptor, 65536), b""))
        os.close(descriptor)
        return found

    def _read(self, descriptor: int, count: int) -> bytes:
        assert select.select([descriptor], [], [], PATIENCE_SECONDS)[0], "the program went silent"
        return os.read(descriptor, count)
