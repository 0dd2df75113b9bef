"""The service's end of the control socket."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host.admin.client import CommandFailed, call
from host.admin.commands import LENGTH, Command, Done, Failed, GetStatus, RecyclePool, Reply, decode_reply, encode
from host.admin.server import ControlServer, Tell
from host.admin.unix_socket import SocketInUse, connect
from tests.admin.running_server import running_server
from tests.cli.command_line import CHECKOUT

NOBODY = 65534


def greet(command: Command) -> Reply:
    """Answers with the command's name; fails for a pool called `broken`."""
    if isinstance(command, RecyclePool) and command.name == "broken":
        raise RuntimeError("no such luck")
    return Done(text=type(command).__name__)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


CALLER = """
import os, sys
from pathlib import Path
from host.admin.client import ControlError, call
from host.admin.commands import GetStatus
print("ready", flush=True)
sys.stdin.readline()
os.setresuid(int(sys.argv[2]), int(sys.argv[2]), int(sys.argv[2]))
try:
    print(call(Path(sys.argv[1]), GetStatus(), 60))
except ControlError as error:
    print(error.message)
"""


@contextmanager
def waiting_caller(path: Path, uid: int) -> Iterator[Callable[[], str]]:
    """A process that becomes another user once it has loaded what it needs; calls when it is told to."""
    command = [sys.executable, "-c", CALLER, str(path), str(uid)]
    caller = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    with caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "ready\n"
        yield lambda: caller.communicate("go\n", timeout=90)[0]


def ask(connection: socket.socket, raw_message: bytes) -> Reply:
    """One reply over a connection that stays open."""
    connection.sendall(raw_message)
    with connection.makefile("rb") as stream:
        length = LENGTH.unpack(stream.read(LENGTH.size))[0]
        return decode_reply(stream.read(length))


def test_commands_are_answered_in_turn(tmp_path: Path) -> None:
    """Several commands on one connection, several connections."""
    path = tmp_path / "a.sock"
    with running_server(path, greet) as commands:
        with connect(path, 60) as first, connect(path, 60) as second:
            assert ask(first, encode(GetStatus())) == Done(text="GetStatus")
            assert ask(second, encode(RecyclePool(name="x"))) == Done(text="RecyclePool")
            assert ask(first, encode(RecyclePool(name="y"))) == Done(text="RecyclePool")
        assert commands == [GetStatus(), RecyclePool(name="x"), RecyclePool(name="y")]
    assert not path.exists()


def test_a_handler_that_raises_answers_failed(tmp_path: Path) -> None:
    """The caller gets the reason; the next command is answered."""
    path = tmp_path / "a.sock"
    with running_server(path, greet):
        with pytest.raises(CommandFailed, match="RecyclePool failed inside the service: RuntimeError: no such luck"):
            call(path, RecyclePool(name="broken"))
        assert call(path, GetStatus()) == Done(text="GetStatus")


@pytest.mark.parametrize("raw_message", [LENGTH.pack(2) + b"\xc1\xc1", LENGTH.pack(1 << 30), LENGTH.pack(0)])
def test_garbage_is_refused_and_costs_the_caller_its_connection(tmp_path: Path, raw_message: bytes) -> None:
    """The server goes on."""
    path = tmp_path / "a.sock"
    with running_server(path, greet) as commands:
        with connect(path, 60) as connection:
            assert isinstance(ask(connection, raw_message), Failed)
            assert connection.recv(1) == b""
        assert call(path, GetStatus()) == Done(text="GetStatus")
        assert commands == [GetStatus()]


def test_a_caller_that_hangs_up_in_the_middle_disturbs_nobody(tmp_path: Path) -> None:
    """Half a length, half a message, no word at all."""
    path = tmp_path / "a.sock"
    with running_server(path, greet) as commands:
        for raw_piece in (b"\x00", LENGTH.pack(100) + b"half", b""):
            with connect(path, 60) as connection:
                connection.sendall(raw_piece)
        assert call(path, GetStatus()) == Done(text="GetStatus")
        assert commands == [GetStatus()]


def test_a_stranger_is_refused_with_the_reason(open_folder: Path) -> None:
    """Another user who somehow reaches the socket is told why it may not be used, and no handler runs."""
    path = open_folder / "a.sock"
    is_root = os.geteuid() == 0
    with (
        waiting_caller(path, NOBODY if is_root else os.geteuid()) as ask_as_stranger,
        running_server(path, greet, owner_uid=None if is_root else os.geteuid() + 1) as commands,
    ):
        os.chmod(path, 0o666)
        assert "may command it" in ask_as_stranger()
        assert commands == []


def test_a_second_service_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    """Two services cannot share a socket; the first one keeps it."""
    path = tmp_path / "a.sock"

    async def scenario() -> None:
        async def handle(command: Command, _tell: Tell) -> Reply:
            return Done(text="first")

        first, second = ControlServer(path, handle), ControlServer(path, handle)
        await first.start()
        with pytest.raises(SocketInUse, match=f"process {os.getpid()}"):
            await second.start()
        await second.close()
        assert path.exists()
        assert await asyncio.to_thread(call, path, GetStatus()) == Done(text="first")
        await first.close()
        assert not path.exists()
        await second.start()
        await second.close()

    asyncio.run(scenario())


def test_close_cuts_callers_that_wait(tmp_path: Path) -> None:
    """A handler that takes for ever does not keep the service from ending."""
    path = tmp_path / "a.sock"

    async def scenario() -> None:
        started = asyncio.Event()

        async def handle(command: Command, _tell: Tell) -> Reply:
            started.set()
            await asyncio.Event().wait()
            return Done(text="never")

        server = ControlServer(path, handle)
        await server.start()
        reader, writer = await asyncio.open_unix_connection(sock=connect(path, 5))
        writer.write(encode(GetStatus()))
        await started.wait()
        await server.close()
        assert await reader.read() == b""
        writer.close()

    asyncio.run(scenario())


def test_a_handler_may_close_the_server_that_called_it(tmp_path: Path) -> None:
    """StopService: the answer still reaches the caller."""
    path = tmp_path / "a.sock"

    async def scenario() -> None:
        closing: list[asyncio.Task[None]] = []

        async def handle(command: Command, _tell: Tell) -> Reply:
            closing.append(asyncio.get_running_loop().create_task(server.close()))
            return Done(text="stopping")

        server = ControlServer(path, handle)
        await server.start()
        assert await asyncio.to_thread(call, path, GetStatus()) == Done(text="stopping")
        await closing[0]
        assert not path.exists()

    asyncio.run(scenario())
