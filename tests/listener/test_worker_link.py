"""The link to a worker: what leaves in one packet, and what does not make one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from host.listener.worker_link import WorkerLink
from host.wire.codec import FrameDecoder, encode_number, encode_session_end
from host.wire.frames import FRAMES_AT_ONCE, Kind


class Owner:
    """Hears nothing that these tests ask for."""

    def frame(self, link: WorkerLink, kind: Kind, number: int, body: bytes) -> None:
        raise AssertionError((kind, number, body))

    def turn_ended(self, link: WorkerLink) -> None:
        raise AssertionError("nothing was sent")

    def link_closed(self, link: WorkerLink, broken: str) -> None:
        assert not broken


def with_link(act: Callable[[WorkerLink, Callable[[], int]], None]) -> None:
    """Call it with a link, and with what counts the frames that have come to the worker since it was last asked."""

    async def main() -> None:
        stream, worker = socket.socketpair()
        side, worker_side = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        worker.setblocking(False)
        decoder = FrameDecoder()

        def arrived() -> int:
            try:
                return len(list(decoder.receive(worker.recv(1 << 20))))
            except BlockingIOError:
                return 0

        link = WorkerLink(asyncio.get_running_loop(), Owner(), stream, side, queue="q", worker="q#1", pid=1)
        with worker, worker_side:
            act(link, arrived)
            for _ in range(2):
                await asyncio.sleep(0)
            link.close()

    asyncio.run(main())


def test_requests_of_a_busy_turn_leave_as_soon_as_they_are_enough() -> None:
    """The worker begins while the listener goes on."""

    def act(link: WorkerLink, arrived: Callable[[], int]) -> None:
        for count in range(1, 2 * FRAMES_AT_ONCE + 2):
            link.send(encode_number(Kind.WINDOW, count, 1))
            assert arrived() == (FRAMES_AT_ONCE if count % FRAMES_AT_ONCE == 0 else 0)

    with_link(act)


def test_what_nobody_waits_for_makes_no_packet() -> None:
    """Ends of connections, of which a turn of answers leaves many, would else send the first request alone after them:
    a wake of the worker for one request."""

    def act(link: WorkerLink, arrived: Callable[[], int]) -> None:
        for number in range(2 * FRAMES_AT_ONCE):
            link.send_soon(encode_session_end(number))
        for number in range(1, FRAMES_AT_ONCE):
            link.send(encode_number(Kind.WINDOW, number, 1))
            assert arrived() == 0
        link.send(encode_number(Kind.WINDOW, FRAMES_AT_ONCE, 1))
        assert arrived() == 3 * FRAMES_AT_ONCE

    with_link(act)
