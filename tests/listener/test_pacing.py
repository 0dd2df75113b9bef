"""Limited bandwidth on a running listener: what may go goes, in turns, and no more; the clock moves when we say so."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from host.listener.bandwidth import UNLIMITED
from tests.listener.running_listener import RunningListener, TestWorker
from tests.listener.test_response_stream import length_head
from tests.listener.test_tls import begin, next_request, settings
from tests.tls import client_context, connect, server_pair

Start = Callable[..., RunningListener]
RATE = 400_000
SAVED = 100_000  # bytes of a quarter of a second
PORTION = 20_000


class Meter:
    """Moves the clock a quarter of a second whenever nothing comes; no byte may come that the limit does not allow."""

    def __init__(self, front: RunningListener, rate: int = RATE) -> None:
        self._front = front
        self._rate = rate
        self._begin = front.clock.seconds
        self.total = 0

    def read(self, connections: list[socket.socket], size: int) -> list[bytes]:
        """What each connection gets until it has `size` bytes of body."""
        bodies = [b""] * len(connections)
        for connection in connections:
            connection.settimeout(0.03)
        while any(len(body) < size for body in bodies):
            for at, connection in enumerate(connections):
                try:
                    data = connection.recv(1 << 20)
                except TimeoutError:
                    continue
                assert data
                self.total += len(data)
                bodies[at] += data.rpartition(b"\r\n\r\n")[2] if data.startswith(b"HTTP/1.1 ") else data
                passed = self._front.clock.seconds - self._begin
                allowed = (passed + 0.25) * self._rate + PORTION
                assert self.total <= allowed, "more than the bandwidth"
            self._front.clock.seconds += 0.25
        assert self._front.clock.seconds > self._begin + size / self._rate
        return bodies


def serve_everything(worker: TestWorker, number: int, path: Path) -> bytes:
    """A response of pieces, a file and another piece: 240,000 bytes."""
    path.write_bytes(b"f" * 150_000)
    worker.begin(number, head=length_head(240_000))
    worker.data(number, b"d" * 60_000)
    descriptor = os.open(path, os.O_RDONLY)
    worker.send_file(number, 0, descriptor)
    worker.file(number, 0, 0, 150_000)
    os.close(descriptor)
    worker.data(number, b"e" * 30_000)
    worker.end(number)
    return b"d" * 60_000 + b"f" * 150_000 + b"e" * 30_000


@pytest.mark.parametrize("limits", [{"max_bandwidth": RATE}, {"max_global_bandwidth": RATE}])
def test_answers_of_all_connections_share_the_limit(start: Start, limits: dict[str, int]) -> None:
    """maxBandwidth and maxGlobalBandwidth: whole answers go in portions, to everybody, and arrive whole."""
    front = start(**limits)
    worker = front.worker()
    clients = [front.client() for _ in range(3)]
    for client in clients:
        client.get()
        worker.answer(worker.request()[0], b"x" * 200_000)
    bodies = Meter(front).read([client.socket for client in clients], 200_000)
    assert bodies == [b"x" * 200_000] * 3
    clients[0].socket.settimeout(90)
    clients[0].get()
    front.clock.seconds += 1
    worker.answer(worker.request()[0])
    assert clients[0].read_response()[2] == b"hello"
    assert front.log.refusals.empty()


def test_streams_files_and_the_end_of_a_connection_keep_the_limit(start: Start, tmp_path: Path) -> None:
    """Pieces, a file by sendfile behind them, and a close that waits for the last byte."""
    front = start(max_bandwidth=RATE)
    worker, client = front.worker(), front.client()
    client.get(extra="Connection: close\r\n")
    body = serve_everything(worker, worker.request()[0], tmp_path / "f")
    assert Meter(front).read([client.socket], 240_000) == [body]
    client.socket.settimeout(90)
    assert client.read_to_end() == b""


def test_files_over_tls_keep_the_limit(start: Start, tmp_path: Path) -> None:
    """What is encrypted is read from the file as the limit lets it go."""
    pair = server_pair(tmp_path, "localhost")
    front = begin(start, settings(pair), max_bandwidth=RATE)
    worker = front.worker()
    with connect(front.port, client_context(pair)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        body = serve_everything(worker, next_request(worker)[0], tmp_path / "f")
        assert Meter(front).read([connection], 240_000) == [body]


def test_limits_come_change_and_go_on_open_connections(start: Start) -> None:
    """Saving the configuration is enough, in the middle of an answer too."""
    front = start()
    worker, client = front.worker(), front.client()

    def ask() -> None:
        client.get()
        worker.answer(worker.request()[0], b"x" * 1_000_000)

    ask()
    assert len(client.read_response()[2]) == 1_000_000
    front.sizes.max_bandwidth = RATE
    front.configure()
    ask()
    meter = Meter(front)
    meter.read([client.socket], 300_000)
    front.sizes.max_bandwidth = UNLIMITED
    front.configure()
    client.socket.settimeout(90)
    left = 1_000_000 - meter.total
    while left > 0:  # and the clock stands
        left -= len(client.socket.recv(1 << 20))
    ask()
    assert client.read_response()[0] == 200


def test_sites_take_turns_under_the_limit_of_all(start: Start) -> None:
    """maxGlobalBandwidth: each gets its whole answer, and both together no more than the limit."""
    front = start(max_global_bandwidth=RATE)
    worker, client, other = front.worker(), front.client(), front.client()
    client.get()
    worker.answer(worker.request()[0], b"x" * 500_000)
    other.send(b"GET / HTTP/1.1\r\nHost: named.example\r\n\r\n")
    worker.answer(worker.request()[0], b"y" * 500_000)
    one, two = Meter(front).read([client.socket, other.socket], 500_000)
    assert (one, two) == (b"x" * 500_000, b"y" * 500_000)


def test_a_client_that_leaves_while_its_answer_waits_costs_nobody(start: Start) -> None:
    """Its turn is nobody's; the others go on, and a refusal waits like an answer."""
    front = start(max_bandwidth=RATE)
    worker, leaver, stayer = front.worker(), front.client(), front.client()
    for client in (leaver, stayer):
        client.get()
        worker.answer(worker.request()[0], b"x" * 300_000)
    leaver.close()
    assert Meter(front).read([stayer.socket], 300_000) == [b"x" * 300_000]
    stayer.socket.settimeout(90)
    stayer.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n")
    front.clock.seconds += 1
    assert b"Invalid Content Length" in stayer.read_to_end()
    while front.run(lambda: front.listener.connection_count):
        front.pass_seconds(1)


def test_a_client_is_not_blamed_for_our_limit(start: Start) -> None:
    """minBytesPerSecond counts no time in which bandwidth holds its bytes back."""
    front = start(max_bandwidth=20_000, min_bytes_per_second=1_000_000)
    worker, client = front.worker(), front.client()
    client.get()
    worker.answer(worker.request()[0], b"x" * 100_000)
    received = 0
    while received < 100_000:
        client.socket.settimeout(0.03)
        try:
            received += len(client.socket.recv(1 << 20))
        except TimeoutError:
            front.pass_seconds(1)
            front.settle()
    assert front.log.refusals.empty()
