"""Clients that have just connected, before the event loop watches their sockets.

Most have sent their request by the time they are accepted, and many want one answer and no more (`Connection: close`,
HTTP/1.0). Such a connection is accepted, read, answered and closed by plain calls, and the loop never hears of it. All
others are handed to a transport of the loop's own: those that send nothing at once, those that stay, those whose answer
does not fit into the socket or is a file, and after WATCHED_AFTER_SECONDS at most also those that still wait for an
answer, so that it is noticed when they leave.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import termios
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol

WATCHED_AFTER_SECONDS: Final = 0.05
_FIRST_READ: Final = 16 * 1024  # a whole head as everybody sends it, and a form
_UNREAD_READ: Final = 64 * 1024
_NO_BYTES: Final = b"\0\0\0\0"
_FIONREAD: Final = int(termios.FIONREAD)


class Newcomer(Protocol):
    """The protocol of a new connection: asyncio's calls, and a second `connection_made` when the loop watches it."""

    def connection_made(self, transport: Any) -> None:
        """First with an UnwatchedTransport; later with the loop's, if it comes to that."""

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""

    def eof_received(self) -> bool | None:
        """The client sends no more."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""

    @property
    def awaits_last_answer(self) -> bool:
        """Whether nothing more is read from this client: it has asked for all that it will, and closes then."""


class Newcomers:
    """The connections of one loop that it does not watch."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: Final = loop
        self.waiting: set[UnwatchedTransport] = set()  # for their last answer
        self._is_look_due = False

    def welcome(self, connection: Newcomer, client: socket.socket, peer: Any, own: Any) -> None:
        """Serve a client that was just accepted, whose socket is ours from now on. `peer` is its address, `own` the one
        it has connected to; None: to be asked for."""
        client.setblocking(False)
        transport = UnwatchedTransport(self, connection, client, peer, own)
        try:
            connection.connection_made(transport)
            if not transport.is_closing():
                self._read(transport, connection, client)
        except Exception as error:
            context = {"message": "a new connection could not be served", "exception": error, "protocol": connection}
            self.loop.call_exception_handler(context)
            transport.abort()

    def _read(self, transport: UnwatchedTransport, connection: Newcomer, client: socket.socket) -> None:
        try:
            data = client.recv(_FIRST_READ)
        except (BlockingIOError, InterruptedError):
            transport.watch()
            return
        except OSError:  # it has left already
            transport.abort()
            return
        if not data:
            connection.eof_received()
            transport.close()
            return
        connection.data_received(data)
        if transport.is_closing():
            return
        if len(data) < _FIRST_READ and connection.awaits_last_answer and not transport.is_handing_over:
            self._let_wait(transport)
        else:
            transport.watch()

    def _let_wait(self, transport: UnwatchedTransport) -> None:
        self.waiting.add(transport)
        if not self._is_look_due:
            self._is_look_due = True
            self.loop.call_later(WATCHED_AFTER_SECONDS, self._look)

    def _look(self) -> None:
        self._is_look_due = False
        for transport in list(self.waiting):
            transport.watch()


class UnwatchedTransport:
    """What a connection uses of a transport, for a socket that nobody watches: writes at once, reads nothing.

    `watch` hands over to a transport of the loop, which takes a turn or two; until `hand_over` all is written here, and
    an end that was asked for meanwhile is made there."""

    __slots__ = (
        "_connection",
        "_high_water",
        "_is_aborted",
        "_is_closing",
        "_is_eof_due",
        "_newcomers",
        "_own",
        "_peer",
        "_socket",
        "_unsent",
        "is_handing_over",
    )

    def __init__(self, newcomers: Newcomers, connection: Newcomer, client: socket.socket, peer: Any, own: Any) -> None:
        self._newcomers = newcomers
        self._connection: Newcomer | None = connection  # None: it is gone, or the loop's transport has it
        self._socket = client
        self._peer = peer
        self._own = own
        self._unsent = b""
        self._high_water = -1
        self._is_eof_due = False
        self.is_handing_over = False  # or has been handed over
        self._is_closing = False
        self._is_aborted = False

    def get_extra_info(self, name: str) -> Any:
        """`peername`, `sockname`, `socket`; None for whatever else."""
        if name == "peername":
            return self._peer
        if name == "socket":
            return self._socket
        if name == "sockname":
            if self._own is None:
                self._own = self._socket.getsockname()
            return self._own
        return None

    # --- output

    def write(self, data: bytes) -> None:
        """Send it; what the kernel does not take is sent by the loop's transport."""
        if self._is_closing:
            return
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:  # the client has left
            self._is_closing = self._is_aborted = True
            if not self.is_handing_over:
                self._newcomers.loop.call_soon(self._end)  # not from inside: somebody answers it
            return
        if sent < len(data):
            self._unsent = data[sent:]
            self.watch()

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not got."""
        return len(self._unsent)

    def set_write_buffer_limits(self, high: int) -> None:
        """For the transport that comes after this one: who sets them has more to send than one answer."""
        self._high_water = high
        self.watch()

    def write_eof(self) -> None:
        """No more will be written, and what the client still sends is read. Raises OSError when it is gone."""
        if self._unsent:
            self._is_eof_due = True
        else:
            self._socket.shutdown(socket.SHUT_WR)
        self.watch()

    # --- input

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Read, which the loop's transport does."""
        self.watch()

    def watch(self) -> None:
        """Let the loop watch this socket, and its own transport take over."""
        if self.is_handing_over or self._connection is None or self._is_closing:
            return
        self.is_handing_over = True
        self._newcomers.waiting.discard(self)
        try:
            self._begin_watching()
        except OSError:  # what may fail is memory in the kernel
            self.is_handing_over = False
            self._is_closing = self._is_aborted = True
            self._newcomers.loop.call_soon(self._end)

    def _begin_watching(self) -> None:
        """Without a task, which would begin a turn later: the loop must watch before a worker can have answered, so
        that the client's end is seen before what comes after it."""
        opening = self._newcomers.loop.connect_accepted_socket(self._protocol, self._socket)
        made = opening.send(None)  # the future that comes true when `connection_made` was called
        made.add_done_callback(partial(_end_opening, opening))

    def _protocol(self) -> Any:
        return self._connection

    def hand_over(self, transport: Any) -> None:
        """The loop's transport, which the connection uses from now on: do there what is still to be done."""
        self._connection = None
        if self._is_aborted:
            transport.abort()
            return
        if self._high_water >= 0:
            transport.set_write_buffer_limits(self._high_water)
        if self._unsent:
            transport.write(self._unsent)
        if self._is_eof_due:
            transport.write_eof()
        if self._is_closing:
            transport.close()

    # --- the end

    def is_closing(self) -> bool:
        """Whether the end has begun."""
        return self._is_closing

    def close(self) -> None:
        """Close when everything has been sent; what the client sent meanwhile is dropped, lest our last bytes be lost
        with it (RFC 9112 9.6)."""
        if self._is_closing:
            return
        self._is_closing = True
        if not self.is_handing_over:
            if fcntl.ioctl(self._socket.fileno(), _FIONREAD, _NO_BYTES) != _NO_BYTES:
                self._drop_unread()
            self._end()

    def _drop_unread(self) -> None:
        try:
            self._socket.recv(_UNREAD_READ)
        except OSError:  # reset meanwhile
            return

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = self._is_aborted = True
        if not self.is_handing_over:
            self._end()

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._newcomers.waiting.discard(self)
            self._socket.close()
            connection.connection_lost(None)


def _end_opening(opening: Coroutine[Any, Any, Any], made: asyncio.Future[Any]) -> None:
    """Let the coroutine come to its end; the connection has heard by itself what became of it."""
    if made.cancelled():
        opening.close()
        return
    with suppress(StopIteration):
        opening.send(None)
