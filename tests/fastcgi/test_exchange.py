"""A request's limits, with an application that the test plays itself at the other end of a socket."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from host.api import HttpError
from host.fastcgi.connection import FastCgiConnection
from host.fastcgi.exchange import FastCgiExchange
from host.fastcgi.instance import Instance
from host.fastcgi.settings import ServerSettings
from host.gateway.fastcgi_records import RecordType, encode_end, encode_pairs, encode_stream
from host.programs.request_pieces import RequestPieces
from tests.gateway.sample_request import PieceBody

SETTINGS = ServerSettings(full_path="/srv/app", activity_timeout_seconds=10, request_timeout_seconds=100)


class RecordingOwner:
    """Notes what becomes of the instance."""

    def __init__(self) -> None:
        self.settings = replace(SETTINGS)
        self.notes: list[str] = []

    def release(self, instance: Instance) -> None:
        self.notes.append("released")

    def take_back(self, instance: Instance) -> None:
        self.notes.append("taken back")

    def discard(self, instance: Instance, reason: str, *, is_failure: bool) -> None:
        self.notes.append(f"discarded {is_failure}")

    def report(self, event_id: str, text: str) -> None:
        self.notes.append(event_id)


class RecordingAwaiter:
    """Notes what it is given; takes everything."""

    def __init__(self) -> None:
        self.notes: list[bytes | str] = []

    def take(self, output: bytes) -> bool:
        self.notes.append(output)
        return True

    def wake(self) -> None:
        self.notes.append("woken")


class Scene:
    """An exchange, and the socket of the application."""

    def __init__(self, body: PieceBody | None = None) -> None:
        self.owner = RecordingOwner()
        self.loop = asyncio.get_running_loop()
        self.source = RequestPieces(body or PieceBody())
        self.exchange: FastCgiExchange
        self.application: socket.socket

    async def begin(self, awaiter: RecordingAwaiter | None = None) -> None:
        ours, self.application = socket.socketpair()
        ours.setblocking(False)
        self.application.setblocking(False)
        instance = Instance(0)
        _, instance.connection = await self.loop.create_unix_connection(FastCgiConnection, sock=ours)
        self.exchange = FastCgiExchange(self.owner, instance, "/srv/app.x", "r1")
        await self.source.open(announces_length=True)
        self.exchange.start(encode_pairs([(b"A", b"b")]), self.source, keeps_connection=False, awaiter=awaiter)

    def send_soon(self, data: bytes) -> asyncio.Task[None]:
        return self.loop.create_task(self.loop.sock_sendall(self.application, data))

    async def end(self) -> None:
        self.exchange.abandon("the test is over")
        await asyncio.sleep(0)
        self.application.close()


def run(work: Callable[[Scene], Awaitable[None]], body: PieceBody | None = None) -> list[str]:
    """Do it in a loop; what has become of the instance."""

    async def main() -> list[str]:
        scene = Scene(body)
        await scene.begin()
        await work(scene)
        notes = list(scene.owner.notes)
        await scene.end()
        return notes

    return asyncio.run(asyncio.wait_for(main(), 90))


def test_a_reader_that_is_slow_is_not_the_process_s_fault() -> None:
    """activityTimeout does not count while much output waits for the client; requestTimeout always does."""

    async def work(scene: Scene) -> None:
        sending = scene.send_soon(encode_stream(RecordType.STDOUT, 1, b"x" * 4_000_000) + encode_end(1))
        while scene.exchange.owes_something:  # noqa: ASYNC110 - the kernel moves the bytes
            await asyncio.sleep(0)
        now = scene.loop.time()
        scene.exchange.look(now + 50)
        assert scene.owner.notes == []
        size = 0
        while data := await scene.exchange.read():
            size += len(data)
        assert size == 4_000_000
        await sending

    assert run(work) == ["released"]


def test_a_process_that_says_nothing_is_overdue() -> None:
    """Its reader gets 504.0 or 500.0, and it is ended as a failure."""

    async def work(scene: Scene) -> None:
        now = scene.loop.time()
        scene.exchange.look(now + 9)
        assert scene.owner.notes == []
        scene.exchange.look(now + 11)
        with pytest.raises(HttpError, match="activityTimeout"):
            await scene.exchange.read()

    assert run(work) == ["fastcgi-timeout", "discarded True"]


class WaitingBody(PieceBody):
    """A client that sends no more for a while."""

    async def read_some(self) -> bytes:
        piece = self.read_some_blocking()
        if not piece:
            await asyncio.Event().wait()
        return piece


def test_a_client_that_sends_slowly_is_not_the_process_s_fault() -> None:
    """The same for the way in: the process waits for what the client has not sent."""

    async def work(scene: Scene) -> None:
        while scene.exchange.owes_something:  # noqa: ASYNC110 - the kernel moves the bytes
            await asyncio.sleep(0)
        scene.exchange.look(scene.loop.time() + 50)
        assert scene.owner.notes == []
        scene.exchange.look(scene.loop.time() + 101)

    assert run(work, WaitingBody([b"x" * 10], 1_000_000)) == ["fastcgi-timeout", "discarded True"]


def test_a_process_that_does_not_read_a_large_body_is_overdue() -> None:
    """It is to read: what we have for it waits."""

    async def work(scene: Scene) -> None:
        scene.exchange.look(scene.loop.time() + 11)

    body = PieceBody((b"x" * 100_000 for _ in range(100)), 10_000_000)
    assert run(work, body) == ["fastcgi-timeout", "discarded True"]


def test_bytes_behind_the_end_close_the_connection() -> None:
    """They are nobody's: the answer stands, the next request gets another connection."""

    async def work(scene: Scene) -> None:
        answer = encode_stream(RecordType.STDOUT, 1, b"page") + encode_end(1)
        await scene.send_soon(answer + encode_stream(RecordType.STDOUT, 1, b"more"))
        assert await scene.exchange.read() == b"page"
        assert await scene.exchange.read() == b""

    assert run(work) == ["released"]


@pytest.mark.parametrize("cuts", [(), (8,), (9, 30), (20, 25, 33), tuple(range(1, 60))])
def test_an_answer_in_pieces_is_taken_whole(cuts: tuple[int, ...]) -> None:
    """However the records come: all of the output, once, and the process is free before."""
    answer = encode_stream(RecordType.STDOUT, 1, b"one") + encode_stream(RecordType.STDOUT, 1, b"two") + encode_end(1)

    async def main() -> None:
        scene, awaiter = Scene(), RecordingAwaiter()
        await scene.begin(awaiter)
        connection = scene.exchange._connection
        for start, end in itertools.pairwise((0, *(cut for cut in cuts if cut < len(answer)), len(answer))):
            assert (awaiter.notes, scene.owner.notes) == ([], [])
            connection.data_received(answer[start:end])
        assert (awaiter.notes, scene.owner.notes) == ([b"onetwo"], ["released"])
        await scene.end()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("ending", "notes"),
    [
        (b"", []),  # it goes on: the timer wakes
        (encode_stream(RecordType.STDERR, 1, b"oops"), ["fastcgi-stderr"]),
        (encode_end(1, 0, 2), ["released"]),
        (b"HTTP/1.1 200", ["fastcgi-failed", "discarded True"]),
        (encode_stream(RecordType.STDOUT, 1, b"x" * 70_000), []),
    ],
)
def test_what_is_no_short_answer_wakes_whoever_waits_and_is_read_from_its_beginning(
    ending: bytes, notes: list[str]
) -> None:
    """Output that goes on, error text, a refusal, no FastCGI at all, much output: what came before it is not lost."""

    async def main() -> None:
        scene, awaiter = Scene(), RecordingAwaiter()
        scene.owner.settings = replace(SETTINGS, stderr_mode="IgnoreAndReturn200")
        await scene.begin(awaiter)
        scene.exchange._connection.data_received(encode_stream(RecordType.STDOUT, 1, b"one"))
        if ending:
            scene.exchange._connection.data_received(ending)
        while not awaiter.notes:  # noqa: ASYNC110 - a timer of the loop
            await asyncio.sleep(0)
        assert awaiter.notes == ["woken"]
        assert (await scene.exchange.read() or b"").startswith(b"one")
        scene.exchange.received_error_text(b"\n")
        assert [note for note in scene.owner.notes if note in notes] == notes
        await scene.end()
        assert awaiter.notes == ["woken"]

    asyncio.run(asyncio.wait_for(main(), 90))
