"""Accepting: how many connections at a time, and nothing left of a socket that is served no more."""

from __future__ import annotations

import resource
import socket
import threading
from functools import partial

import pytest

from host.listener.endpoints import ACCEPTED_AT_ONCE
from host.wire.control_messages import Event
from tests.listener.running_listener import WAIT_SECONDS, Client, RunningListener, open_descriptors


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
    before = open_descriptors()
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
    assert open_descriptors() == before

    def begin_and_end() -> None:
        front.listener.listen("127.0.0.1:1", socket.create_server(("127.0.0.1", 0)))
        front.listener.unlisten("127.0.0.1:1")

    front.run(begin_and_end)
    front.settle()
    assert open_descriptors() == before


def test_a_socket_for_which_no_descriptor_is_left_is_told_of(front: RunningListener) -> None:
    """Nothing of it stays open, and what else the service says is heard."""
    front.settle()
    before = open_descriptors()

    def begin_without_room() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (listening.fileno() + 1, limits[1]))  # what lies below is taken
        try:
            front.listener.listen("127.0.0.1:1", listening)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    front.run(begin_without_room)
    told = front.message(Event)
    assert (told.id, "127.0.0.1:1 cannot be served" in told.text) == ("binding-failed", True)
    assert open_descriptors() == before
