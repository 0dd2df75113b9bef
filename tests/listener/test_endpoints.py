"""Accepting: how many connections at a time, and nothing left of a socket that is served no more."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from host.listener.acceptor import ACCEPTED_AT_ONCE
from host.listener.endpoints import Endpoints
from host.listener.handshakes import Handshakes
from host.wire.control_messages import Event
from tests.listener.running_listener import WAIT_SECONDS, Client, RunningListener, open_descriptors
from tests.tls import client_context, server_pair


def counts_by_turn(front: RunningListener, number: int) -> tuple[list[Client], list[int]]:
    """So many clients that have connected while the loop was held, and how many the listener had after each turn."""
    go_on, is_complete = threading.Event(), threading.Event()
    counts: list[int] = []

    def look() -> None:
        counts.append(front.listener.connection_count)
        if counts[-1] >= number:
            is_complete.set()
        else:
            front.loop.call_soon(look)

    def hold() -> None:
        assert go_on.wait(WAIT_SECONDS)
        look()

    front.loop.call_soon_threadsafe(hold)
    clients = [front.client() for _ in range(number)]
    go_on.set()
    assert is_complete.wait(WAIT_SECONDS)
    return clients, counts


def test_clients_that_connect_together_are_accepted_together(front: RunningListener) -> None:
    """Several in a turn of the loop, so that their requests reach the worker together; and all of them are served."""
    worker = front.worker()
    clients, counts = counts_by_turn(front, 3 * ACCEPTED_AT_ONCE)
    steps = [after - before for before, after in zip([0, *counts], counts, strict=False)]
    assert max(steps) >= ACCEPTED_AT_ONCE
    for client in clients:
        client.get("/")
    for _ in clients:
        worker.answer(worker.request()[0])
    assert [client.read_response()[2] for client in clients] == [b"hello"] * len(clients)


def test_a_socket_that_is_served_no_more_is_closed(front: RunningListener) -> None:
    """However many servers it had, whether they had begun to accept or not."""
    front.settle()
    before = front.run(open_descriptors)
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [one.getsockname() for one in listening]
    for place, one in enumerate(listening):
        front.run(partial(front.listener.listen, "127.0.0.1:1", one, place))
    front.settle()
    for place in range(2):
        front.run(partial(front.listener.unlisten, "127.0.0.1:1", place))
    front.settle()
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
    front.settle()
    assert front.run(open_descriptors) == before

    def begin_and_end() -> None:
        front.listener.listen("127.0.0.1:1", socket.create_server(("127.0.0.1", 0)))
        front.listener.unlisten("127.0.0.1:1")

    front.run(begin_and_end)
    front.settle()
    assert front.run(open_descriptors) == before


@contextmanager
def no_descriptor_left(up_to: int) -> Iterator[None]:
    """None above that one; what lies below is taken."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (up_to + 1, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_socket_for_which_no_descriptor_is_left_is_told_of(front: RunningListener) -> None:
    """Nothing of it stays open, what was served in its place is served on, and what else the service says is heard."""
    earlier = socket.create_server(("127.0.0.1", 0))
    address = earlier.getsockname()
    front.run(partial(front.listener.listen, "127.0.0.1:1", earlier))
    front.settle()
    before = front.run(open_descriptors)

    def begin_without_room() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        with no_descriptor_left(listening.fileno()):
            front.listener.listen("127.0.0.1:1", listening)

    front.run(begin_without_room)
    told = front.message(Event)
    assert (told.id, "127.0.0.1:1 cannot be served" in told.text) == ("binding-failed", True)
    assert front.run(open_descriptors) == before
    with socket.create_connection(address, timeout=WAIT_SECONDS) as client:
        client.sendall(b"?\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
        while client.recv(65536):
            pass
    front.settle()


class Closing(asyncio.Protocol):
    """Ends each connection as soon as it can be used; `ended` counts those that are over."""

    awaits_last_answer = False

    def __init__(self, ended: asyncio.Semaphore) -> None:
        self._ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.release()


@pytest.mark.parametrize("room", [0, 1])
def test_a_change_of_tls_without_descriptors_leaves_the_address_served_as_it_was(tmp_path: Path, room: int) -> None:
    """Whether its duplicate or the server's is the one too many: the error is told, and the next change tries again."""
    pair = server_pair(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    told: list[BaseException] = []
    tls: list[ssl.SSLContext | None] = [None]

    async def is_served(client: ssl.SSLContext | None) -> bool:
        name = None if client is None else "localhost"
        reader, writer = await asyncio.open_connection(*address, ssl=client, server_hostname=name)
        is_closed = await asyncio.wait_for(reader.read(), WAIT_SECONDS) == b""
        writer.close()
        await writer.wait_closed()
        await asyncio.wait_for(ended.acquire(), WAIT_SECONDS)
        return is_closed

    async def main() -> None:
        endpoints = Endpoints(
            asyncio.get_running_loop(),
            lambda: Closing(ended),
            lambda _: tls[0],
            lambda _, error: told.append(error),
            Handshakes(asyncio.get_running_loop(), lambda: False),
        )
        endpoints.listen("127.0.0.1:1", listening)
        assert await is_served(None)
        tls[0] = context
        next_ones = [os.dup(0), os.dup(0)]
        for descriptor in next_ones:
            os.close(descriptor)
        with no_descriptor_left(next_ones[room] - 1):
            endpoints.follow_tls()
        assert [type(error) for error in told] == [OSError]
        assert await is_served(None)
        endpoints.follow_tls()
        assert len(told) == 1
        assert await is_served(client_context(pair))
        endpoints.close()

    ended = asyncio.Semaphore(0)
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    asyncio.run(main())
