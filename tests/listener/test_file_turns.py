"""Files to many clients at once: what one turn of the loop sends, who is next, and that nobody is left out."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from host.listener.encrypted_file_sender import EncryptedFileSender
from host.listener.file_sender import FileSender
from host.listener.file_turns import PORTION_BYTES, TURN_BYTES, FileTurns
from tests.listener.running_listener import WAIT_SECONDS

Sender = FileSender | EncryptedFileSender
SENDERS: list[type[Sender]] = [FileSender, EncryptedFileSender]
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]
MANY = 48
SIZE = 3 * TURN_BYTES
ROOM = 4 << 20  # of a socket's buffers: a turn is stopped by what it may send, not by them


class Clients:
    """Some senders of one file under shared turns, and the far ends of their sockets."""

    def __init__(self, kind: type[Sender], path: Path) -> None:
        self.turns = FileTurns(asyncio.get_running_loop())
        self.senders: list[Sender] = []
        self.far: list[socket.socket] = []
        self.ended: list[int] = []
        self.all_ended = asyncio.Event()
        self._kind, self._path = kind, path
        self._transports: list[asyncio.Transport] = []

    async def connect(self, count: int) -> None:
        """So many more clients, whose machines take a good deal before anybody reads."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
            for _ in range(count):
                far = socket.create_connection(listening.getsockname())
                near, _ = listening.accept()
                for end in (near, far):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
                loop = asyncio.get_running_loop()
                transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, near)
                transport.set_write_buffer_limits(1 << 30)
                self.senders.append(self._kind(self.turns, transport, lambda: None))
                self.far.append(far)
                self._transports.append(transport)

    def begin(self, which: int) -> None:
        """Send the whole file to that client."""
        descriptor = os.open(self._path, os.O_RDONLY)
        self.senders[which].send(b"", descriptor, 0, SIZE, lambda ok: self._note(which, ok))

    def left(self) -> int:
        """Bytes that no socket has taken, of all files under way."""
        return sum(sender.left_bytes for sender in self.senders)

    def _note(self, which: int, ok: bool) -> None:
        assert ok
        self.ended.append(which)
        if len(self.ended) == len(self.senders):
            self.all_ended.set()

    def close(self) -> None:
        for sender in self.senders:
            sender.close()
        for transport in self._transports:
            transport.abort()
        for far in self.far:
            far.close()


def run(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    kind: type[Sender],
    path: Path,
    test: Callable[[Clients], Coroutine[Any, Any, None]],
) -> None:
    async def whole() -> None:
        clients = Clients(kind, path)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await test(clients)
        finally:
            clients.close()
            await asyncio.sleep(0)

    with path.open("wb") as file:
        file.truncate(SIZE)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(whole())


def drain(far: list[socket.socket]) -> threading.Thread:
    """Read all that comes to these sockets."""

    def read(one: socket.socket) -> None:
        left = SIZE
        while left:
            data = one.recv(1 << 20)
            assert data
            left -= len(data)

    def all_of_them() -> None:
        threads = [threading.Thread(target=read, args=(one,)) for one in far]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    thread = threading.Thread(target=all_of_them)
    thread.start()
    return thread


@pytest.mark.parametrize("kind", SENDERS)
@pytest.mark.parametrize("new_loop", LOOPS)
def test_one_turn_of_the_loop_sends_no_more_for_many_clients_than_for_a_few(
    new_loop: Callable[[], asyncio.AbstractEventLoop], kind: type[Sender], tmp_path: Path
) -> None:
    """A turn sends about a portion in all, while every client can take more; all of them get some."""

    async def test(clients: Clients) -> None:
        await clients.connect(MANY)
        for which in range(MANY):
            clients.begin(which)
        before, most, turns = clients.left(), 0, 0
        while any(sender.left_bytes == SIZE for sender in clients.senders) and turns < 10 * MANY:
            await asyncio.sleep(0)
            left = clients.left()
            before, most, turns = left, max(most, before - left), turns + 1
        assert not any(sender.left_bytes == SIZE for sender in clients.senders)
        assert 0 < most <= 2 * PORTION_BYTES

    run(new_loop, kind, tmp_path / "file", test)


@pytest.mark.parametrize("kind", SENDERS)
@pytest.mark.parametrize("new_loop", LOOPS)
def test_all_of_many_clients_get_the_whole_file(
    new_loop: Callable[[], asyncio.AbstractEventLoop], kind: type[Sender], tmp_path: Path
) -> None:
    """Whoever waits in the line, or for its client, has its turn again; one more file begins while others are sent."""

    async def test(clients: Clients) -> None:
        await clients.connect(8)
        for which in range(7):
            clients.begin(which)
        reading = drain(clients.far)
        await asyncio.sleep(0)
        clients.begin(7)
        await clients.all_ended.wait()
        await asyncio.get_running_loop().run_in_executor(None, reading.join)
        assert sorted(clients.ended) == list(range(8))
        assert clients.left() == 0

    run(new_loop, kind, tmp_path / "file", test)


def test_whoever_is_alone_may_send_all_of_a_turn() -> None:
    """And one who has not waited may go on as long as something is left of it, and nobody waits."""

    async def test() -> None:
        turns = FileTurns(asyncio.get_running_loop())
        given: list[int] = []
        assert turns.allowance() == TURN_BYTES
        turns.wait(given.append)
        assert turns.allowance() == 0
        await asyncio.sleep(0)
        assert given == [TURN_BYTES]
        turns.spend(TURN_BYTES - PORTION_BYTES)
        assert turns.allowance() == PORTION_BYTES
        turns.spend(1)
        assert turns.allowance() == 0
        await asyncio.sleep(0)
        assert turns.allowance() == TURN_BYTES

    asyncio.run(test())


def test_the_line_is_served_in_its_order_over_several_turns() -> None:
    """A portion each; who comes back stands behind those who have had none."""

    async def test() -> None:
        turns = FileTurns(asyncio.get_running_loop())
        served: list[tuple[int, int]] = []

        def turn(which: int, most: int) -> None:
            served.append((which, most))
            turns.spend(most)

        for which in range(12):
            turns.wait(lambda most, which=which: turn(which, most))  # type: ignore[misc]
        await asyncio.sleep(0)
        assert served == [(0, PORTION_BYTES)]
        turns.wait(lambda most: turn(99, most))
        for _ in range(12):
            await asyncio.sleep(0)
        assert [which for which, _ in served] == [*range(12), 99]

    asyncio.run(test())


def test_a_few_share_what_one_would_have() -> None:
    """Two of them: half of it in a turn, and half of that each."""

    async def test() -> None:
        turns = FileTurns(asyncio.get_running_loop())
        given: list[int] = []
        turns.wait(given.append)
        turns.wait(given.append)
        await asyncio.sleep(0)
        assert given == [TURN_BYTES // 4] * 2

    asyncio.run(test())
