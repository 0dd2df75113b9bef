"""Pipes that workers lend: what comes out of them reaches the client, and every way in which a loan can end."""

from __future__ import annotations

import os
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from host.listener.bandwidth import UNLIMITED
from host.listener.client_socket import ClientSocket
from host.wire.codec import encode, encode_pipe
from host.wire.control_messages import WorkerGone
from host.wire.frames import Kind, PipeState
from tests.listener.running_listener import WAIT_SECONDS, Client, RunningListener, TestWorker
from tests.listener.test_client_socket import seconds_at_240
from tests.listener.test_tls import begin, next_request, settings
from tests.tls import client_context, connect, server_pair

Start = Callable[..., RunningListener]
CONTENT = bytes(range(251)) * 40_000  # ten megabytes: sockets, pipe and transport hold less of a client that waits
HEADS = {
    "length": b"200 OK\r\nContent-Length: %d\r\n" % (len(CONTENT) + 10),
    "chunked": b"200 OK\r\n",
    "1.0": b"200 OK\r\n",
}


class Pipe:
    """A pipe whose reading end is lent, with a program's part in the test's hands."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self._threads = ThreadPoolExecutor()

    def print_and_close(self, content: bytes = CONTENT) -> Future[int]:
        """Write it as fast as somebody reads; how much that was when the reading ends are closed."""
        return self._threads.submit(self._write, content)

    def run(self, function: Callable[[], bytes]) -> Future[bytes]:
        """Beside everything else."""
        return self._threads.submit(function)

    def close_write_end(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close_read_end(self) -> None:
        """The worker's own."""
        if self.read_end >= 0:
            os.close(self.read_end)
            self.read_end = -1

    def close(self) -> None:
        self.close_read_end()
        self._threads.shutdown()
        self.close_write_end()

    def _write(self, content: bytes) -> int:
        written = 0
        with suppress(BrokenPipeError):
            while written < len(content):
                written += os.write(self.write_end, memoryview(content)[written : written + 65536])
        self.close_write_end()
        return written


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    it = Pipe()
    yield it
    it.close()


def begun(front: RunningListener, kind: str = "chunked") -> tuple[TestWorker, Client, int]:
    """A response whose head has been sent, and its number. The connection closes behind it."""
    worker, client = front.worker(), front.client()
    client.get(version="1.0" if kind == "1.0" else "1.1", extra="Connection: close\r\n")
    number, _ = worker.request()
    worker.begin(number, head=HEADS[kind])
    return worker, client, number


def body_of(answer: bytes, *, is_chunked: bool) -> bytes:
    body = answer.partition(b"\r\n\r\n")[2]
    pieces: list[bytes] = []
    while is_chunked:
        size, _, body = body.partition(b"\r\n")
        count = int(size, 16)
        assert body[count : count + 2] == b"\r\n"
        if not count:
            assert body == b"\r\n"
            return b"".join(pieces)
        pieces.append(body[:count])
        body = body[count + 2 :]
    return body


def is_let_go(front: RunningListener, pipe: Pipe) -> bool:
    """Whether the listener has closed its end."""
    pipe.close_read_end()
    front.settle()
    try:
        os.write(pipe.write_end, b"x")
    except BrokenPipeError:
        return True
    return False


@pytest.mark.parametrize("kind", HEADS)
def test_what_is_printed_stands_between_what_the_worker_sends(front: RunningListener, pipe: Pipe, kind: str) -> None:
    """Bytes before the pipe, ten megabytes of the pipe, bytes behind it, under each framing; the log counts them."""
    worker, client, number = begun(front, kind)
    answer = pipe.run(client.read_to_end)
    worker.data(number, b"first")
    worker.pipe(number, 0, pipe.read_end)
    pipe.print_and_close()
    assert worker.pipe_state() == (PipeState.ENDED, len(CONTENT))
    worker.data(number, b"final")
    worker.end(number)
    received = answer.result(WAIT_SECONDS)
    assert body_of(received, is_chunked=kind == "chunked") == b"first" + CONTENT + b"final"
    record = front.log.next_request()
    assert (record.status, record.bytes_sent) == (200, len(received))


@pytest.mark.parametrize("is_paced", [False, True])
def test_what_no_system_call_may_send_goes_by_the_transport(
    start: Start, pipe: Pipe, tmp_path: Path, is_paced: bool
) -> None:
    """TLS, and a site whose bandwidth is limited."""
    pair = server_pair(tmp_path, "localhost")
    front = begin(start, settings(pair), max_bandwidth=2**30 if is_paced else UNLIMITED)
    worker = front.worker()
    with connect(front.port, client_context(pair)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        number, _ = next_request(worker)
        worker.begin(number)
        answer = pipe.run(lambda: read_all(connection))
        worker.pipe(number, 0, pipe.read_end)
        pipe.print_and_close()
        assert worker.pipe_state() == (PipeState.ENDED, len(CONTENT))
        worker.end(number)
        assert body_of(answer.result(WAIT_SECONDS), is_chunked=True) == CONTENT


def read_all(connection: ssl.SSLSocket) -> bytes:
    received = bytearray()
    while data := connection.recv(65536):
        received += data
    return bytes(received)


def test_no_more_is_read_than_may_be(front: RunningListener, pipe: Pipe) -> None:
    """By the worker's word, and by the length that the head has promised; the rest is the worker's."""
    worker, client, number = begun(front)
    os.write(pipe.write_end, b"x" * 1000)
    worker.pipe(number, 0, pipe.read_end, 300)
    assert worker.pipe_state() == (PipeState.RETURNED, 300)
    assert os.read(pipe.read_end, 5000) == b"x" * 700
    worker.end(number)
    assert client.read_to_end().endswith(b"\r\n0\r\n\r\n")
    client = front.client()
    client.get(extra="Connection: close\r\n")
    worker.take(Kind.SESSION_END)
    number, _ = worker.request()
    worker.begin(number, b"y" * 10, head=b"200 OK\r\nContent-Length: 20\r\n")
    os.write(pipe.write_end, b"x" * 1000)
    worker.pipe(number, 0, pipe.read_end)
    assert worker.pipe_state() == (PipeState.RETURNED, 10)
    worker.end(number)
    assert client.read_to_end().endswith(b"y" * 10 + b"x" * 10)
    assert is_let_go(front, pipe)


def test_what_is_sent_behind_a_lent_pipe_makes_the_answer_no_longer_than_promised(
    front: RunningListener, pipe: Pipe
) -> None:
    """A worker waits for its pipe first; one that lies harms no request that comes after its own on the connection."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    worker.begin(number, head=b"200 OK\r\nContent-Length: 20\r\n")
    os.write(pipe.write_end, b"x" * 1000)
    worker.send_file(number, 0, pipe.read_end)
    worker.send(encode_pipe(number, 0, 1000), encode(Kind.DATA, number, b"y" * 15))
    assert worker.pipe_state() == (PipeState.RETURNED, 20)
    worker.end(number)
    assert client.read_response()[2] == b"x" * 5 + b"y" * 15
    assert front.log.next_request().status == 200
    client.get()
    worker.answer(worker.request()[0])
    assert client.read_response()[2] == b"hello"


def test_a_pipe_that_cannot_be_read_here_goes_back_at_once(front: RunningListener, pipe: Pipe, tmp_path: Path) -> None:
    """The answer to HEAD has no body; a pipe with a name cannot be read without the danger of waiting, nor can any pipe
    before Linux 6.4. The worker goes on with both."""
    worker, client = front.worker(), front.client()
    client.get(method="HEAD")
    number, _ = worker.request()
    worker.begin(number)
    os.write(pipe.write_end, b"x")
    worker.pipe(number, 0, pipe.read_end)
    assert worker.pipe_state() == (PipeState.RETURNED, 0)
    worker.end(number)
    client.read_until(b"\r\n\r\n")
    os.mkfifo(tmp_path / "fifo")
    named = os.open(tmp_path / "fifo", os.O_RDWR)
    os.write(named, b"x")
    client.get()
    number, _ = worker.request()
    worker.begin(number)
    worker.pipe(number, 0, named)
    assert worker.pipe_state() == (PipeState.RETURNED, 0)
    worker.data(number, os.read(named, 5))
    worker.end(number)
    assert client.read_until(b"0\r\n\r\n").endswith(b"1\r\nx\r\n0\r\n\r\n")
    os.close(named)
    assert is_let_go(front, pipe)


@contextmanager
def without_descriptors() -> Iterator[None]:
    """This process, and the listener in it, can open nothing more: whatever is handed to it is lost."""
    next_one = os.dup(0)
    os.close(next_one)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_pipe_for_which_no_descriptor_is_left_goes_back(front: RunningListener, pipe: Pipe, is_first: bool) -> None:
    """Before or after the frame that speaks of it: the answer goes on in frames, and the link stays."""
    worker, client, number = begun(front)
    frame = encode_pipe(number, 0, 5)
    with without_descriptors():
        if not is_first:
            worker.send(frame)
            front.settle()
        worker.send_file(number, 0, pipe.read_end)
        front.settle()
    if is_first:
        worker.send(frame)
    assert worker.pipe_state() == (PipeState.RETURNED, 0)
    worker.data(number, b"in frames")
    worker.end(number)
    assert client.read_to_end().endswith(b"9\r\nin frames\r\n0\r\n\r\n")
    worker.take(Kind.SESSION_END)
    client = front.client()
    client.get()
    worker.answer(worker.request()[0])
    assert client.read_response()[2] == b"hello"
    assert is_let_go(front, pipe)


def test_a_silent_program_is_told_of(front: RunningListener, pipe: Pipe) -> None:
    """Once it has been silent for a while; and at once when it prints again."""
    worker, client, number = begun(front)
    worker.pipe(number, 0, pipe.read_end)
    assert worker.pipe_state() == (PipeState.WAITS, 0)
    os.write(pipe.write_end, b"one")
    assert worker.pipe_state() == (PipeState.FLOWS, 3)
    assert worker.pipe_state() == (PipeState.WAITS, 3)
    client.read_until(b"3\r\none\r\n")
    pipe.close_write_end()
    assert worker.pipe_state() == (PipeState.ENDED, 3)
    worker.end(number)
    client.read_until(b"0\r\n\r\n")


@pytest.mark.parametrize("has_come", [True, False])
def test_the_end_takes_a_pipe_back(front: RunningListener, pipe: Pipe, has_come: bool) -> None:
    """The answer is complete with what has been read, and a descriptor that comes too late is closed."""
    worker, client, number = begun(front)
    if has_come:
        worker.pipe(number, 0, pipe.read_end)
        os.write(pipe.write_end, b"some")
        client.read_until(b"some\r\n")
    else:
        worker.send(encode_pipe(number, 0, 5))
    worker.end(number)
    assert client.read_until(b"0\r\n\r\n")
    if not has_come:
        worker.send_file(number, 0, pipe.read_end)
    worker.take(Kind.SESSION_END)
    assert is_let_go(front, pipe)


def test_a_client_that_takes_nothing_holds_the_program_up(front: RunningListener, pipe: Pipe) -> None:
    """The pipe is not read, and that is no silence of the program's; when the client leaves, the pipe is let go."""
    worker, client, number = begun(front)
    worker.pipe(number, 0, pipe.read_end)
    written = pipe.print_and_close()
    assert worker.is_left_alone()
    assert not written.done()
    assert front.run(front.listener.requests)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert worker.take(Kind.ABORT)[0] == number
    pipe.close_read_end()
    assert written.result(WAIT_SECONDS) < len(CONTENT)
    worker.reset(number)


def test_a_client_that_takes_too_little_of_a_pipe_is_cut(start: Start, pipe: Pipe) -> None:
    """minBytesPerSecond counts the bytes of pipes like others, and no time in which the program prints nothing."""
    front = start(connection_timeout=10, min_bytes_per_second=240)
    worker, client, number = begun(front)
    worker.pipe(number, 0, pipe.read_end)
    os.write(pipe.write_end, b"one")
    client.read_until(b"3\r\none\r\n")
    front.settle()
    front.pass_seconds(1_000_000)
    written = pipe.print_and_close()
    (connection,) = front.listener._context.connections
    assert isinstance(connection, ClientSocket)
    while not front.run(lambda: connection.is_write_paused):  # until the sockets are full
        assert not written.done()
    needed = seconds_at_240(front)
    front.pass_seconds(needed - 10)
    assert front.log.refusals.empty()
    front.pass_seconds(22)
    assert front.log.next_refusal().reason == "Timer_MinBytesPerSecond"
    while (frame := worker.next_frame())[0] is Kind.PIPE_STATE:  # it was silent for a while
        pass
    assert frame[:2] == (Kind.ABORT, number)
    assert client.is_reset()
    pipe.close_read_end()
    assert written.result(WAIT_SECONDS) < len(CONTENT)


@pytest.mark.parametrize("how", ["dies", "resets"])
def test_an_answer_that_cannot_go_on_lets_the_pipe_go(front: RunningListener, pipe: Pipe, how: str) -> None:
    """Its worker dies, or says so: the client's connection is reset."""
    worker, client, number = begun(front)
    worker.pipe(number, 0, pipe.read_end)
    os.write(pipe.write_end, b"some")
    client.read_until(b"some\r\n")
    if how == "dies":
        worker.die()
    else:
        worker.reset(number)
    assert client.is_reset()
    assert is_let_go(front, pipe)


@pytest.mark.parametrize("lie", ["write end", "file", "pipe for a file", "folder"])
def test_what_is_no_pipe_costs_the_worker_its_link(
    front: RunningListener, pipe: Pipe, tmp_path: Path, lie: str
) -> None:
    """The end that cannot be read, a file, or a pipe where a file is announced, whichever comes first."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    file, folder = os.open(path, os.O_RDONLY), os.open(tmp_path, os.O_RDONLY)
    descriptor = {"write end": pipe.write_end, "file": file, "folder": folder}.get(lie, pipe.read_end)
    for is_first in (True, False):
        worker, client, number = begun(front)
        with suppress(BrokenPipeError):  # what can be neither is refused before its frame comes
            if is_first:
                worker.send_file(number, 0, descriptor)
            if lie == "pipe for a file":
                worker.file(number, 0, 0, 5)
            else:
                worker.send(encode_pipe(number, 0, 5))
            if not is_first:
                worker.send_file(number, 0, descriptor)
        assert "a descriptor that is not" in front.message(WorkerGone).broken
        assert client.is_reset()
    os.close(file)
    os.close(folder)
