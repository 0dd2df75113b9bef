"""The rest of a large body goes from the client's socket into the worker's pipe; every end of that closes it."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from host.http1.connection import MAX_DISCARDED_BODY
from host.listener.body_pipe import can_write_ahead
from host.listener.request_body import READ_AHEAD
from host.wire.codec import decode_number, encode
from host.wire.control_messages import WorkerGone
from host.wire.frames import BODY_PIPE, LEAST_HELD, Kind
from tests.listener.running_listener import (
    WAIT_SECONDS,
    Client,
    RunningListener,
    Sizes,
    TestWorker,
    free_unix_path,
    open_descriptors,
    running_listener,
)

SIZE = 3_000_000
FIRST = 60_000
BODY = os.urandom(SIZE)
THEIR_DESCRIPTORS = 6
"""Both ends of a client's connection, and of a worker's two."""

needs_linux_6_4 = pytest.mark.skipif(not can_write_ahead(), reason="this kernel does not write into a pipe unasked")
NEXT = b"GET /next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def wait_until_closed(front: RunningListener, others: int) -> None:
    """No more descriptors are open than those of others; a connection that lingers has the time for it."""
    end = time.monotonic() + WAIT_SECONDS
    while front.run(open_descriptors) > others:
        front.pass_seconds(3)
        assert time.monotonic() < end, f"{front.run(open_descriptors)} descriptors are open, not {others}"


@contextmanager
def upload(front: RunningListener, fields: str = f"Content-Length: {SIZE}\r\n") -> Iterator[tuple[Client, TestWorker]]:
    """A POST whose first bytes have come to a worker, as request 1; nothing is left open in the end."""
    worker, client = front.worker(), front.client()
    client.send(f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode())
    is_held_back = "Expect" in fields
    if not is_held_back:
        client.send(BODY[:FIRST])
    number, frame = worker.request()
    assert number == 1
    got = frame.body
    while len(got) < FIRST and not is_held_back:
        got += worker.take(Kind.BODY)[1]
    worker.started(1)
    others = front.run(open_descriptors) - THEIR_DESCRIPTORS
    yield client, worker
    client.close()
    worker.die()
    front.message(WorkerGone)
    wait_until_closed(front, others)


def hand_pipe(worker: TestWorker) -> int:
    """Have the body held, and hand over one end of a pipe: the other one."""
    worker.send(encode(Kind.BODY_HOLD, 1))
    assert worker.take(Kind.BODY_HELD) == (1, b"")
    reader, writer = os.pipe()
    worker.send_file(1, BODY_PIPE, writer)
    os.close(writer)
    return reader


@contextmanager
def sending(client: Client, data: bytes) -> Iterator[None]:
    """Meanwhile the client sends this, as far as anybody takes it."""

    def send() -> None:
        try:
            client.send(data)
        except OSError:
            return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


def rest_of(reader: int) -> bytes:
    """To the end of the pipe, which is closed."""
    with open(reader, "rb") as file:
        return file.read()


def test_the_pipe_gets_the_rest_of_the_body_and_not_a_byte_more(front: RunningListener) -> None:
    """What follows on the connection is the next request; the log counts every byte."""
    with upload(front) as (client, worker):
        reader = hand_pipe(worker)
        with sending(client, BODY[FIRST:] + NEXT):
            assert rest_of(reader) == BODY[FIRST:]
        assert worker.take(Kind.BODY_END) == (1, b"")
        worker.answer(1)
        assert client.read_response()[0] == 200
        number, frame = worker.request()
        assert frame.target == b"/next"
        worker.answer(number)
        assert client.read_response()[0] == 200
        assert front.log.next_request().bytes_received > SIZE


def test_a_client_of_a_unix_socket_is_no_exception() -> None:
    """A proxy on the same machine speaks over one."""
    with free_unix_path() as path, running_listener(Sizes(unix_path=path)) as front:
        worker, client = front.worker(), front.client(over_unix=True)
        client.send(f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {SIZE}\r\n\r\n".encode())
        worker.request()
        worker.started(1)
        reader = hand_pipe(worker)
        with sending(client, BODY):
            assert rest_of(reader) == BODY
        worker.take(Kind.BODY_END)
        worker.answer(1)
        assert client.read_response()[0] == 200


@needs_linux_6_4
def test_what_had_been_read_goes_ahead_into_the_pipe(front: RunningListener) -> None:
    """The listener holds what it has read and not sent: no BODY follows, the pipe gets it before what is to come."""
    with upload(front) as (client, worker):
        sent = client.send_until_stalled(BODY[FIRST:])
        assert worker.take(Kind.BODY) == (1, BODY[FIRST:READ_AHEAD])
        reader = hand_pipe(worker)
        with sending(client, BODY[FIRST + sent :]):
            assert rest_of(reader) == BODY[READ_AHEAD:]
        assert worker.take(Kind.BODY_END) == (1, b"")


def test_on_an_older_kernel_the_worker_gets_what_had_been_read_before_the_pipe_gets_the_rest(
    front: RunningListener,
) -> None:
    """Before Linux 6.4 nobody can write into a pipe that may be full without waiting: BODY until nothing is left here,
    as far as the worker has room, and not a byte of it in the pipe."""
    front.run(front.listener.do_not_write_ahead)
    with upload(front) as (client, worker):
        sent = client.send_until_stalled(BODY[FIRST:])
        assert worker.take(Kind.BODY) == (1, BODY[FIRST:READ_AHEAD])
        worker.send(encode(Kind.BODY_HOLD, 1))
        got = count = READ_AHEAD
        kind = Kind.BODY
        while kind is Kind.BODY:
            if count:
                worker.grant_body(1, count)
            kind, _, data = worker.next_frame()
            assert data == BODY[got : got + len(data)]
            count = len(data)
            got += count
        assert kind is Kind.BODY_HELD
        assert READ_AHEAD < got < FIRST + sent
        reader, writer = os.pipe()
        worker.send_file(1, BODY_PIPE, writer)
        os.close(writer)
        with sending(client, BODY[FIRST + sent :]):
            assert rest_of(reader) == BODY[got:]
        assert worker.take(Kind.BODY_END) == (1, b"")


@needs_linux_6_4
def test_a_narrow_pipe_gets_it_as_its_reader_reads(front: RunningListener) -> None:
    """More had been read than the pipe takes: its reader is waited for, not the client."""
    with upload(front) as (client, worker):
        sent = client.send_until_stalled(BODY[FIRST:])
        assert worker.take(Kind.BODY) == (1, BODY[FIRST:READ_AHEAD])
        worker.send(encode(Kind.BODY_HOLD, 1))
        worker.take(Kind.BODY_HELD)
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        worker.send_file(1, BODY_PIPE, writer)
        os.close(writer)
        assert decode_number(worker.take(Kind.BODY_WAITS)[1]) == 0
        with sending(client, BODY[FIRST + sent :]):
            assert rest_of(reader) == BODY[READ_AHEAD:]
        assert worker.take(Kind.BODY_END) == (1, b"")


@needs_linux_6_4
def test_a_pipe_that_nobody_reads_from_the_beginning(front: RunningListener) -> None:
    """What had been read for it is dropped with the rest."""
    with upload(front) as (client, worker):
        sent = client.send_until_stalled(BODY[FIRST:])
        assert worker.take(Kind.BODY) == (1, BODY[FIRST:READ_AHEAD])
        worker.send(encode(Kind.BODY_HOLD, 1))
        worker.take(Kind.BODY_HELD)
        reader, writer = os.pipe()
        os.close(reader)
        worker.send_file(1, BODY_PIPE, writer)
        os.close(writer)
        client.send(BODY[FIRST + sent :] + NEXT)
        assert worker.take(Kind.BODY_END) == (1, b"")
        worker.answer(1, b"not read")
        assert client.read_response()[2] == b"not read"
        assert worker.request()[1].target == b"/next"


def test_a_full_pipe_stops_the_client_and_the_worker_is_told_who_is_waited_for(front: RunningListener) -> None:
    """First the program, whose pipe is full, and then, when it has read everything, the client."""
    with upload(front, f"Content-Length: {100 * SIZE}\r\n") as (client, worker):
        reader = hand_pipe(worker)
        sent = client.send_until_stalled(BODY * 20)
        assert sent < 20 * SIZE
        assert decode_number(worker.take(Kind.BODY_WAITS)[1]) == 0
        front.pass_seconds(1000)  # the client's time does not run
        while sent:
            sent -= len(os.read(reader, 1 << 20))
        assert decode_number(worker.take(Kind.BODY_WAITS)[1]) == 1
        os.close(reader)


def test_nobody_reads_the_pipe_any_more(front: RunningListener) -> None:
    """The rest is taken and dropped: the client hears the answer, and its next request is heard."""
    with upload(front) as (client, worker):
        reader = hand_pipe(worker)
        os.close(reader)
        client.send(BODY[FIRST:] + NEXT)
        assert worker.take(Kind.BODY_END) == (1, b"")
        worker.answer(1, b"not read")
        assert client.read_response()[2] == b"not read"
        assert worker.request()[1].target == b"/next"


@pytest.mark.parametrize("left", [500_000, 2_000_000])
def test_an_answer_ahead_of_the_body_closes_the_pipe(front: RunningListener, left: int) -> None:
    """The program wants no more. What is left of a body that is nearly there is dropped; a longer rest ends the
    connection."""
    with upload(front) as (client, worker):
        reader = hand_pipe(worker)
        with sending(client, BODY[FIRST : SIZE - left]):
            got = b""
            while len(got) < SIZE - left - FIRST:
                got += os.read(reader, 1 << 20)
        worker.answer(1, b"enough")
        assert rest_of(reader) == b""
        _, fields, body = client.read_response()
        assert body == b"enough"
        if left < MAX_DISCARDED_BODY:
            client.send(BODY[SIZE - left :] + NEXT)
            assert worker.request()[1].target == b"/next"
        else:
            assert fields["connection"] == "close"


@pytest.mark.parametrize("leaves", ["closes", "resets", "is too slow"])
def test_a_client_that_leaves_in_its_body_costs_the_request(front: RunningListener, leaves: str) -> None:
    """The worker is told, the pipe is closed."""
    with upload(front) as (client, worker):
        reader = hand_pipe(worker)
        client.send(BODY[FIRST : 2 * FIRST])
        got = b""
        while len(got) < FIRST:
            got += os.read(reader, 1 << 20)
        if leaves == "closes":
            client.close()
        elif leaves == "resets":
            client.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER
            client.close()
        else:
            front.pass_seconds(119)
            client.send(BODY[2 * FIRST : 3 * FIRST])
            while len(got) < 2 * FIRST:
                got += os.read(reader, 1 << 20)
            front.pass_seconds(119)
            front.pass_seconds(10)
        assert worker.take(Kind.ABORT) == (1, b"")
        assert got + rest_of(reader) == BODY[FIRST : FIRST + len(got)]
        worker.reset(1)
        if leaves == "is too slow":
            assert front.log.next_refusal().reason == "Timer_EntityBody"


def test_a_worker_that_dies_lets_the_program_see_the_end(front: RunningListener) -> None:
    """And the client a 502: what went into the pipe cannot be had again."""
    with upload(front) as (client, worker):
        reader = hand_pipe(worker)
        worker.die()
        assert rest_of(reader) == b""
        assert client.read_until(b"\r\n").startswith(b"HTTP/1.1 502 ")


def test_a_body_of_which_some_went_past_is_given_to_no_other_worker(front: RunningListener) -> None:
    """Although the method allows it, and all that has been read here is little: the rest would not be the rest."""
    worker, client = front.worker(), front.client()
    client.send(f"PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {SIZE}\r\n\r\n".encode() + BODY[:10])
    assert worker.request()[0] == 1
    reader = hand_pipe(worker)
    client.send(BODY[10:FIRST])
    missing = FIRST - 10
    while missing:
        missing -= len(os.read(reader, 1 << 20))
    worker.die()
    assert rest_of(reader) == b""
    assert client.read_until(b"\r\n").startswith(b"HTTP/1.1 502 ")


def test_a_body_that_its_client_holds_back_is_asked_for(front: RunningListener) -> None:
    """BODY_HOLD is the worker's word that it wants it."""
    with upload(front, f"Content-Length: {SIZE}\r\nExpect: 100-continue\r\n") as (client, worker):
        reader = hand_pipe(worker)
        assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        with sending(client, BODY):
            assert rest_of(reader) == BODY
        worker.take(Kind.BODY_END)


@pytest.mark.parametrize(
    ("fields", "rest"),
    [
        ("Transfer-Encoding: chunked\r\n", b""),
        (f"Content-Length: {FIRST + LEAST_HELD - 1}\r\n", BODY[FIRST : FIRST + LEAST_HELD - 1]),
        (f"Content-Length: {FIRST}\r\n", b""),
    ],
)
def test_what_is_short_or_has_no_length_comes_as_ever(front: RunningListener, fields: str, rest: bytes) -> None:
    """The worker asked in vain, and is not told so."""
    worker, client = front.worker(), front.client()
    head, is_chunked = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode(), "chunked" in fields
    client.send(head + (b"%x\r\n%b\r\n" % (FIRST, BODY[:FIRST]) if is_chunked else BODY[:FIRST]))
    _, frame = worker.request()
    others = front.run(open_descriptors) - THEIR_DESCRIPTORS
    got = frame.body
    while len(got) < FIRST:
        got += worker.take(Kind.BODY)[1]
    worker.started(1)
    worker.send(encode(Kind.BODY_HOLD, 1))
    client.send(b"0\r\n\r\n" if is_chunked else rest)
    while len(got) < FIRST + len(rest):
        got += worker.take(Kind.BODY)[1]
    assert got == BODY[: FIRST + len(rest)]
    if len(frame.body) < FIRST or is_chunked or rest:
        worker.take(Kind.BODY_END)
    worker.answer(1)
    assert client.read_response()[0] == 200
    client.close()
    worker.die()
    front.message(WorkerGone)
    wait_until_closed(front, others)


def not_asked(worker: TestWorker, pipe: tuple[int, int]) -> None:
    worker.send_file(1, BODY_PIPE, pipe[1])


def the_readers_end(worker: TestWorker, pipe: tuple[int, int]) -> None:
    held(worker)
    worker.send_file(1, BODY_PIPE, pipe[0])


def a_file(worker: TestWorker, pipe: tuple[int, int]) -> None:
    del pipe
    held(worker)
    with open("/dev/null", "wb") as file:
        worker.send_file(1, BODY_PIPE, file.fileno())


def two_pipes(worker: TestWorker, pipe: tuple[int, int]) -> None:
    held(worker)
    worker.send_file(1, BODY_PIPE, pipe[1])
    worker.send_file(1, BODY_PIPE, pipe[1])


def held_twice(worker: TestWorker, pipe: tuple[int, int]) -> None:
    del pipe
    held(worker)
    worker.send(encode(Kind.BODY_HOLD, 1))


def held(worker: TestWorker) -> None:
    worker.send(encode(Kind.BODY_HOLD, 1))
    worker.take(Kind.BODY_HELD)


@pytest.mark.parametrize("lie", [not_asked, the_readers_end, a_file, two_pipes, held_twice])
def test_a_lie_about_the_pipe_costs_the_worker(
    front: RunningListener, lie: Callable[[TestWorker, tuple[int, int]], None]
) -> None:
    """Nothing but the end of a pipe that can be written into, once, when it has been asked for."""
    worker, client, pipe = front.worker(), front.client(), os.pipe()
    client.send(f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {SIZE}\r\n\r\n".encode() + BODY[:10])
    worker.request()
    worker.started(1)
    others = front.run(open_descriptors) - THEIR_DESCRIPTORS - len(pipe)
    lie(worker, pipe)
    assert "body" in front.message(WorkerGone).broken
    assert client.read_until(b"\r\n").startswith(b"HTTP/1.1 502 ")
    for end in pipe:
        os.close(end)
    client.close()
    worker.die()
    wait_until_closed(front, others)
