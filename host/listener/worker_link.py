"""The link to one worker: a stream socket for frames, and a side socket for descriptors (`side_socket.py`). With
`relay.py` the only files that know the transport.

Frames of one loop turn go out in one write. What arrives is handed on frame by frame, and then `turn_ended` once, so
that a response whose pieces came together leaves in one write, too.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, Protocol

from host.listener.exchange import Exchange
from host.listener.side_socket import SideSocket
from host.wire.codec import FrameDecoder
from host.wire.errors import WireError
from host.wire.frames import FRAMES_AT_ONCE, Kind

_READ_BYTES: Final = 64 * 1024  # below the threshold from which malloc maps pages anew for every read
_MAX_UNREAD: Final = 1 << 18  # frames for a worker that reads none; each is short, bodies have their windows
_SOON_SECONDS: Final = 0.01  # how long what nobody waits for may stay behind: a request mostly takes it along before


class LinkOwner(Protocol):
    """Who is told what a link says."""

    @property
    def frame(self) -> Callable[[WorkerLink, Kind, int, bytes], None]:
        """Takes one frame (kind, request number, body). Raises WireError when it breaks the dialogue."""

    def turn_ended(self, link: WorkerLink) -> None:
        """All frames of one read have been handed on."""

    def link_closed(self, link: WorkerLink, broken: str) -> None:
        """Once: the link is closed; `broken` says why when it did not simply end."""


class WorkerLink:
    """One worker, as the listener sees it."""

    __slots__ = (
        "_decoder",
        "_has_side_ended",
        "_is_flush_due",
        "_is_late_flush_due",
        "_loop",
        "_owner",
        "_queued",
        "_stream",
        "_unsent",
        "_urgent",
        "credit",
        "exchanges",
        "has_granted",
        "is_closed",
        "is_draining",
        "pid",
        "queue",
        "side",
        "uploads",
        "worker",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: LinkOwner,
        stream: socket.socket,
        side: socket.socket,
        *,
        queue: str,
        worker: str,
        pid: int,
    ) -> None:
        """Reads both sockets, which are the link's from now on."""
        self._loop = loop
        self._owner = owner
        self._stream = stream
        self.queue = queue
        self.worker = worker
        self.pid = pid
        self.credit = 0
        self.has_granted = False  # whether it has said how many requests it takes
        self.exchanges: dict[int, Exchange] = {}  # requests it has, by number
        self.uploads = 0  # of them: those whose clients still send their bodies
        self.is_draining = False
        self.is_closed = False
        self._decoder = FrameDecoder()
        self._queued: list[bytes] = []
        self._urgent = 0  # of them: those that somebody waits for
        self._unsent = b""
        self._is_flush_due = False
        self._is_late_flush_due = False
        self._has_side_ended = False
        stream.setblocking(False)
        loop.add_reader(stream.fileno(), self._readable)
        self.side = SideSocket(loop, side, self)

    def send(self, frame: bytes) -> None:
        """Send this with everything else of the turn, or with the frames before it when they are enough for a write."""
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)
        self._queued.append(frame)
        self._urgent += 1
        if self._urgent >= FRAMES_AT_ONCE and not self._unsent:
            self._flush()
            self._is_flush_due = True  # the one that was scheduled still comes

    def send_soon(self, frame: bytes) -> None:
        """Send this, in its place among the others, with the next frame or in some milliseconds: a write that is spared
        wakes no worker."""
        self._queued.append(frame)
        if not self._is_late_flush_due and not self._is_flush_due:
            self._is_late_flush_due = True
            self._loop.call_later(_SOON_SECONDS, self._flush_late)

    def forget(self, number: int) -> None:
        """The request is done: descriptors that no frame claimed are closed."""
        self.side.forget(number)

    @property
    def upload_room(self) -> int:
        """How many more requests it may be given whose clients still send their bodies: they may have half of all."""
        return max(1, (self.credit + len(self.exchanges)) // 2) - self.uploads

    def close(self, broken: str = "") -> None:
        """Close both sockets and tell the owner."""
        if self.is_closed:
            return
        self.is_closed = True
        self._flush_last()
        self._loop.remove_reader(self._stream.fileno())
        self._loop.remove_writer(self._stream.fileno())
        self._stream.close()
        for exchange in self.side.close():  # the worker has ended that answer, and a part of it can never be sent
            self.exchanges[exchange.number] = exchange
        self._owner.link_closed(self, broken)

    def side_ended(self) -> None:
        """The worker has closed the side socket: see `_readable`."""
        self._has_side_ended = True
        self._loop.call_soon(self._readable)

    def _readable(self) -> None:
        """Read once. A worker that died with frames of ours unread left an error behind the bytes it had sent. uvloop
        calls for such a socket a last time and watches it no more, and bytes come before the error: without the side
        socket's end, on which there is nothing to be left unread, this would be the last that is heard of the link."""
        if self.is_closed:
            return
        try:
            data = self._stream.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # reset: it died with bytes of ours unread; the service hears how it ended
            self.close("")
            return
        if not data:
            self.close("the link ended inside a frame" if self._decoder.has_partial_frame else "")
            return
        take = self._owner.frame
        try:
            for kind, number, body in self._decoder.receive(data):
                take(self, kind, number, body)
        except WireError as error:
            self.close(str(error))
            return
        self._owner.turn_ended(self)
        if self._has_side_ended:
            self._loop.call_soon(self._readable)

    def _flush(self) -> None:
        self._is_flush_due = False
        self._urgent = 0
        if self.is_closed or not self._queued:
            return
        if self._unsent:  # the socket is full; `_writable` goes on
            if len(self._queued) > _MAX_UNREAD:
                self.close("it reads nothing")
            return
        queued = self._queued
        data = queued[0] if len(queued) == 1 else b"".join(queued)
        queued.clear()
        if not self._write(data):
            self._loop.add_writer(self._stream.fileno(), self._writable)

    def _flush_late(self) -> None:
        self._is_late_flush_due = False
        if not self._is_flush_due:
            self._flush()

    def _writable(self) -> None:
        data = b"".join((self._unsent, *self._queued))
        self._queued.clear()
        self._urgent = 0
        if self._write(data):
            self._loop.remove_writer(self._stream.fileno())

    def _write(self, data: bytes) -> bool:
        """Send what the kernel takes; whether nothing is left to send."""
        try:
            count = self._stream.send(data)
        except (BlockingIOError, InterruptedError):
            count = 0
        except OSError:
            self._unsent = b""  # the worker is gone: reading will say so, after what it had sent before
            return True
        self._unsent = data[count:] if count < len(data) else b""
        return not self._unsent

    def _flush_last(self) -> None:
        if self._queued and not self._unsent:
            self._write(b"".join(self._queued))
            self._queued.clear()
