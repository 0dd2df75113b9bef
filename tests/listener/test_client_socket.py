"""The pace of clients: who takes too little is cut, whoever takes enough or owes nothing is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from host.listener.client_socket import ClientSocket
from host.wire.frames import INITIAL_RESPONSE_WINDOW, Kind
from tests.listener.running_listener import Client, RunningListener, TestWorker, free_unix_path
from tests.listener.test_response_stream import length_head, serve_file

Start = Callable[..., RunningListener]
SIZE = 64 * 1024 * 1024


def send_until_stalled(worker: TestWorker, number: int, left: int = INITIAL_RESPONSE_WINDOW) -> int:
    """Send as much of a body as the window allows while nobody reads it; how much that was."""
    sent = 0
    while sent < 100_000_000:
        while left >= 65536:
            worker.data(number, b"x" * 65536)
            left -= 65536
            sent += 65536
        if worker.is_left_alone():
            return sent
        left += int.from_bytes(worker.take(Kind.WINDOW)[1], "little")
    raise AssertionError("nothing stops this worker")


def begin_answer(front: RunningListener, head: bytes = b"200 OK\r\n") -> tuple[TestWorker, Client, int]:
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    worker.begin(number, head=head)
    client.read_until(b"\r\n\r\n")
    return worker, client, number


def seconds_at_240(front: RunningListener) -> float:
    """How long what the one connection was handed takes at 240 bytes per second."""
    (connection,) = front.listener._context.connections
    assert isinstance(connection, ClientSocket)
    return connection.handed_bytes / 240


def test_a_client_that_takes_nothing_is_cut(start: Start) -> None:
    """minBytesPerSecond is judged over the whole response: when more time has passed than it needs at that rate."""
    front = start(connection_timeout=10, min_bytes_per_second=240)
    worker, client, number = begin_answer(front)
    send_until_stalled(worker, number)
    needed = seconds_at_240(front)
    for _ in range(10):
        front.pass_seconds(needed / 10 - 1)
    assert front.log.refusals.empty()
    front.pass_seconds(12)
    assert front.log.next_refusal().reason == "Timer_MinBytesPerSecond"
    assert worker.take(Kind.ABORT)[0] == number
    assert client.is_reset()


def test_a_client_that_takes_enough_is_not_cut(start: Start) -> None:
    """However slow it is otherwise."""
    front = start(connection_timeout=10, min_bytes_per_second=240)
    worker, client, number = begin_answer(front)
    sent = send_until_stalled(worker, number)
    for _ in range(4):
        client.read_bytes(sent // 8)  # more is not on its way: the kernel takes little ahead
        front.pass_seconds(12)
    assert front.log.refusals.empty()
    assert sent > 0


def test_time_in_which_the_worker_thinks_is_not_the_client_s(start: Start) -> None:
    """Nor is a response judged by the one before it."""
    front = start(connection_timeout=10, min_bytes_per_second=240)
    worker, client, number = begin_answer(front)
    sent = send_until_stalled(worker, number)
    front.pass_seconds(100)
    received = 0
    while received < sent:
        received += client.socket.recv(1 << 20).count(b"x")
    front.settle()
    front.pass_seconds(1_000_000)
    send_until_stalled(worker, number, 0)
    front.pass_seconds(100)
    assert front.log.refusals.empty()


def test_a_rate_of_nothing_waits_for_ever(start: Start) -> None:
    """minBytesPerSecond="0"."""
    front = start(connection_timeout=10, min_bytes_per_second=0)
    worker, client, number = begin_answer(front)
    sent = send_until_stalled(worker, number)
    front.pass_seconds(1_000_000)
    assert len(client.read_bytes(sent)) == sent
    assert front.log.refusals.empty()


def test_a_client_that_stalls_during_a_file_is_cut(start: Start, tmp_path: Path) -> None:
    """Bytes of files count like others."""
    front = start(connection_timeout=10, min_bytes_per_second=240)
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(SIZE)
    descriptor = os.open(path, os.O_RDONLY)
    worker, client, number = begin_answer(front, length_head(SIZE))
    assert not serve_file(worker, number, descriptor, 0, SIZE, is_read=False)
    front.pass_seconds(seconds_at_240(front) - 10)
    assert front.log.refusals.empty()
    front.pass_seconds(12)
    assert front.log.next_refusal().reason == "Timer_MinBytesPerSecond"
    assert client.is_reset()
    os.close(descriptor)


def test_a_worker_that_pauses_after_a_file_does_not_cost_the_client(start: Start, tmp_path: Path) -> None:
    """Nobody waits for the client while it has everything."""
    front = start(connection_timeout=10)
    path = tmp_path / "f"
    path.write_bytes(b"x" * 200_000)
    descriptor = os.open(path, os.O_RDONLY)
    worker, client, number = begin_answer(front, length_head(200_001))
    worker.send_file(number, 0, descriptor)
    worker.file(number, 0, 0, 200_000)
    assert client.read_bytes(200_000) == b"x" * 200_000
    for _ in range(5):
        front.pass_seconds(60)
    worker.data(number, b"!")
    worker.end(number)
    assert client.read_bytes(1) == b"!"
    assert front.log.refusals.empty()
    os.close(descriptor)


def test_a_client_that_sends_but_never_reads_is_cut(start: Start) -> None:
    """The end of its body must not end the watch over its reading."""
    front = start(connection_timeout=10)
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 6\r\n\r\nabc")
    number, _ = worker.request()
    worker.begin(number)
    client.read_until(b"\r\n\r\n")
    send_until_stalled(worker, number)
    client.send(b"def")
    assert worker.take(Kind.BODY)[1] == b"def"
    worker.take(Kind.BODY_END)
    front.pass_seconds(seconds_at_240(front) + 2)
    assert front.log.next_refusal().reason == "Timer_MinBytesPerSecond"
    assert client.is_reset()


def test_a_response_that_is_never_taken_does_not_keep_a_closing_connection(start: Start) -> None:
    """After the last byte was handed over it has connectionTimeout, then what is left needs at 240 bytes/s."""
    with free_unix_path() as path:  # of TCP's bytes the kernel takes as many as it likes
        front = start(connection_timeout=10, unix_path=path)
        worker, client = front.worker(), front.client(over_unix=True)
        client.get(extra="Connection: close\r\n")
        worker.answer(worker.request()[0], b"x" * 4_000_000)
        front.log.next_request()
        for _ in range(5):
            front.pass_seconds(11)
        assert front.run(lambda: front.listener.connection_count) == 1
        front.pass_seconds(SIZE)
        assert front.log.next_refusal().reason == "Timer_MinBytesPerSecond"
        front.settle()
        assert front.run(lambda: front.listener.connection_count) == 0


def test_the_next_request_waits_until_the_answer_is_taken(front: RunningListener) -> None:
    """A client that pipelines and does not read cannot pile up answers here."""
    worker, client = front.worker(), front.client()
    client.send(b"GET /1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /2 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    number, _ = worker.request()
    worker.begin(number)
    client.read_until(b"\r\n\r\n")
    sent = send_until_stalled(worker, number)
    worker.end(number)
    assert worker.has_nothing_to_do()
    received = b""
    while not received.endswith(b"\r\n0\r\n\r\n"):
        received += client.socket.recv(1 << 20)
    assert received.count(b"x") == sent
    kind, _, _ = worker.next_frame()
    while kind is Kind.WINDOW:
        kind, _, _ = worker.next_frame()
    assert kind is Kind.REQUEST


def test_a_client_is_waited_for_in_its_body_only_while_it_takes_its_answer(start: Start) -> None:
    """It is its turn to read: the timer of the body does not count. It has read: the rest of the body must come."""
    front = start(connection_timeout=10, min_bytes_per_second=0)
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\nab")
    number, _ = worker.request()
    worker.begin(number, head=length_head(SIZE))
    sent = send_until_stalled(worker, number)
    client.send(b"more")
    assert worker.take(Kind.BODY) == (number, b"more")
    front.pass_seconds(1000)
    assert front.log.refusals.empty()
    client.read_until(b"\r\n\r\n")
    assert len(client.read_bytes(sent)) == sent
    front.settle()
    front.pass_seconds(9)
    assert front.log.refusals.empty()
    front.pass_seconds(3)
    assert front.log.next_refusal().reason == "Timer_EntityBody"
