"""Sending pieces of files by sendfile: turns, ends, and what breaks."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from host.listener.file_sender import FileSender
from host.listener.file_turns import TURN_BYTES, FileTurns
from tests.listener.running_listener import WAIT_SECONDS

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
Ends = asyncio.Queue[bool | str]
Pair = tuple[asyncio.Transport, socket.socket]


async def connect() -> Pair:
    """A transport and the plain socket at its other end."""
    listening = socket.create_server(("127.0.0.1", 0))
    far = socket.create_connection(listening.getsockname())
    near, _ = listening.accept()
    listening.close()
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, near)
    return transport, far


async def receive(far: socket.socket, count: int) -> bytes:
    far.setblocking(False)
    received = bytearray()
    while len(received) < count:
        data = await asyncio.get_running_loop().sock_recv(far, 1 << 20)
        assert data
        received += data
    return bytes(received)


def run(new_loop: Callable[[], asyncio.AbstractEventLoop], test: Callable[[Any, Any, Any], Any], path: Path) -> None:
    async def whole() -> None:
        transport, far = await connect()
        ends: Ends = asyncio.Queue()
        sender = FileSender(FileTurns(asyncio.get_running_loop()), transport, lambda: ends.put_nowait("broken"))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await test(sender, far, ends)
        finally:
            sender.close()
            transport.abort()
            far.close()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(whole())
    del path


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_piece_larger_than_a_turn_arrives_behind_its_prefix(
    new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    """And `done` is told once, with the descriptor closed."""
    content = os.urandom(3 * TURN_BYTES)
    (tmp_path / "f").write_bytes(content)

    async def test(sender: FileSender, far: socket.socket, ends: Ends) -> None:
        descriptor = os.open(tmp_path / "f", os.O_RDONLY)
        sender.send(b"head", descriptor, 1, len(content) - 1, ends.put_nowait)
        assert sender.left_bytes == len(content) + 3
        assert await receive(far, len(content) + 3) == b"head" + content[1:]
        assert await ends.get() is True
        assert sender.left_bytes == 0
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)

    run(new_loop, test, tmp_path)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_file_that_ends_early_is_not_done_well(
    new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    """done(False): the promised length cannot be kept."""
    (tmp_path / "f").write_bytes(b"x" * 10)

    async def test(sender: FileSender, far: socket.socket, ends: Ends) -> None:
        sender.send(b"", os.open(tmp_path / "f", os.O_RDONLY), 0, 11, ends.put_nowait)
        assert await receive(far, 10) == b"x" * 10
        assert await ends.get() is False

    run(new_loop, test, tmp_path)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_client_that_is_gone_breaks_it(new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path) -> None:
    """Not `done`: the connection has to go."""
    with (tmp_path / "f").open("wb") as file:
        file.truncate(100 * TURN_BYTES)

    async def test(sender: FileSender, far: socket.socket, ends: Ends) -> None:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        sender.send(b"", os.open(tmp_path / "f", os.O_RDONLY), 0, 100 * TURN_BYTES, ends.put_nowait)
        assert await ends.get() == "broken"

    run(new_loop, test, tmp_path)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_closing_in_the_middle_tells_nobody(new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path) -> None:
    """The connection is gone already; the descriptor is closed."""
    with (tmp_path / "f").open("wb") as file:
        file.truncate(100 * TURN_BYTES)

    async def test(sender: FileSender, far: socket.socket, ends: Ends) -> None:
        descriptor = os.open(tmp_path / "f", os.O_RDONLY)
        sender.send(b"", descriptor, 0, 100 * TURN_BYTES, ends.put_nowait)
        await receive(far, 1)
        sender.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert ends.empty()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)

    run(new_loop, test, tmp_path)
