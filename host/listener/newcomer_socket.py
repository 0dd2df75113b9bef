"""The socket of a client that nobody watches at first (`newcomers`), and its hand-over to a transport of the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from host.listener.bindings import unmapped
from host.listener.client_socket import ClientSocket
from host.listener.context import ListenerContext
from host.listener.error_log import Address
from host.listener.file_piece import FilePiece
from host.listener.newcomers import UnwatchedTransport
from host.listener.paced_transport import PacedTransport

_new: Final = tuple.__new__  # a named tuple's own constructor is a call of Python's besides


class NewcomerSocket(ClientSocket):
    """A client's socket, watched or not yet: `unwatched` is its transport until the loop has one for it."""

    __slots__ = ("unwatched",)

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self.unwatched: UnwatchedTransport | None = None

    def adopt(self, transport: Any) -> None:
        """The client has connected."""
        if transport.__class__ is UnwatchedTransport:  # no TLS is spoken there
            self.unwatched = self.transport = transport
        else:
            super().adopt(transport)

    def ends(self) -> Address:
        """As ClientSocket."""
        unwatched = self.unwatched
        found = None if unwatched is None else unwatched.ends()
        if found is None:
            return super().ends()
        client_ip, client_port, own_ip, own_port = found
        return _new(Address, (unmapped(client_ip), client_port, unmapped(own_ip), own_port))

    def be_watched(self, transport: Any) -> None:
        """The loop watches the socket from now on, by this transport."""
        unwatched, self.unwatched = self.unwatched, None
        if isinstance(self.transport, PacedTransport):
            self.transport.inner = transport
        else:
            self.transport = transport
        if unwatched is not None:
            unwatched.hand_over(transport)
        self.context.loop.call_soon(self._go_on_watched)  # reading begins after this call

    def _go_on_watched(self) -> None:
        if not self.transport.is_closing():
            if self.is_read_paused:
                self.transport.pause_reading()
            self.writable()  # a file may have waited for it

    def write_last(self, data: bytes) -> None:
        """The last bytes of this connection, which the caller finishes at once: where that can be, they leave with its
        end. That is one packet less, and the client wakes once."""
        unwatched = self.unwatched
        if unwatched is None or self.transport is not unwatched:
            self.write(data)
        else:
            self.handed_bytes += len(data)
            unwatched.write_last(data)

    def send_file(self, prefix: bytes, piece: FilePiece, done: Callable[[bool], None]) -> bool:
        """As ClientSocket: false also while nobody would notice that the client takes no more."""
        if self.unwatched is not None:
            self.unwatched.watch()
            return False
        return super().send_file(prefix, piece, done)
