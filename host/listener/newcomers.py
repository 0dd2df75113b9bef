"""Clients that have just connected, before the event loop watches their sockets.

Most have sent their request by the time they are accepted, and many want one answer and no more (`Connection: close`,
HTTP/1.0). Such a connection is accepted, read, answered and closed by plain calls, and the loop never hears of it. All
others are handed to a transport of the loop's own: those that send nothing at once, those that stay, those whose answer
does not fit into the socket or is a file, and after WATCHED_AFTER_SECONDS at most also those that still wait for an
answer, so that it is noticed when they leave. Those that send nothing at once are read a second time before: between
a client's two calls for connecting and sending there is room for a turn of ours.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol

from host.listener.socket_calls import (
    NOT_NOW,
    READ_BYTES,
    address_of,
    close,
    own_address,
    receive,
    send,
    unread_bytes,
)

WATCHED_AFTER_SECONDS: Final = 0.05
_UNREAD_PIECES: Final = 4  # of READ_BYTES each, that are dropped before a connection is closed


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
        self._waiting_longer: set[UnwatchedTransport] = set()  # they did at the last look already
        self._is_look_due = False
        self._silent: list[UnwatchedTransport] = []  # to be read once more

    def welcome(self, connection: Newcomer, client: int, family: int, peer: bytes, own: Any) -> None:
        """Serve a client that was just accepted, whose non-blocking descriptor is ours from now on. `peer` is its
        address as the kernel writes it, `own` the one it has connected to; None: to be asked for."""
        transport = UnwatchedTransport(self, connection, client, family, peer, own)
        try:
            connection.connection_made(transport)
            if not transport.is_closing() and not self._read(transport, connection, client):
                if not self._silent:
                    self.loop.call_soon(self._read_again)
                self._silent.append(transport)
        except Exception as error:
            self._give_up(transport, connection, error)

    def forget(self, transport: UnwatchedTransport) -> None:
        """It waits no more."""
        self.waiting.discard(transport)
        self._waiting_longer.discard(transport)

    def _give_up(self, transport: UnwatchedTransport, connection: Newcomer, error: Exception) -> None:
        context = {"message": "a new connection could not be served", "exception": error, "protocol": connection}
        self.loop.call_exception_handler(context)
        transport.abort()

    def _read(self, transport: UnwatchedTransport, connection: Newcomer, client: int) -> bool:
        """False: nothing has come."""
        try:
            data = receive(client)
        except OSError:  # it has left already
            transport.abort()
            return True
        if data is None:
            return False
        if not data:
            connection.eof_received()
            transport.close()
            return True
        connection.data_received(data)
        if transport.is_closing():
            return True
        if len(data) < READ_BYTES and connection.awaits_last_answer and not transport.is_handing_over:
            self._let_wait(transport)
        else:
            transport.watch()
        return True

    def _read_again(self) -> None:
        """Who has connected and said nothing mostly was about to: a turn later it has."""
        silent, self._silent = self._silent, []
        for transport in silent:
            connection = transport.connection
            if connection is None or transport.is_handing_over or transport.is_closing():
                continue
            try:
                if not self._read(transport, connection, transport.descriptor):
                    transport.watch()
            except Exception as error:
                self._give_up(transport, connection, error)

    def _let_wait(self, transport: UnwatchedTransport) -> None:
        self.waiting.add(transport)
        if not self._is_look_due:
            self._is_look_due = True
            self.loop.call_later(WATCHED_AFTER_SECONDS / 2, self._look)

    def _look(self) -> None:
        for transport in list(self._waiting_longer):
            transport.watch()
        self._waiting_longer, self.waiting = self.waiting, set()
        self._is_look_due = bool(self._waiting_longer)
        if self._is_look_due:
            self.loop.call_later(WATCHED_AFTER_SECONDS / 2, self._look)


class UnwatchedTransport:
    """What a connection uses of a transport, for a socket that nobody watches: writes at once, reads nothing.

    `watch` hands over to a transport of the loop, which takes a turn or two; until `hand_over` all is written here, and
    an end that was asked for meanwhile is made there."""

    __slots__ = (
        "_family",
        "_high_water",
        "_is_aborted",
        "_is_closing",
        "_is_eof_due",
        "_newcomers",
        "_own",
        "_peer",
        "_socket",
        "_unsent",
        "connection",
        "descriptor",
        "is_handing_over",
    )

    def __init__(
        self, newcomers: Newcomers, connection: Newcomer, client: int, family: int, peer: bytes, own: Any
    ) -> None:
        self._newcomers = newcomers
        self.connection: Newcomer | None = connection  # None: it is gone, or the loop's transport has it
        self.descriptor = client
        self._family = family
        self._socket: socket.socket | None = None  # of that descriptor, once somebody has asked for it
        self._peer = peer
        self._own = own
        self._unsent = b""
        self._high_water = -1
        self._is_eof_due = False
        self.is_handing_over = False  # or has been handed over
        self._is_closing = False
        self._is_aborted = False

    def get_extra_info(self, name: str) -> Any:
        """`peername`, `sockname`, `socket` as long as it is this transport's; None for whatever else."""
        if name == "peername":
            return address_of(self._family, self._peer) or ""
        if name == "socket":
            return self._as_socket() if self.descriptor >= 0 else None
        if name == "sockname":
            if self._own is None and self.descriptor >= 0:
                self._own = address_of(self._family, own_address(self.descriptor))
            return self._own
        return None

    def ends(self) -> tuple[str, int, str, int] | None:
        """Host and port of the client, then of this end; None: a unix socket has none, or it is this transport's no
        more."""
        client, own = address_of(self._family, self._peer), self.get_extra_info("sockname")
        if client is None or own is None:
            return None
        return client[0], client[1], own[0], own[1]

    def _as_socket(self) -> socket.socket:
        """The client's socket, which stays this transport's."""
        if self._socket is None:
            self._socket = socket.socket(self._family, socket.SOCK_STREAM, 0, self.descriptor)
            self._socket.setblocking(False)
        return self._socket

    # --- output

    def write(self, data: bytes) -> None:
        """Send it; what the kernel does not take is sent by the loop's transport."""
        self._write(data, is_last=False)

    def write_last(self, data: bytes) -> None:
        """Send it together with the end, which the caller must ask for at once: `close`, `write_eof` or `abort`."""
        self._write(data, is_last=not self.is_handing_over)

    def _write(self, data: bytes, *, is_last: bool) -> None:
        if self._is_closing:
            return
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = send(self.descriptor, data, is_last=is_last)
        except OSError:  # the client has left
            self._is_closing = self._is_aborted = True
            if not self.is_handing_over:
                self._newcomers.loop.call_soon(self._end)  # not from inside: somebody answers it
            return
        if sent < len(data):
            self._unsent = data if sent == NOT_NOW else data[sent:]
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
            self._as_socket().shutdown(socket.SHUT_WR)
        self.watch()

    # --- input

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Read, which the loop's transport does."""
        self.watch()

    def watch(self) -> None:
        """Let the loop watch this socket, and its own transport take over."""
        if self.is_handing_over or self.connection is None or self._is_closing:
            return
        self.is_handing_over = True
        self._newcomers.forget(self)
        try:
            self._begin_watching()
        except OSError:  # what may fail is memory in the kernel
            self.is_handing_over = False
            self._is_closing = self._is_aborted = True
            self._newcomers.loop.call_soon(self._end)

    def _begin_watching(self) -> None:
        """Without a task, which would begin a turn later: the loop must watch before a worker can have answered, so
        that the client's end is seen before what comes after it."""
        opening = self._newcomers.loop.connect_accepted_socket(self._protocol, self._as_socket())
        made = opening.send(None)  # the future that comes true when `connection_made` was called
        made.add_done_callback(partial(_end_opening, opening))

    def _protocol(self) -> Any:
        return self.connection

    def hand_over(self, transport: Any) -> None:
        """The loop's transport, which the connection uses from now on: do there what is still to be done."""
        self.connection = None
        self.descriptor = -1
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
            if unread_bytes(self.descriptor):
                self._drop_unread()
            self._end()

    def _drop_unread(self) -> None:
        with suppress(OSError):  # no more of it, or reset meanwhile
            for _ in range(_UNREAD_PIECES):
                data = receive(self.descriptor)
                if data is None or len(data) < READ_BYTES:
                    return

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = self._is_aborted = True
        if not self.is_handing_over:
            self._end()

    def _end(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            self._newcomers.forget(self)
            descriptor, self.descriptor = self.descriptor, -1
            if self._socket is None:
                close(descriptor)
            else:
                self._socket.close()
            connection.connection_lost(None)


def _end_opening(opening: Coroutine[Any, Any, Any], made: asyncio.Future[Any]) -> None:
    """Let the coroutine come to its end; the connection has heard by itself what became of it."""
    if made.cancelled():
        opening.close()
        return
    with suppress(StopIteration):
        opening.send(None)
