"""The side socket of a link to a worker: descriptors of files and pipes, each with two numbers, its request's first.

The frame that announces a descriptor comes on the stream, before it or after it: the first waits for the other.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import stat
from functools import partial
from typing import Final, Protocol

from host.listener.exchange import Exchange
from host.listener.file_piece import FilePiece
from host.listener.piped_output import PipedOutput
from host.listener.refusals import page_of_reset
from host.wire.codec import encode, encode_number
from host.wire.errors import WireError
from host.wire.frames import BODY_PIPE, SIDE_PACKET, Kind

_MAX_UNCLAIMED: Final = 256  # descriptors whose frame has not come
_MAX_WANTED: Final = 1024  # frames whose descriptor has not come
_PACKETS_AT_ONCE: Final = 64  # in one turn of the loop: a worker's flood must not hold it
_ERROR_TOO_MANY_OPEN_FILES: Final = 4
_CLOSE_ON_EXEC: Final = socket.MSG_CMSG_CLOEXEC

Piece = FilePiece | PipedOutput | None
"""What waits for its descriptor; None when that is to be closed."""


class SideOwner(Protocol):
    """The link that it belongs to."""

    exchanges: dict[int, Exchange]
    """Requests that the worker has, by number."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent to the worker any more."""

    def send(self, frame: bytes) -> None:
        """Send a frame on the stream."""

    def side_ended(self) -> None:
        """The worker has closed the side socket: on the stream it says, or has said, how it ended."""

    def close(self, broken: str = "") -> None:
        """The worker has broken the dialogue."""


class SideSocket:
    """Read as soon as it is made; its methods belong to the loop."""

    __slots__ = ("_descriptors", "_link", "_loop", "_lost", "_socket", "_wanted")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, link: SideOwner) -> None:
        """The socket is ours from now on."""
        self._loop = loop
        self._socket = sock
        self._link = link
        self._descriptors: dict[tuple[int, int], int] = {}  # came before their frame
        self._lost: set[tuple[int, int]] = set()  # could not be received
        self._wanted: dict[tuple[int, int], tuple[Piece, Exchange]] = {}  # their frame came before them
        sock.setblocking(False)
        loop.add_reader(sock.fileno(), self._readable)

    def claim(self, exchange: Exchange, sequence: int, piece: Piece) -> None:
        """Give `piece` the descriptor that is sent with these numbers, now or when it comes; None drops it.

        Raises WireError for a worker that announces files and never sends them.
        """
        key = (exchange.number, sequence)
        if key not in self._descriptors:
            self._readable()
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
    def has_unclaimed(self) -> bool:
        """Whether descriptors wait for their frames."""
        return bool(self._descriptors or self._lost)

    def close(self) -> list[Exchange]:
        """Close it, and what nobody has claimed; gives those whose answers miss a part that can never be sent."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
        wanted = list(self._wanted.values())
        self._wanted.clear()
        return [exchange for piece, exchange in wanted if _is_missed(piece)]

    def _readable(self) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            if self._link.is_closed:
                return
            try:
                packet, descriptors, flags, _ = socket.recv_fds(self._socket, SIDE_PACKET.size + 1, 4, _CLOSE_ON_EXEC)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                packet, descriptors = b"", []
            if not packet and not descriptors:  # the stream says how the worker ended
                self._loop.remove_reader(self._socket.fileno())
                self._link.side_ended()
                return
            if len(packet) == SIDE_PACKET.size and not descriptors and flags & socket.MSG_CTRUNC:
                self._lose_descriptor(*SIDE_PACKET.unpack(packet))
                continue
            if len(packet) != SIDE_PACKET.size or len(descriptors) != 1:
                for descriptor in descriptors:
                    os.close(descriptor)
                self._loop.call_soon(self._link.close, "a malformed packet on the side socket")
                return
            number, sequence = SIDE_PACKET.unpack(packet)
            self._take_descriptor(number, sequence, descriptors[0])

    def _lose_descriptor(self, number: int, sequence: int) -> None:
        """It was sent, and this process may open no more files: its response cannot go on.

        The worker is not to blame."""
        exchange = self._link.exchanges.get(number)
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
            self._loop.call_soon(self._link.close, "a descriptor that is not a regular file")
        elif key in self._wanted:
            piece, exchange = self._wanted.pop(key)
            wrong = _deliver(descriptor, piece, exchange)
            if wrong:
                self._loop.call_soon(self._link.close, wrong)
            elif exchange.client is not None and exchange.response is not None:
                self._loop.call_soon(exchange.response.pump)
        elif number not in self._link.exchanges:
            os.close(descriptor)  # its request was given up meanwhile
        elif key in self._descriptors or len(self._descriptors) >= _MAX_UNCLAIMED:
            os.close(descriptor)
            self._loop.call_soon(self._link.close, "descriptors that no frame asks for")
        else:
            self._descriptors[key] = descriptor

    def _take_pipe(self, number: int, descriptor: int) -> None:
        """Where the rest of that request's body goes, once this side has said that it waits for it."""
        exchange = self._link.exchanges.get(number)
        if exchange is None or exchange.client is None:
            os.close(descriptor)  # its request was given up meanwhile
            return
        pipe = None if exchange.body is None else exchange.body.pipe
        if pipe is None or not pipe.is_awaited or not _is_pipe(descriptor, os.O_WRONLY):
            os.close(descriptor)
            self._loop.call_soon(self._link.close, "a descriptor for a body that is no pipe, or that nobody waits for")
            return
        pipe.begin(descriptor, partial(self._say_waits, number))

    def _say_waits(self, number: int, is_for_client: bool) -> None:
        if not self._link.is_closed:
            self._link.send(encode_number(Kind.BODY_WAITS, number, is_for_client))

    def _give_up(self, exchange: Exchange) -> None:
        """The rest of its body has no way to the worker, which is not to blame."""
        client = exchange.client
        if client is None or self._link.is_closed:
            return
        self._link.send(encode(Kind.ABORT, exchange.number))
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


def _is_missed(piece: Piece) -> bool:
    return not piece.is_over if isinstance(piece, PipedOutput) else piece is not None
