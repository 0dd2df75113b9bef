"""Clients that nobody watches at first: one answer by plain calls, and the hand-over when it comes to more."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from host.listener.newcomers import WATCHED_AFTER_SECONDS, Newcomers, UnwatchedTransport
from host.wire.frames import Kind
from tests.listener.running_listener import WAIT_SECONDS, Client, RunningListener, free_unix_path

LAST = "Connection: close\r\n"
LARGE = b"0123456789abcdef" * ((1 << 18) - 4096)  # more than a socket takes at once, less than a frame does


def test_a_client_that_wants_one_answer_has_it_and_the_end(front: RunningListener) -> None:
    """Also when more of them connect together than are accepted at once."""
    worker = front.worker()
    clients = [front.client() for _ in range(40)]
    for client in clients:
        client.get(extra=LAST)
    for number in [worker.request()[0] for _ in clients]:
        worker.answer(number)
    for client in clients:
        assert client.read_to_end().endswith(b"\r\n\r\nhello")
        assert worker.take(Kind.SESSION_END)[0] == 0
    assert front.listener.connection_count == 0


_UNACKED, _SEGMENTS_IN = 24, 140  # in struct tcp_info, linux/tcp.h


def tcp_number(client: socket.socket, offset: int) -> int:
    """What the kernel knows about a connection."""
    info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int(struct.unpack_from("I", info, offset)[0])


def asked(address: tuple[str, int], request: bytes) -> tuple[socket.socket, int]:
    """A client whose request has reached the other side's kernel, and the segments that it has received by then."""
    client = socket.create_connection(address, timeout=WAIT_SECONDS)
    client.sendall(request)
    for _ in range(1_000_000):
        if not tcp_number(client, _UNACKED):
            break
    return client, tcp_number(client, _SEGMENTS_IN)


def read_to_end(client: socket.socket) -> bytes:
    """All that it is sent."""
    pieces = []
    while piece := client.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def test_a_refusal_and_the_end_come_in_one_segment(front: RunningListener) -> None:
    """A packet less for both, and the client wakes once."""
    request = b"GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n"
    client, before = front.run(lambda: asked(("127.0.0.1", front.port), request))  # the loop accepts after this
    with client:
        assert read_to_end(client).startswith(b"HTTP/1.1 400 ")
        assert tcp_number(client, _SEGMENTS_IN) == before + 1


@pytest.mark.parametrize("half", [False, True])
def test_last_bytes_leave_with_the_end(*, half: bool) -> None:
    """Be it a closed connection, or one whose client is still read from; what fits no segment comes whole."""

    async def main() -> None:
        newcomers, connection = Newcomers(asyncio.get_running_loop()), Recording()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client, before = asked(listening.getsockname(), b"x")
            served, _ = listening.accept()
        with client:
            welcome(newcomers, connection, served, socket.AF_INET)
            connection.transport.write_last(b"answer")
            if half:
                connection.transport.write_eof()
            else:
                connection.transport.close()
            assert read_to_end(client) == b"answer"
            assert tcp_number(client, _SEGMENTS_IN) == before + 1
        await asyncio.wait_for(connection.lost.wait(), WAIT_SECONDS)

    asyncio.run(main())


def test_a_client_that_leaves_before_its_last_answer_is_noticed(front: RunningListener) -> None:
    """Although its socket was not watched: the worker is told, and the line says so."""
    worker, client = front.worker(), front.client()
    client.get(extra=LAST)
    number, _ = worker.request()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert worker.take(Kind.ABORT)[0] == number
    assert front.log.next_refusal().reason == "Connection_Dropped"


def test_bytes_behind_the_last_request_do_not_destroy_the_answer(front: RunningListener) -> None:
    """Closing with bytes unread would reset the connection; old browsers send a line end after a form."""
    worker, client = front.worker(), front.client()
    client.get(extra=LAST)
    number, _ = worker.request()
    client.send(b"\r\n")
    worker.answer(number)
    assert client.read_to_end().endswith(b"hello")


@pytest.mark.parametrize("over_unix", [False, True])
def test_a_large_last_answer_comes_whole(start: Callable[..., RunningListener], *, over_unix: bool) -> None:
    """The socket does not take it at once: the loop sends the rest, and closes."""
    with free_unix_path() as path:
        front = start(unix_path=path)
        worker, client = front.worker(), front.client(over_unix=over_unix)
        client.get(extra=LAST)
        worker.answer(worker.request()[0], LARGE)
        assert client.read_to_end().endswith(b"\r\n\r\n" + LARGE)
        assert front.log.next_request().status == 200


def test_a_last_answer_in_pieces_and_with_a_file_comes_whole(front: RunningListener) -> None:
    """The loop watches before sendfile begins."""
    worker, client = front.worker(), front.client()
    client.get(extra=LAST)
    number, _ = worker.request()
    worker.begin(number, b"begin ")
    with open(__file__, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        worker.send_file(number, 1, file.fileno())
        worker.file(number, 1, 0, size)
        worker.data(number, b" end")
        worker.end(number)
        received = client.read_to_end()
        assert file.read() in received
    assert b" end" in received


def test_a_head_in_two_pieces_is_read_on(front: RunningListener) -> None:
    """What is not all here at once is the loop's."""
    worker, client = front.worker(), front.client()
    client.send(b"GET / HTTP/1.0\r\nHost: 127.0")
    front.settle()
    client.send(b".0.1\r\n\r\n")
    worker.answer(worker.request()[0])
    assert client.read_to_end().endswith(b"hello")


def test_a_body_that_has_not_come_is_waited_for(front: RunningListener) -> None:
    """A request that closes is not its client's last word before it is whole; nor is a refusal lost."""
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 4\r\n\r\n")
    number, _ = worker.request()
    client.send(b"form")
    while (found := worker.next_frame())[0] is not Kind.BODY_END:
        assert found[:2] == (Kind.BODY, number)
    worker.answer(number)
    assert client.read_to_end().endswith(b"hello")
    refused = front.client()
    refused.send(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nmore and more")
    assert refused.read_to_end().startswith(b"HTTP/1.1 400 ")


class Recording:
    """A connection that writes its calls down, and fails when it is told to."""

    awaits_last_answer = True

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fails = False
        self.transport: Any = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.calls.append("made" if self.transport is None else "watched")
        if self.transport is not None:
            self.transport.hand_over(transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.calls.append(data.decode())
        if self.fails:
            raise ValueError("for the test")

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        self.lost.set()


class Paced(Recording):
    """One whose transport below must know how much it may hold, as soon as the site is known."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.set_write_buffer_limits(1000)


def welcome(newcomers: Newcomers, connection: Recording, served: socket.socket, family: int = socket.AF_UNIX) -> int:
    """Serve the client at the other end of `served`, as one that was accepted; its descriptor."""
    served.setblocking(False)
    descriptor = served.detach()
    newcomers.welcome(connection, descriptor, family, b"", "")
    return descriptor


def newcomer(act: Callable[[Recording, socket.socket], None], first: bytes, *, fails: bool = False) -> list[str]:
    """The calls that a connection hears whose client sends `first` at once, until it is lost; `act(connection, client)`
    is done when it was read."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: connection.calls.append(str(context["exception"])))
        client, served = socket.socketpair()
        with client:
            client.sendall(first)
            descriptor = welcome(Newcomers(loop), connection, served)
            act(connection, client)
            await asyncio.wait_for(connection.lost.wait(), WAIT_SECONDS)
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(descriptor)

    connection = Recording()
    connection.fails = fails
    asyncio.run(main())
    return connection.calls


def test_one_that_fails_is_closed_and_told_of() -> None:
    """As the loop's own transports do; whoever else has connected is served."""
    assert newcomer(lambda connection, client: None, b"x", fails=True) == ["made", "x", "for the test", "lost"]


def test_one_that_has_ended_before_it_was_read_is_closed() -> None:
    """It says nothing and is gone."""

    async def main() -> list[str]:
        connection = Recording()
        client, served = socket.socketpair()
        client.close()
        welcome(Newcomers(asyncio.get_running_loop()), connection, served)
        return connection.calls

    assert asyncio.run(main()) == ["made", "eof", "lost"]


def test_one_that_is_handed_over_at_once_does_not_wait_among_the_others() -> None:
    """As on a site with limited bandwidth: nothing would ever take it from there."""

    async def main() -> list[str]:
        newcomers, connection = Newcomers(asyncio.get_running_loop()), Paced()
        client, served = socket.socketpair()
        with client:
            client.sendall(b"x")
            welcome(newcomers, connection, served)
            assert not newcomers.waiting
        await asyncio.wait_for(connection.lost.wait(), WAIT_SECONDS)
        return connection.calls

    assert asyncio.run(main()) == ["made", "x", "watched", "eof", "lost"]


def test_a_client_that_sends_a_moment_after_it_has_connected_is_no_exception() -> None:
    """Between its two calls there is room for a turn of the loop; only who says nothing even then is watched."""

    async def main() -> tuple[list[str], list[str]]:
        newcomers = Newcomers(asyncio.get_running_loop())
        late, silent, gone, left = Recording(), Recording(), Recording(), Recording()
        sockets = [socket.socketpair() for _ in range(4)]
        for connection, (_, served) in zip((late, silent, gone, left), sockets, strict=True):
            welcome(newcomers, connection, served)
        sockets[0][0].sendall(b"x")
        gone.transport.close()
        sockets[3][0].close()
        for _ in range(3):  # one for the second look, two for a hand-over
            await asyncio.sleep(0)
        assert [waiting.connection for waiting in newcomers.waiting] == [late]
        assert gone.calls == ["made", "lost"]
        assert left.calls == ["made", "eof", "lost"]
        calls = list(late.calls), list(silent.calls)
        late.transport.close()
        for client, _ in sockets:
            client.close()
        await asyncio.wait_for(silent.lost.wait(), WAIT_SECONDS)
        return calls

    assert asyncio.run(main()) == (["made", "x"], ["made", "watched"])


def test_one_that_fails_at_the_second_look_is_closed_and_the_next_one_is_served() -> None:
    """As at the first."""

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: failing.calls.append(str(context["exception"])))
        newcomers, failing, other = Newcomers(loop), Recording(), Recording()
        failing.fails = True
        with ExitStack() as held:
            for connection in (failing, other):
                client, served = socket.socketpair()
                held.enter_context(client)
                welcome(newcomers, connection, served)
                client.sendall(b"x")
            await asyncio.sleep(0)
            other.transport.close()
        return failing.calls + other.calls

    assert asyncio.run(main()) == ["made", "x", "for the test", "lost", "made", "x", "lost"]


class MovedLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands until it is moved."""

    now = 0.0

    def time(self) -> float:
        return self.now


def test_only_those_that_have_waited_long_are_watched() -> None:
    """Whoever has just come would be handed over in vain: its answer is on its way."""

    async def main(loop: MovedLoop) -> list[list[str]]:
        newcomers, connections, calls = Newcomers(loop), [Recording(), Recording()], []
        with ExitStack() as held:
            for at, connection in ((0.0, connections[0]), (0.6, connections[1]), (1.1, None), (1.6, None)):
                loop.now = at * WATCHED_AFTER_SECONDS
                for _ in range(4):
                    await asyncio.sleep(0)
                if connection is not None:
                    client, served = socket.socketpair()
                    held.enter_context(client)
                    client.sendall(b"x")
                    welcome(newcomers, connection, served)
                calls.append([one.calls[-1] for one in connections if one.calls])
        for one in connections:
            await asyncio.wait_for(one.lost.wait(), None)
        return calls

    loop = MovedLoop()
    assert loop.run_until_complete(main(loop)) == [["x"], ["x", "x"], ["watched", "x"], ["watched", "watched"]]
    loop.close()


def test_an_end_that_is_asked_for_during_the_hand_over_is_made_after_it() -> None:
    """By the loop's transport, which has the socket then; what was written before is sent."""
    received = []

    def act(connection: Recording, client: socket.socket) -> None:
        first: UnwatchedTransport = connection.transport
        first.watch()
        first.watch()
        first.write(b"answer")
        first.close()
        first.write(b"too late")
        received.append(client.recv(100))

    assert newcomer(act, b"x") == ["made", "x", "watched", "lost"]
    assert received == [b"answer"]


def test_a_client_that_left_before_its_answer_is_lost_once_and_later() -> None:
    """Whoever writes is not called from inside; an abort after that changes nothing."""

    def act(connection: Recording, client: socket.socket) -> None:
        client.close()
        connection.transport.write(b"answer")
        assert connection.transport.is_closing()
        assert connection.calls == ["made", "x"]
        connection.transport.write(b"more")
        connection.transport.close()

    assert newcomer(act, b"x") == ["made", "x", "lost"]


def test_what_it_writes_while_the_loop_takes_over_is_lost_with_its_client() -> None:
    """The loop's transport ends then, and says so."""

    def act(connection: Recording, client: socket.socket) -> None:
        first: UnwatchedTransport = connection.transport
        first.watch()
        client.close()
        first.write(b"answer")

    assert newcomer(act, b"x") == ["made", "x", "watched", "lost"]


def is_served(address: tuple[str, int], front: RunningListener) -> str:
    """By which address a client of that one is answered."""
    worker = front.worker()
    client = Client(front)
    client.close()
    with socket.create_connection(address, timeout=WAIT_SECONDS) as one:
        one.sendall(b"GET / HTTP/1.0\r\nHost: named.example\r\n\r\n")
        number, request = worker.request()
        worker.answer(number)
        while one.recv(65536):
            pass
    return request.connection.decode().split("\0")[2]


def test_the_address_that_a_client_has_connected_to_is_known_at_any_address(front: RunningListener) -> None:
    """A socket that is bound to all of them says nothing of it: the connection does."""
    listening = socket.create_server(("0.0.0.0", 0))
    port = listening.getsockname()[1]
    front.port = port
    front.configure()
    front.run(lambda: front.listener.listen(f"0.0.0.0:{port}", listening))
    assert is_served(("127.0.0.2", port), front) == "127.0.0.2"
