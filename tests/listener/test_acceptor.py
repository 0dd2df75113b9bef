"""Accepting by ourselves: what a shortage of descriptors does, and an end in the middle."""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import suppress
from typing import Any

from host.listener.acceptor import UNSENT_BYTES, Acceptor
from host.listener.newcomers import Newcomers
from tests.listener.running_listener import WAIT_SECONDS, open_descriptors


class Greeting:
    """Says who it is and ends; `made` is called first."""

    awaits_last_answer = False

    def __init__(self, made: Any) -> None:
        self._made = made

    def connection_made(self, transport: Any) -> None:
        self._made(transport)
        transport.write(repr(transport.get_extra_info("sockname")).encode())
        transport.close()

    def data_received(self, data: bytes) -> None:
        raise AssertionError("it has ended")

    def eof_received(self) -> bool:
        raise AssertionError("it has ended")

    def connection_lost(self, exc: Exception | None) -> None:
        assert exc is None


async def greeting_at(address: tuple[str, int]) -> str:
    """What a client there is told."""
    reader, writer = await asyncio.open_connection(*address)
    text = await asyncio.wait_for(reader.read(), WAIT_SECONDS)
    writer.close()
    await writer.wait_closed()
    return text.decode()


def test_without_descriptors_nothing_is_accepted_for_a_while() -> None:
    """The client waits in the socket's queue, the loop does not spin, and later it is served."""
    calls: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: calls.append(str(context)))
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        address = listening.getsockname()
        acceptor = Acceptor(loop, listening, Newcomers(loop), lambda: Greeting(lambda _: calls.append("made")))
        client = socket.create_connection(address)  # accepted as soon as the loop goes round
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            for _ in range(3):  # the loop polls its sockets between these
                await asyncio.sleep(0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert calls == []
        assert not loop.remove_reader(listening.fileno())  # nobody asks for now
        assert await greeting_at(address) == repr(address)
        with client:
            assert client.recv(100).decode() == repr(address)
        acceptor.close()
        acceptor.close()

    asyncio.run(main())
    assert calls == ["made", "made"]


def test_a_socket_at_which_nothing_can_be_accepted_is_left_alone_for_a_while() -> None:
    """The loop would spin: the kernel says again and again that there is something to be heard."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        acceptor = Acceptor(loop, listening, Newcomers(loop), lambda: Greeting(lambda _: None))
        listening.shutdown(socket.SHUT_RDWR)  # whoever shares it may do that
        for _ in range(3):
            await asyncio.sleep(0)
        assert not loop.remove_reader(listening.fileno())
        acceptor.close()

    asyncio.run(main())


class Flood(Greeting):
    """Sends until the kernel takes no more; `taken` says how much that was."""

    taken = 0

    def connection_made(self, transport: Any) -> None:
        connection = transport.get_extra_info("socket")
        with suppress(BlockingIOError):
            while True:
                self.taken += connection.send(bytes(UNSENT_BYTES // 4))
        transport.abort()
        self._made(self.taken)


def test_a_client_that_takes_nothing_leaves_little_with_the_kernel() -> None:
    """UNSENT_BYTES beyond what its own machine holds, and not the megabytes of a send buffer."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        taken: asyncio.Future[int] = loop.create_future()
        acceptor = Acceptor(loop, listening, Newcomers(loop), lambda: Flood(taken.set_result))
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
            client.connect(listening.getsockname())
            count = await asyncio.wait_for(taken, WAIT_SECONDS)
        acceptor.close()
        return count

    assert UNSENT_BYTES <= asyncio.run(main()) < 2 * UNSENT_BYTES


def test_one_that_is_closed_while_it_accepts_accepts_no_more() -> None:
    """Those that have connected meanwhile are reset by the kernel; no descriptor is left."""
    before = open_descriptors()

    async def main() -> list[bytes]:
        loop = asyncio.get_running_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        acceptor = Acceptor(loop, listening, Newcomers(loop), lambda: Greeting(lambda _: acceptor.close()))
        clients = [socket.create_connection(listening.getsockname()) for _ in range(2)]
        answers = []
        for client in clients:
            client.setblocking(False)
            with client:
                try:
                    answers.append(await asyncio.wait_for(loop.sock_recv(client, 100), WAIT_SECONDS))
                except ConnectionResetError:
                    answers.append(b"")
        return answers

    answered, reset = asyncio.run(main())
    assert answered.startswith(b"('127.0.0.1', ")
    assert reset == b""
    assert open_descriptors() == before
