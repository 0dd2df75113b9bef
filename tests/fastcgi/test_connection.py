"""A connection whose other end goes away while one direction stands still: who waits is told, and nothing raises."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from host.fastcgi.connection import FastCgiConnection
from host.gateway.fastcgi_records import EndRequest, RecordType, encode_begin, encode_stream

LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
NewLoop = Callable[[], asyncio.AbstractEventLoop]


class Heard:
    """The request under way: what it is told."""

    def __init__(self) -> None:
        self.output = b""
        self.is_lost = asyncio.Event()

    def answered(self, output: bytes, end: EndRequest) -> None:
        self.output += output

    def received_output(self, data: bytes) -> None:
        self.output += data

    def received_error_text(self, data: bytes) -> None:
        raise AssertionError(data)

    def ended(self, end: EndRequest) -> None:
        raise AssertionError(end)

    def broken(self, why: str, *, is_stray: bool) -> None:
        raise AssertionError(why)

    def lost(self) -> None:
        self.is_lost.set()


def run(new_loop: NewLoop, work: Callable[[FastCgiConnection, Heard, socket.socket], Awaitable[None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as server:
            _, connection = await loop.create_connection(FastCgiConnection, *server.getsockname())
            theirs, _ = server.accept()
        heard = Heard()
        with theirs:
            theirs.setblocking(False)
            connection.begin(heard, keeps_connection=True)
            connection.write(encode_begin(1, keeps_connection=True))
            await work(connection, heard, theirs)
        connection.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(main(), 90))


def is_full(connection: FastCgiConnection) -> bool:
    return connection.waits_for_process


def reset(theirs: socket.socket) -> None:
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()


@LOOPS
def test_who_waits_for_room_is_told_that_there_is_nobody_any_more(new_loop: NewLoop) -> None:
    """A process that reads nothing of a large body, and dies."""

    async def work(connection: FastCgiConnection, heard: Heard, theirs: socket.socket) -> None:
        while not is_full(connection):
            connection.write(encode_stream(RecordType.STDIN, 1, bytes(1_000_000)))
        waiting = asyncio.ensure_future(connection.drained())
        await asyncio.sleep(0)
        assert not waiting.done()
        reset(theirs)
        await waiting
        await heard.is_lost.wait()
        assert not is_full(connection)
        await connection.drained()

    run(new_loop, work)


@LOOPS
def test_a_connection_that_is_lost_while_nothing_is_read_is_let_go_of(new_loop: NewLoop) -> None:
    """The client is slow, so output is not read; the process dies, which only our writing tells. Then the client goes
    on."""

    async def work(connection: FastCgiConnection, heard: Heard, theirs: socket.socket) -> None:
        connection.hold(True)
        reset(theirs)
        while connection.is_open:
            connection.write(encode_stream(RecordType.STDIN, 1, bytes(1000)))
            await asyncio.sleep(0)
        await heard.is_lost.wait()
        connection.hold(False)
        connection.hold(True)
        connection.write(b"into nothing")

    run(new_loop, work)
