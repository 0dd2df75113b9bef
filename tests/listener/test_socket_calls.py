"""Calls by descriptor: what the kernel says, as the socket module would say it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator

import pytest

from host.listener import socket_calls
from host.listener.socket_calls import NOT_NOW, READ_BYTES


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection on this machine: its client, and the other end as a listener has it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        served, _ = listening.accept()
    served.setblocking(False)
    with client, served:
        yield client, served


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_connection_is_accepted_with_both_its_addresses(family: socket.AddressFamily, host: str) -> None:
    """Without blocking, also later on; no program that is started inherits it."""
    with socket.create_server((host, 0), family=family) as listening:
        listening.setblocking(False)
        assert socket_calls.accept(listening.fileno()) == (NOT_NOW, b"")
        with socket.create_connection(listening.getsockname()[:2]) as client:
            descriptor, raw = socket_calls.accept(listening.fileno())
            assert socket_calls.address_of(family, raw) == client.getsockname()[:2]
            own = socket_calls.own_address(descriptor)
            assert socket_calls.address_of(family, own) == listening.getsockname()[:2]
            assert not os.get_blocking(descriptor)
            assert fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
            socket_calls.close(descriptor)
            assert client.recv(1) == b""


def test_a_unix_socket_has_no_host_and_port() -> None:
    """Neither end has: the client's has no name at all."""
    assert socket_calls.address_of(socket.AF_UNIX, b"\x01\x00") is None


def test_what_has_come_is_read_piece_by_piece(ends: tuple[socket.socket, socket.socket]) -> None:
    """Nothing, a piece of the largest size, the rest, and the end are four different things."""
    client, served = ends
    descriptor = served.fileno()
    assert socket_calls.receive(descriptor) is None
    assert socket_calls.unread_bytes(descriptor) == 0
    sent = b"\0" + b"x" * READ_BYTES
    client.sendall(sent)
    assert socket_calls.unread_bytes(descriptor) == len(sent)
    assert socket_calls.receive(descriptor) == sent[:READ_BYTES]
    assert socket_calls.receive(descriptor) == b"x"
    client.shutdown(socket.SHUT_WR)
    assert socket_calls.receive(descriptor) == b""


def test_what_the_kernel_does_not_take_is_counted(ends: tuple[socket.socket, socket.socket]) -> None:
    """Until the client reads; bytes of any value arrive as they are."""
    client, served = ends
    data = bytes(range(256)) * 4096
    received = bytearray()
    taken = 0
    while (count := socket_calls.send(served.fileno(), data)) != NOT_NOW:
        assert count > 0
        taken += count
        assert taken < 1 << 30, "a socket's memory has an end"
        if count < len(data):
            data = data[count:] + data[:count]
    while len(received) < taken:
        received += client.recv(1 << 20)
    assert len(received) == taken
    assert bytes(received[:256]) == bytes(range(256))


def send_on(descriptor: int) -> None:
    """To somebody who is gone: the first bytes are taken, and their arrival is refused."""
    for _ in range(1000):
        socket_calls.send(descriptor, b"x")


def test_what_goes_wrong_is_said_as_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    """Of the kind that the socket module raises; a count of what is unread is none, and closing says nothing."""
    client, served = ends
    descriptor = served.fileno()
    client.close()
    with pytest.raises(OSError, match="Invalid argument"):
        socket_calls.accept(descriptor)  # it does not listen
    assert served.recv(1) == b""  # its end is here
    with pytest.raises(BrokenPipeError):
        send_on(descriptor)
    served.close()
    for call in (socket_calls.receive, socket_calls.own_address):
        with pytest.raises(OSError, match="Bad file descriptor"):
            call(descriptor)
    assert socket_calls.unread_bytes(descriptor) == 0
    socket_calls.close(descriptor)
