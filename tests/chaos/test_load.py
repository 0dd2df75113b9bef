"""The client finds every kind of wrong answer: a load that sees no failure would prove nothing."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.chaos.client import Count, Failure, Options, User
from tests.chaos.load import Load
from tests.chaos.requests import KINDS, page

NUMBER = 7
BODY = page(NUMBER)
HEAD = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()


@contextmanager
def answering(answer: Callable[[socket.socket, bytes], None]) -> Iterator[int]:
    """A server that does this with every connection and its first bytes; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    if request := client.recv(65536):
                        answer(client, request)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def ask_once(port: int, kind: str, failures: list[Failure]) -> Count:
    """One request of one user; its failure is kept."""
    count = Count()
    options = Options(port=port, users={kind: 1}, paths={kind: "/x"}, patience_seconds=0.5)
    user = User(options, KINDS[kind], count, itertools.count(NUMBER), random.Random(1), report=failures.append)
    asyncio.run(user.ask_one())
    return count


def chunked(*pieces: bytes) -> bytes:
    """A chunked answer without its end."""
    framed = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed


def wait_for(event: threading.Event) -> None:
    """A server that says nothing."""
    event.wait(10)


def reset(client: socket.socket) -> None:
    """End the connection with RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    "answer",
    [HEAD + BODY, chunked(BODY[:5], BODY[5:]) + b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY],
    ids=["length", "chunked", "until close"],
)
def test_a_right_answer_counts_in_every_framing(answer: bytes) -> None:
    """Length, chunks, and the end of the connection."""
    failures: list[Failure] = []
    with answering(lambda client, _request: client.sendall(answer)) as port:
        count = ask_once(port, "connect", failures)
    assert (count.sent, count.answered, count.failed, failures) == (1, 1, 0, [])


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [
        (HEAD + BODY.replace(b"7", b"8"), "wrong content", 200),
        (HEAD + BODY[:-1], "closed in the middle", 200),
        (chunked(BODY), "closed", 200),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY[:-1], "wrong content", 200),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "status 502", 502),
        (HEAD[:10], "closed in the middle", 0),
        (b"", "closed", 0),
    ],
)
def test_a_wrong_or_missing_answer_is_a_failure_with_its_facts(answer: bytes, error: str, status: int) -> None:
    """Truncated, somebody else's, refused, cut in the head, none at all."""
    failures: list[Failure] = []
    with answering(lambda client, _request: client.sendall(answer)) as port:
        count = ask_once(port, "page", failures)
    (failure,) = failures
    assert (count.answered, count.failed) == (0, 1)
    assert (failure.error, failure.status, failure.received) == (error, status, len(answer))
    assert failure.connected <= failure.began + 0.5 <= failure.ended + 0.5


def test_a_reset_and_a_refused_connection_are_told_apart() -> None:
    """Whether anybody listened decides what excuses it."""
    failures: list[Failure] = []
    with answering(lambda client, _request: reset(client)) as port:
        ask_once(port, "page", failures)
    ask_once(port, "page", failures)
    assert [failure.error for failure in failures] == ["ConnectionResetError", "connect: ConnectionRefusedError"]


def test_an_answer_that_does_not_come_in_time_is_a_failure() -> None:
    """Nobody waits for ever."""
    failures: list[Failure] = []
    silent = threading.Event()
    with answering(lambda _client, _request: wait_for(silent)) as port:
        ask_once(port, "page", failures)
        silent.set()
    assert failures[0].error == "no whole answer in time"


def test_a_refusal_that_comes_while_the_body_is_sent_is_read() -> None:
    """502 before the last piece: the status is known, not only that the connection broke."""
    failures: list[Failure] = []
    refusal = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with answering(lambda client, _request: client.sendall(refusal)) as port:
        ask_once(port, "upload", failures)
    assert failures[0].status == 502


@pytest.mark.slow
def test_the_load_in_its_own_process_reports_progress_failures_and_the_sum() -> None:
    """Every second connection is closed at once: all of that, and nothing else, has failed."""
    turns = itertools.count()

    def every_other(client: socket.socket, request: bytes) -> None:
        if next(turns) % 2:
            number = int(request.split(b"n=")[1].split(b" ")[0])
            client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + page(number))

    with (
        answering(every_other) as port,
        Load(Options(port=port, users={"page": 1}, paths={"page": "/x"})) as load,
    ):
        load.wait_for_answers(3)
        load.stop()
    count = load.counts["page"]
    assert count.sent == count.answered + count.failed == next(turns)
    assert count.answered >= 3
    assert abs(count.answered - count.failed) <= 1
    assert {failure.error for failure in load.failures} == {"closed"}
