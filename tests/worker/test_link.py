"""Frames and descriptors between two ends of a link."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from host.wire.codec import encode
from host.wire.frames import Kind
from host.worker.link import Link
from tests.worker.front import CLOSERS, run, until


class End:
    """One end and what came to it."""

    def __init__(self, stream: socket.socket, side: socket.socket) -> None:
        self.link = Link(asyncio.get_running_loop(), stream, side)
        self.frames: list[tuple[Kind, int, bytes]] = []
        self.reads = 0
        self.descriptors: list[tuple[int, int, int]] = []
        self.closed: list[str] = []
        CLOSERS.append(self.link.close)

    def start(self) -> None:
        self.link.start(self._receive, self.closed.append, lambda *facts: self.descriptors.append(facts))

    def _receive(self, frames: list[tuple[Kind, int, bytes]]) -> None:
        self.frames += frames
        self.reads += 1


def two_ends() -> tuple[End, End]:
    one, other = socket.socketpair()
    side, other_side = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return End(one, side), End(other, other_side)


@pytest.mark.parametrize("plain", [False, True])
def test_frames_of_one_turn_leave_in_few_writes(plain: bool) -> None:
    """Ten frames queued together: one write when there are enough, one at the end of the turn."""

    async def main() -> None:
        one, other = two_ends()
        other.start()
        for number in range(1, 11):
            one.link.queue(encode(Kind.DATA, number, b"x"))
        await until(lambda: len(other.frames) == 10)
        assert other.reads <= 2

    run(main(), plain=plain)


def test_more_than_the_socket_takes_arrives_in_order() -> None:
    """Unsent bytes go on when the peer reads; what is queued meanwhile stands behind them."""

    async def main() -> None:
        one, other = two_ends()
        for number in range(1, 200):
            one.link.queue(encode(Kind.DATA, number, bytes([number]) * 30000))
            if number % 7 == 0:
                await asyncio.sleep(0)
        assert not one.link.send_now(encode(Kind.END, 1000, b"\0"))
        other.start()
        await one.link.flushed()
        await until(lambda: len(other.frames) == 200)
        assert [number for _, number, _ in other.frames] == [*range(1, 200), 1000]
        assert all(body == bytes([number]) * 30000 for _, number, body in other.frames[:-1])

    run(main())


def test_what_is_sent_now_is_with_the_kernel_at_once() -> None:
    """No turn of the loop is needed, and earlier frames go before it."""

    async def main() -> None:
        one, other = socket.socketpair()
        side, other_side = socket.socketpair()
        link = Link(asyncio.get_running_loop(), one, side)
        CLOSERS.extend([link.close, other.close, other_side.close])
        link.queue(encode(Kind.DATA, 1, b"a"))
        assert link.send_now(encode(Kind.DATA, 2, b"b"))
        assert other.recv(100) == encode(Kind.DATA, 1, b"a") + encode(Kind.DATA, 2, b"b")
        other.close()
        assert not link.send_now(encode(Kind.DATA, 3, b"c"))
        with pytest.raises(ConnectionError):
            await link.flushed()

    run(main())


def test_descriptors_arrive_with_their_numbers_and_are_closed_here() -> None:
    """Several hundred at once, more than the socket holds; the sender keeps none."""

    async def main() -> None:
        one, other = two_ends()
        before = len(os.listdir("/proc/self/fd"))
        for sequence in range(300):
            one.link.send_descriptor(5, sequence, os.open("/dev/null", os.O_RDONLY))
        other.start()
        await until(lambda: len(other.descriptors) == 300)
        assert [facts[:2] for facts in other.descriptors] == [(5, sequence) for sequence in range(300)]
        for _, _, descriptor in other.descriptors:
            os.close(descriptor)
        assert len(os.listdir("/proc/self/fd")) == before

    run(main())


def test_descriptors_for_a_closed_link_are_closed() -> None:
    """Nothing leaks when the peer is gone."""

    async def main() -> None:
        one, other = two_ends()
        one.link.close()
        other.link.close()
        before = len(os.listdir("/proc/self/fd"))
        one.link.send_descriptor(1, 0, os.open("/dev/null", os.O_RDONLY))
        one.link.queue(encode(Kind.DATA, 1, b"in vain"))
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) == before

    run(main())


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", ""),
        (encode(Kind.DATA, 1, b"whole")[:-2], "inside a frame"),
        (b"\x05\0\0\0" + b"\0\0\0\0" + b"\xff", "unknown kind"),
        (b"\xff\xff\xff\xff" + b"\0\0\0\0" + b"\x01", "limit"),
    ],
)
def test_the_end_of_a_link_is_told_once_with_its_reason(sent: bytes, why: str) -> None:
    """A plain end has no reason; a broken stream says what was wrong."""

    async def main() -> None:
        one, other = socket.socketpair()
        side, other_side = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end = End(one, side)
        end.start()
        other.send(sent)
        other.close()
        await until(lambda: bool(end.closed))
        other_side.close()
        assert len(end.closed) == 1
        assert why in end.closed[0]
        assert bool(end.closed[0]) == bool(why)
        assert end.link.is_closed

    run(main())
