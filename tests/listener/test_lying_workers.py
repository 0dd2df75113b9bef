"""Workers that lie: whatever stands on their links costs them their link, and the listener nothing.

The frames are made from dialogues that are right, by one or several changes; each round has its own number, which is
all that is needed to repeat it.
"""

from __future__ import annotations

import os
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from host.wire.codec import (
    encode,
    encode_end,
    encode_file,
    encode_log,
    encode_number,
    encode_pipe,
    encode_reset,
    encode_response,
)
from host.wire.control_messages import Event, WorkerGone
from host.wire.frames import BODY_PIPE, HEADER, SIDE_PACKET, Kind, LogFrame, ResponseFlag, ResponseFrame
from tests.listener.running_listener import WAIT_SECONDS, Client, RunningListener, TestWorker, open_descriptors

ROUNDS = 300
NUMBERS_32 = (0, 1, 2, 65536, 2**31, 2**32 - 1)
NUMBERS_64 = (0, 1, 9, 65536, 2**31, 2**63 - 1, 2**63, 2**64 - 1)
HEADS = (
    b"200 OK\r\n",
    b"200 OK\r\nContent-Length: 9\r\n",
    b"204 No Content\r\n",
    b"304 Not Modified\r\nContent-Length: 5\r\n",
    b"103 Early Hints\r\n",
    b"200 OK\r\nConnection: close\r\n",
    b"200 OK\r\nA: b\r\n\r\n",
    b"",
)


class Liar:
    """Makes one worker's part of a dialogue."""

    def __init__(self, seed: int, numbers: list[int], files: list[int]) -> None:
        self._random = random.Random(seed)
        self._numbers = numbers
        self._files = files

    def says(self) -> Iterator[tuple[bytes, list[int] | None]]:
        """Bytes for the stream (descriptors None), or packets for the side socket with these descriptors."""
        rng = self._random
        for say in (self._dialogue, self._dialogue, self._noise)[: rng.randint(1, 3)]:
            for step in say():
                change = rng.random()
                if change < 0.1:
                    yield self._lie()
                elif change < 0.15:
                    yield from (step, step)
                elif change < 0.2 and step[0]:
                    yield step[0][: rng.randrange(len(step[0]))], step[1]
                elif change > 0.25:
                    yield step

    def _dialogue(self) -> Iterator[tuple[bytes, list[int] | None]]:
        rng, number = self._random, self._number()
        yield encode(Kind.STARTED, number), None
        yield encode_number(Kind.BODY_WINDOW, number, 0 if rng.random() < 0.9 else rng.choice(NUMBERS_32)), None
        if rng.random() < 0.3:
            yield encode(Kind.BODY_HOLD, number), None
            yield SIDE_PACKET.pack(number, BODY_PIPE), [rng.choice(self._files)]
        yield encode_log(number, LogFrame("an\nna", "", "-", "G T", "/\x01\xff", rng.choice(("", "200", "999")))), None
        if rng.random() < 0.1:
            yield encode_reset(number, rng.choice((404, 503, 599)), 1, 1, "because\r\n\0"), None
        yield self._response(number), None
        for sequence in range(rng.randint(0, 3)):
            yield encode(Kind.DATA, number, rng.randbytes(rng.choice((0, 1, 9, 65536)))), None
            if rng.random() < 0.7:
                yield encode_file(number, sequence, rng.choice(NUMBERS_64), rng.choice(NUMBERS_64)), None
            else:
                yield encode_pipe(number, sequence, rng.choice(NUMBERS_64)), None
            yield SIDE_PACKET.pack(number, sequence), [rng.choice(self._files)]
        yield encode_end(number, 1), None

    def _noise(self) -> Iterator[tuple[bytes, list[int] | None]]:
        for _ in range(self._random.randint(1, 8)):
            yield self._lie()

    def _lie(self) -> tuple[bytes, list[int] | None]:
        rng, number = self._random, self._number()
        match rng.randrange(6):
            case 0:
                return encode(rng.choice(list(Kind)), number, rng.randbytes(rng.randrange(64))), None
            case 1:
                length = rng.choice((0, 4, 5, 6, 4 * 1024 * 1024, 2**32 - 1))
                return HEADER.pack(length, number, rng.randrange(256)) + rng.randbytes(rng.randrange(64)), None
            case 2:
                return rng.randbytes(rng.randrange(1, 200)), None
            case 3:
                return encode_number(Kind.CREDIT, rng.choice((0, 0, number)), rng.choice(NUMBERS_32)), None
            case 4:
                return rng.randbytes(rng.choice((1, 7, 8, 9, 100))), rng.sample(self._files, rng.randrange(4))
            case _:
                return encode(Kind.END, number, bytes([rng.randrange(256)])), None

    def _number(self) -> int:
        rng = self._random
        if rng.random() < 0.8:
            return rng.choice(self._numbers)
        return rng.choice((0, self._numbers[0] + 1, rng.getrandbits(32)))

    def _response(self, number: int) -> bytes:
        rng = self._random
        head = HEADS[0] if rng.random() < 0.5 else rng.choice(HEADS)
        flags = rng.choice((0, 0, 0, 0, 0, 0, ResponseFlag.COMPLETE, ResponseFlag.RAW, ResponseFlag.CLOSE, 0xFF))
        status = int(head[:3]) if head and rng.random() < 0.95 else rng.getrandbits(16)
        body = rng.randbytes(rng.choice((0, 5, 9, 70000)))
        frame = ResponseFrame(flags, rng.randint(0, 1), status, rng.getrandbits(16), rng.getrandbits(32), head, body)
        return encode_response(number, frame)


@contextmanager
def files_of_all_kinds(folder: Path) -> Iterator[list[int]]:
    """Descriptors: a regular file and an empty one, a pipe's two ends, a folder, a socket."""
    (folder / "file").write_bytes(b"x" * 100_000)
    (folder / "empty").touch()
    a_socket = socket.socket()
    paths = [
        os.open(folder / "file", os.O_RDONLY),
        os.open(folder / "empty", os.O_RDONLY),
        os.open(folder, os.O_RDONLY),
    ]
    descriptors = [paths[0], *paths, *os.pipe(), a_socket.detach()]
    try:
        yield descriptors
    finally:
        for descriptor in set(descriptors):
            os.close(descriptor)


def ask_the_liar(front: RunningListener, worker: TestWorker, rng: random.Random) -> tuple[list[Client], list[int]]:
    """Clients whose requests that worker has, and the numbers of these."""
    clients: list[Client] = []
    numbers: list[int] = []
    for _ in range(rng.randint(1, 3)):
        client = front.client()
        if rng.random() < 0.5:
            client.get("/", method=rng.choice(("GET", "HEAD")), version=rng.choice(("1.0", "1.1")))
        else:
            client.post(rng.randbytes(rng.choice((1, 70000, 500000))), "Expect: 100-continue\r\n" * rng.randint(0, 1))
        clients.append(client)
        while len(numbers) < len(clients):
            kind, number, _ = worker.next_frame()
            if kind is Kind.REQUEST:
                numbers.append(number)
    return clients, numbers


def tell(worker: TestWorker, liar: Liar) -> None:
    """Say it all, as far as the listener listens."""
    worker.stream.setblocking(False)
    worker.side.setblocking(False)
    with suppress(OSError):
        for raw, descriptors in liar.says():
            if descriptors is None:
                worker.stream.send(raw)
            else:
                socket.send_fds(worker.side, [raw], descriptors)


def prove_health(front: RunningListener, name: str) -> None:
    """Another worker serves another client, and whoever else had been promised an answer."""
    worker, client = front.worker(name), front.client()
    client.get(f"/{name}")
    while True:
        kind, number, body = worker.next_frame()
        if kind is Kind.REQUEST:
            worker.answer(number)
            if f"/{name}".encode() in body:
                break
    assert client.read_response()[0] == 200
    client.close()
    worker.die()


def test_no_dialogue_of_a_worker_harms_the_listener(front: RunningListener, tmp_path: Path) -> None:
    """After each round other workers serve other clients; nothing is left in hand, no descriptor is left open, and the
    loop has met no exception (the listener's fixture demands it)."""
    with files_of_all_kinds(tmp_path) as files:
        prove_health(front, "first")
        before = front.run(open_descriptors)
        for seed in range(ROUNDS):
            rng = random.Random(-seed)
            worker = front.worker(f"liar{seed}", credit=3)
            clients, numbers = ask_the_liar(front, worker, rng)
            tell(worker, Liar(seed, numbers, files))
            if rng.random() < 0.5:
                front.settle()
            for client in clients:
                client.close()
            worker.die()
            while front.message(WorkerGone).worker != worker.name:
                pass
            prove_health(front, f"honest{seed}")
            front.settle()
            assert front.run(front.listener.requests) == [], f"round {seed}"
        end = time.monotonic() + WAIT_SECONDS
        while (
            front.run(open_descriptors) > before and time.monotonic() < end
        ):  # an abortive end looks again and again for it
            front.settle()
        assert front.run(open_descriptors) <= before


def lie_of(front: RunningListener, tell_it: Callable[[TestWorker, int], None], *, posts: bool = False) -> str:
    """What the service hears of a worker that says this of its request; its client is answered 502, or cut off."""
    worker, client = front.worker(), front.client()
    if posts:
        client.post(b"x" * 100)
    else:
        client.get()
    number, _ = worker.request()
    tell_it(worker, number)
    client.is_reset()
    broken = front.message(WorkerGone).broken
    assert front.message(Event).id == "front-broken-link"
    prove_health(front, "A2")
    return broken


@pytest.mark.parametrize(("offset", "length"), [(2**63, 1), (2**64 - 1, 2**64 - 1), (2**63 - 1, 1), (5, 2**63)])
def test_a_piece_of_a_file_that_no_system_has_is_a_lie(front: RunningListener, offset: int, length: int) -> None:
    """Such an offset cannot be given to the kernel."""

    def tell_it(worker: TestWorker, number: int) -> None:
        worker.started(number)
        worker.begin(number)
        worker.file(number, 0, offset, length)

    assert "no file is that long" in lie_of(front, tell_it)


def test_an_answer_whose_file_never_comes_is_cut_with_its_worker(front: RunningListener) -> None:
    """The worker has said its last word about it, so nothing else would ever end the client's connection."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    worker.begin(number)
    worker.file(number, 0, 0, 100)
    worker.end(number)
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    worker.die()
    assert client.is_reset()
    assert front.log.next_refusal().reason == "Connection_Abandoned_By_ReqQueue"


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_last_word_that_cannot_be_read_ends_the_request_all_the_same(front: RunningListener, has_begun: bool) -> None:
    """The client is cut off, or its request goes to another worker; nothing waits for the one that is gone."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    if has_begun:
        worker.begin(number, b"some")
        assert client.read_until(b"some")
        worker.send(encode(Kind.END, number, b"\xff"))
        assert client.is_reset()
    else:
        worker.send(encode(Kind.RESET, number, b"\xff"))
        other = front.worker("A2")
        other.answer(other.request()[0])
        assert client.read_response()[0] == 200
    assert front.message(WorkerGone).broken


def test_a_packet_of_descriptors_alone_is_a_lie(front: RunningListener) -> None:
    """It has no number: it is not the end of the side socket, and its descriptor is closed."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    before = front.run(open_descriptors)
    with open(__file__, "rb") as file:
        socket.send_fds(worker.side, [b""], [file.fileno()])
    assert "side socket" in front.message(WorkerGone).broken
    other = front.worker("A2")
    assert other.request()[0] == number
    other.answer(number)
    assert client.read_response()[0] == 200
    assert front.run(open_descriptors) <= before + 2  # the other worker's link, instead of the first one's


def test_a_worker_that_dies_with_frames_unread_on_both_sides_is_gone(front: RunningListener) -> None:
    """What it had said last is heard, and then that it is dead: its request goes to another worker."""
    worker, client = front.worker(), front.client()
    client.get()
    assert select.select([worker.stream], [], [], WAIT_SECONDS)[0]  # its request, which it never reads
    may_go_on = threading.Event()
    front.loop.call_soon_threadsafe(may_go_on.wait)
    worker.send(encode_number(Kind.CREDIT, 0, 1))
    worker.die()
    may_go_on.set()
    assert front.message(WorkerGone).worker == "A1"
    other = front.worker("A2")
    other.answer(other.request()[0])
    assert client.read_response()[0] == 200


def test_two_files_of_one_number_are_a_lie(front: RunningListener) -> None:
    """One descriptor cannot serve both, and the first would be waited for for ever."""

    def tell_it(worker: TestWorker, number: int) -> None:
        worker.started(number)
        worker.begin(number)
        worker.file(number, 0, 0, 100)
        worker.file(number, 0, 0, 100)

    assert "two files" in lie_of(front, tell_it)


def test_a_worker_may_not_open_a_bodys_window_beyond_what_it_was_sent(front: RunningListener) -> None:
    """What it does not read would lie in the listener's memory, for every upload."""

    def tell_it(worker: TestWorker, number: int) -> None:
        worker.started(number)
        worker.grant_body(number, 2**32 - 1)

    assert "for a body" in lie_of(front, tell_it, posts=True)


def test_a_worker_that_reads_nothing_is_given_up(front: RunningListener) -> None:
    """Its frames would fill the listener's memory: clients come, and leave."""
    worker = front.worker()
    (link,) = front.run(lambda: list(front.listener._context.relay.workers()))
    frame = encode(Kind.SESSION_END, 0, bytes(8))

    def send_many() -> None:
        for _ in range(150_000):
            link.send(frame)

    for _ in range(3):
        front.run(send_many)
    assert front.message(WorkerGone).broken == "it reads nothing"
    worker.die()
    prove_health(front, "A2")


def test_a_flood_of_descriptors_does_not_hold_the_listener(front: RunningListener, tmp_path: Path) -> None:
    """A worker sends them for requests that it does not have, as fast as they are taken; others are served."""
    liar, is_enough = front.worker("liar", credit=0), threading.Event()

    def flood(descriptor: int) -> None:
        with suppress(OSError):
            while not is_enough.is_set():
                socket.send_fds(liar.side, [SIDE_PACKET.pack(99, 0)], [descriptor])

    (tmp_path / "file").touch()
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    threads = [threading.Thread(target=flood, args=(descriptor,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(5):
            prove_health(front, f"A{number}")
    finally:
        is_enough.set()
        liar.die()
        for thread in threads:
            thread.join()
        os.close(descriptor)
