"""The link to one worker: a stream socket for frames, a side socket for descriptors. With `relay.py` the only files
that know the transport.

Frames of one loop turn go out in one write. What arrives is handed on frame by frame, and then `turn_ended` once, so
that a response whose pieces came together leaves in one write, too.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import stat
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from host.listener.exchange import Exchange
from host.listener.file_piece import FilePiece
from host.listener.piped_output import PipedOutput
from host.listener.refusals import page_of_reset
from host.wire.codec import FrameDecoder, encode, encode_number
from host.wire.errors import WireError
from host.wire.frames import BODY_PIPE, FRAMES_AT_ONCE, SIDE_PACKET, Kind

_READ_BYTES: Final = 64 * 1024  # below the threshold from which malloc maps pages anew for every read
_MAX_UNCLAIMED: Final = 256  # descriptors whose frame has not come
_MAX_WANTED: Final = 1024  # frames whose descriptor has not come
_SIDE_PACKETS_AT_ONCE: Final = 64  # in one turn of the loop: a worker's flood must not hold it
_MAX_UNREAD: Final = 1 << 18  # frames for a worker that reads none; each is short, bodies have their windows
_ERROR_TOO_MANY_OPEN_FILES: Final = 4
_SOON_SECONDS: Final = 0.01  # how long what nobody waits for may stay behind: a request mostly takes it along before
_CLOSE_ON_EXEC: Final = socket.MSG_CMSG_CLOEXEC

Piece = FilePiece | PipedOutput | None
"""What waits for its descriptor; None when that is to be closed."""


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
        "_descriptors",
        "_has_side_ended",
        "_is_flush_due",
        "_is_late_flush_due",
        "_loop",
        "_lost",
        "_owner",
        "_queued",
        "_side",
        "_stream",
        "_unsent",
        "_urgent",
        "_wanted",
        "credit",
        "exchanges",
        "has_granted",
        "is_closed",
        "is_draining",
        "pid",
        "queue",
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
        self._side = side
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
        self._descriptors: dict[tuple[int, int], int] = {}  # came before their frame
        self._lost: set[tuple[int, int]] = set()  # could not be received
        self._wanted: dict[tuple[int, int], tuple[Piece, Exchange]] = {}  # their frame came before them
        stream.setblocking(False)
        side.setblocking(False)
        loop.add_reader(stream.fileno(), self._readable)
        loop.add_reader(side.fileno(), self._side_readable)

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

    def claim(self, exchange: Exchange, sequence: int, piece: Piece) -> None:
        """Give `piece` the descriptor that is sent with these numbers, now or when it comes; None drops it.

        Raises WireError for a worker that announces files and never sends them.
        """
        key = (exchange.number, sequence)
        if key not in self._descriptors:
            self._side_readable()
        if key in self._lost:
            self._lost.discard(key)
            if piece is not None:
                self._loop.call_soon(_do_without, piece, exchange)
            return
        descriptor = self._descriptors.pop(key, -1)
        if descriptor >= 0:
            wrong = _deliver(descriptor, piece, exchange)
            if wrong:
                raise WireError(wrong)
        elif key in self._wanted:
            raise WireError("two files of one number are announced")
        elif len(self._wanted) < _MAX_WANTED:
            self._wanted[key] = (piece, exchange)
        else:
            raise WireError("files are announced without their descriptors")

    def forget(self, number: int) -> None:
        """The request is done: descriptors that no frame claimed are closed."""
        for key in [key for key in self._descriptors if key[0] == number]:
            os.close(self._descriptors.pop(key))
        self._lost = {key for key in self._lost if key[0] != number}

    @property
    def upload_room(self) -> int:
        """How many more requests it may be given whose clients still send their bodies: they may have half of all."""
        return max(1, (self.credit + len(self.exchanges)) // 2) - self.uploads

    @property
    def has_unclaimed(self) -> bool:
        """Whether descriptors wait for their frames."""
        return bool(self._descriptors or self._lost)

    def close(self, broken: str = "") -> None:
        """Close both sockets and tell the owner."""
        if self.is_closed:
            return
        self.is_closed = True
        self._flush_last()
        for end in (self._stream, self._side):
            self._loop.remove_reader(end.fileno())
            self._loop.remove_writer(end.fileno())
            end.close()
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
        for piece, exchange in self._wanted.values():
            is_missed = not piece.is_over if isinstance(piece, PipedOutput) else piece is not None
            if is_missed:  # the worker has ended that answer, and a part of it can never be sent
                self.exchanges[exchange.number] = exchange
        self._wanted.clear()
        self._owner.link_closed(self, broken)

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

    def _side_readable(self) -> None:
        for _ in range(_SIDE_PACKETS_AT_ONCE):
            if self.is_closed:
                return
            try:
                packet, descriptors, flags, _ = socket.recv_fds(self._side, SIDE_PACKET.size + 1, 4, _CLOSE_ON_EXEC)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                packet, descriptors = b"", []
            if not packet and not descriptors:  # the stream says how the worker ended
                self._loop.remove_reader(self._side.fileno())
                self._has_side_ended = True
                self._loop.call_soon(self._readable)
                return
            if len(packet) == SIDE_PACKET.size and not descriptors and flags & socket.MSG_CTRUNC:
                self._lose_descriptor(*SIDE_PACKET.unpack(packet))
                continue
            if len(packet) != SIDE_PACKET.size or len(descriptors) != 1:
                for descriptor in descriptors:
                    os.close(descriptor)
                self._loop.call_soon(self.close, "a malformed packet on the side socket")
                return
            number, sequence = SIDE_PACKET.unpack(packet)
            self._take_descriptor(number, sequence, descriptors[0])

    def _lose_descriptor(self, number: int, sequence: int) -> None:
        """It was sent, and this process may open no more files: its response cannot go on.

        The worker is not to blame."""
        exchange = self.exchanges.get(number)
        if exchange is None:
            return
        if sequence == BODY_PIPE:
            self._loop.call_soon(self._give_up, exchange)
            return
        key = (number, sequence)
        wanted = self._wanted.pop(key, None)
        if wanted is None:
            self._lost.add(key)
        elif wanted[0] is not None:
            self._loop.call_soon(_do_without, wanted[0], exchange)

    def _take_descriptor(self, number: int, sequence: int, descriptor: int) -> None:
        if sequence == BODY_PIPE:
            self._take_pipe(number, descriptor)
            return
        key = (number, sequence)
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):  # anything else could block the listener
            os.close(descriptor)
            self._loop.call_soon(self.close, "a descriptor that is not a regular file")
        elif key in self._wanted:
            piece, exchange = self._wanted.pop(key)
            wrong = _deliver(descriptor, piece, exchange)
            if wrong:
                self._loop.call_soon(self.close, wrong)
            elif exchange.client is not None and exchange.response is not None:
                self._loop.call_soon(exchange.response.pump)
        elif number not in self.exchanges:
            os.close(descriptor)  # its request was given up meanwhile
        elif key in self._descriptors or len(self._descriptors) >= _MAX_UNCLAIMED:
            os.close(descriptor)
            self._loop.call_soon(self.close, "descriptors that no frame asks for")
        else:
            self._descriptors[key] = descriptor

    def _take_pipe(self, number: int, descriptor: int) -> None:
        """Where the rest of that request's body goes, once this side has said that it waits for it."""
        exchange = self.exchanges.get(number)
        if exchange is None or exchange.client is None:
            os.close(descriptor)  # its request was given up meanwhile
            return
        pipe = None if exchange.body is None else exchange.body.pipe
        if pipe is None or not pipe.is_awaited or not _is_pipe(descriptor, os.O_WRONLY):
            os.close(descriptor)
            self._loop.call_soon(self.close, "a descriptor for a body that is no pipe, or that nobody waits for")
            return
        pipe.begin(descriptor, partial(self._say_waits, number))

    def _say_waits(self, number: int, is_for_client: bool) -> None:
        if not self.is_closed:
            self.send(encode_number(Kind.BODY_WAITS, number, is_for_client))

    def _give_up(self, exchange: Exchange) -> None:
        """The rest of its body has no way to the worker, which is not to blame."""
        client = exchange.client
        if client is None or self.is_closed:
            return
        self.send(encode(Kind.ABORT, exchange.number))
        if exchange.response is not None:
            client.cut("", _ERROR_TOO_MANY_OPEN_FILES)
        else:
            client.reset(exchange, page_of_reset(503, "The listener has no descriptor left."), 0)


def _is_pipe(descriptor: int, end: int) -> bool:
    """Whether that is a pipe, and its O_RDONLY or O_WRONLY end (or both: a FIFO that was opened so)."""
    mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    return stat.S_ISFIFO(os.fstat(descriptor).st_mode) and mode in (end, os.O_RDWR)


def _do_without(piece: Piece, exchange: Exchange) -> None:
    if isinstance(piece, PipedOutput):
        piece.give_back()
    elif exchange.client is not None:
        exchange.client.cut("", _ERROR_TOO_MANY_OPEN_FILES)


def _deliver(descriptor: int, piece: Piece, exchange: Exchange) -> str:
    """What is wrong with it, if anything is: what it stands for could block the listener."""
    if piece is None or exchange.client is None:
        os.close(descriptor)
    elif isinstance(piece, PipedOutput):
        if not _is_pipe(descriptor, os.O_RDONLY):
            os.close(descriptor)
            return "a descriptor that is not the reading end of a pipe"
        if piece.is_over:  # it was taken back
            os.close(descriptor)
        else:
            piece.descriptor = descriptor
    elif not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return "a descriptor that is not a regular file"
    else:
        piece.descriptor = descriptor
    return ""
