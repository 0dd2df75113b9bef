"""A client that sends its body before it reads is rid of it, although nobody takes it: as far as there is room."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from host.listener.body_spool import SpoolRoom
from host.listener.client_socket import ClientSocket
from host.wire.codec import encode
from host.wire.frames import BODY_PIPE, Kind
from tests.listener.running_listener import WAIT_SECONDS, Client, RunningListener, TestWorker
from tests.listener.test_body_pipe import BODY, FIRST, hand_pipe, rest_of, sending, upload

ALL = BODY * 5
LENGTH = f"Content-Length: {len(ALL)}\r\n"
PIECE = bytes(65536)
PIECES = 16
ANSWER = len(PIECE) * PIECES


def room_of(front: RunningListener) -> SpoolRoom:
    return front.listener._context.spool_room


def answer_in_vain(front: RunningListener, client: Client, worker: TestWorker) -> None:
    """The worker writes more than the two machines take for a client that does not read."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    (connection,) = front.run(lambda: list(front.listener._context.connections))
    assert isinstance(connection, ClientSocket)

    def is_paused() -> bool:
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return bool(connection.is_write_paused)

    assert not front.run(is_paused)
    worker.begin(1, head=b"200 OK\r\nContent-Length: %d\r\n" % ANSWER)
    for _ in range(PIECES):
        worker.data(1, PIECE)
    wait(front, is_paused)


def test_a_pipe_that_nobody_reads_yet(front: RunningListener) -> None:
    """The client is rid of everything, and reads; the program gets every byte in order; the room is free again."""
    room = room_of(front)
    most = room.left_bytes
    with upload(front, LENGTH) as (client, worker):
        reader = hand_pipe(worker)
        answer_in_vain(front, client, worker)
        client.send(ALL[FIRST:])
        assert front.run(lambda: (room.begun, room.left_bytes < most)) == (1, True)
        assert len(client.read_bytes(ANSWER)) == ANSWER
        assert rest_of(reader) == ALL[FIRST:]
        skip_to(worker, Kind.BODY_END)
        worker.end(1)
        assert front.run(lambda: room.left_bytes) == most


def test_a_pipe_that_has_not_come_yet(front: RunningListener) -> None:
    """Its worker still writes what it had got before, or is slow."""
    with upload(front, LENGTH) as (client, worker):
        reader, writer = os.pipe()
        worker.send(encode(Kind.BODY_HOLD, 1))
        assert worker.take(Kind.BODY_HELD) == (1, b"")
        answer_in_vain(front, client, worker)
        client.send(ALL[FIRST:])
        worker.send_file(1, BODY_PIPE, writer)
        os.close(writer)
        assert rest_of(reader) == ALL[FIRST:]


@pytest.mark.parametrize("how", ["reader", "client", "worker"])
def test_whoever_is_lost_meanwhile_frees_the_room(front: RunningListener, how: str) -> None:
    """A program that reads no more costs nothing else; a client or a worker that leaves costs the request."""
    room = room_of(front)
    most = room.left_bytes
    with upload(front, LENGTH) as (client, worker):
        reader = hand_pipe(worker)
        answer_in_vain(front, client, worker)
        client.send(ALL[FIRST:])
        if how == "client":
            client.close()
            skip_to(worker, Kind.ABORT)
            assert front.run(lambda: room.left_bytes) == most
            os.close(reader)
        elif how == "reader":
            os.close(reader)
            skip_to(worker, Kind.BODY_END)
            worker.end(1)
            assert front.run(lambda: room.left_bytes) == most
        else:
            worker.die()
            rest_of(reader)
            assert front.run(lambda: room.left_bytes) == most


@pytest.mark.parametrize("is_piped", [False, True])
def test_without_room_it_waits_in_the_client(front: RunningListener, is_piped: bool) -> None:
    """What has begun stops when the room is full, and goes on when its reader has read; nothing is lost."""
    room = room_of(front)
    room.left_bytes = 1_000_000
    with upload(front, LENGTH) as (client, worker):
        reader = hand_pipe(worker) if is_piped else -1
        answer_in_vain(front, client, worker)
        with sending(client, ALL[FIRST:]):
            wait(front, lambda: room.left_bytes <= 0)
            got = rest_of(reader) if is_piped else read_frames(worker, len(ALL) - FIRST)
        assert got == ALL[FIRST:]
        assert room.begun
    assert room.left_bytes == 1_000_000


def test_a_reader_in_the_worker(front: RunningListener) -> None:
    """It gets no more than its window at a time, whatever is here."""
    with upload(front, LENGTH) as (client, worker):
        answer_in_vain(front, client, worker)
        client.send(ALL[FIRST:])
        assert room_of(front).begun == 1
        assert read_frames(worker, len(ALL) - FIRST) == ALL[FIRST:]
        skip_to(worker, Kind.BODY_END)


@pytest.mark.parametrize("is_piped", [False, True])
def test_everyday_uploads_never_come_here(front: RunningListener, is_piped: bool) -> None:
    """Neither one whose program is slow, also when it has begun to answer, nor one whose client is."""
    with upload(front, LENGTH) as (client, worker):
        reader = hand_pipe(worker) if is_piped else -1
        worker.begin(1)
        slowly = FIRST + 40_000
        for at in range(FIRST, slowly, 1000):
            client.send(ALL[at : at + 1000])
            front.settle()
        stalled = slowly + client.send_until_stalled(ALL[slowly:])
        assert stalled < len(ALL)
        with sending(client, ALL[stalled:]):
            got = rest_of(reader) if is_piped else read_frames(worker, len(ALL) - FIRST)
        assert got == ALL[FIRST:]
        assert room_of(front).begun == 0


def test_the_end_of_memory_is_told(front: RunningListener) -> None:
    """What comes by frames and cannot be kept: a line in HTTPERR, the client is cut off, the worker told."""
    with upload(front, LENGTH) as (client, worker):
        answer_in_vain(front, client, worker)
        with files_of_at_most(100_000):
            client.send_until_stalled(ALL[FIRST:])
            skip_to(worker, Kind.ABORT)
        assert front.log.next_refusal().reason == "Connection_Dropped"
        assert client.is_reset()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Meanwhile this process writes no file that is longer."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def wait(front: RunningListener, condition: Callable[[], bool]) -> None:
    """Until it holds in the listener."""
    end = time.monotonic() + WAIT_SECONDS
    while not front.run(condition):
        assert time.monotonic() < end, "it does not come true"


def skip_to(worker: TestWorker, kind: Kind) -> None:
    """The next frame of that kind; windows and words about the body before it are passed over."""
    while worker.next_frame()[0] is not kind:
        pass


def read_frames(worker: TestWorker, count: int) -> bytes:
    """So much of the body, by frames; the window is opened by what has come."""
    got = bytearray()
    while len(got) < count:
        kind, _, data = worker.next_frame()
        if kind is Kind.BODY:
            got += data
            worker.grant_body(1, len(data))
    return bytes(got)
