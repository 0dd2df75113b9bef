"""The socket of one client connection: what can be written now, files, and the ways to close it.

Deadlines are compared once a second by `ListenerContext.tick`, so setting one is an assignment: `deadline` in the
clock's seconds, `timer` what it means. A client must take what it is sent at `minBytesPerSecond` (minimum_rate): what
counts is what its machine has acknowledged.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
import socket
import struct
import termios
from collections.abc import Callable
from typing import Any, Final

from host.listener.bindings import UNIX_PREFIX, unmapped
from host.listener.context import ListenerContext
from host.listener.encrypted_file_sender import EncryptedFileSender
from host.listener.error_log import Address
from host.listener.file_piece import FilePiece
from host.listener.file_sender import FileSender
from host.listener.forwarded import ForwardedClient
from host.listener.minimum_rate import RateWatch
from host.listener.paced_transport import PacedTransport
from host.listener.pacing import Lane
from host.listener.tls import ServedCertificate, connection_facts

NEVER: Final = math.inf
LINGER_SECONDS: Final = 2.0  # after our last byte: how long a client's bytes are read and dropped
_HIGH_WATER: Final = 256 * 1024  # unsent bytes in the transport at which a response waits
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)

DEFAULT_PORT: Final = 80
DEFAULT_SECURE_PORT: Final = 443

IDLE: Final = "Timer_ConnectionIdle"
HEADER: Final = "Timer_HeaderWait"
BODY: Final = "Timer_EntityBody"
SLOW: Final = "Timer_MinBytesPerSecond"
HALF_CLOSED: Final = "half-closed"
CLOSING: Final = "closing"


class ClientSocket(asyncio.Protocol):
    """A client's transport, its addresses, and its output."""

    __slots__ = (
        "_address",
        "_facts",
        "_file_done",
        "_has_high_limit",
        "_has_low_limit",
        "_peer",
        "_response_base",
        "_sender",
        "_watch",
        "certificate",
        "context",
        "deadline",
        "handed_bytes",
        "is_abortive",
        "is_half_closed",
        "is_lingering",
        "is_read_paused",
        "is_secure",
        "is_write_paused",
        "mark",
        "number",
        "timeout_seconds",
        "timer",
        "tls",
        "transport",
    )

    def __init__(self, context: ListenerContext) -> None:
        self.context = context
        self.transport: Any = None  # asyncio.Transport; uvloop's is no subclass of it
        self.number = next(context.connection_numbers)
        self.deadline = NEVER
        self.timer = IDLE
        self.is_write_paused = False
        self.is_read_paused = False
        self.is_lingering = False
        self.is_abortive = False  # what ends the connection is a reset
        self.is_half_closed = False
        self.tls: Any = None  # ssl.SSLObject of a connection that speaks TLS
        self.certificate: ServedCertificate | None = None  # that it was shown, also when another is in force by now
        self.is_secure = False  # the client speaks TLS, to us or to a believed proxy
        self._peer: Address | None = None
        self._address: Address | None = None
        self._facts = b""
        self._file_done: Callable[[bool], None] | None = None
        self._sender: FileSender | EncryptedFileSender | None = None
        self._has_low_limit = False
        self._has_high_limit = False
        self.handed_bytes = 0
        self.timeout_seconds = 0  # connectionTimeout: the server's, then the site's
        self.mark = 0  # taken_bytes() at the last look
        self._response_base = -1  # handed_bytes before the response in pieces that is under way
        self._watch: RateWatch | None = None  # of a client that was waited for

    def adopt(self, transport: Any) -> None:
        """The client has connected, and the handshake is done where there is one."""
        self.transport = transport
        self.tls = transport.get_extra_info("ssl_object")
        if self.tls is not None:
            self.is_secure = True
            self.certificate = self.context.tls.served(self.tls)

    # --- who is there

    @property
    def peer(self) -> Address:
        """Both ends of the connection; looked up once, since it costs system calls."""
        if self._peer is None:
            self._peer = self.ends()
        return self._peer

    def ends(self) -> Address:
        """Both ends, by the transport. A unix socket's peer has no address, and its own end is where the scheme's port
        would be."""
        peer = self.transport.get_extra_info("peername")
        own = self.transport.get_extra_info("sockname")
        if isinstance(own, tuple):
            peer = peer or ("", 0)
            return Address(unmapped(peer[0]), peer[1], unmapped(own[0]), own[1])
        return Address("", 0, "", DEFAULT_PORT if self.tls is None else DEFAULT_SECURE_PORT)

    @property
    def endpoint(self) -> tuple[str, int]:
        """Where the connection came in, as bindings name it: address and port, or `unix:/path` and 0."""
        peer = self.peer
        if peer.server_ip:
            return peer.server_ip, peer.server_port
        own = self.transport.get_extra_info("sockname")
        if own is None or isinstance(own, tuple):
            return peer.server_ip, peer.server_port
        return UNIX_PREFIX + os.fsdecode(own), 0

    @property
    def address(self) -> Address:
        """Both ends, as the request in hand says it (`speak_for`)."""
        return self._address or self.peer

    def speak_for(self, client: ForwardedClient | None) -> None:
        """The request in hand comes from this client, by a believed proxy; None: from the peer itself."""
        peer = self.peer
        if client is None:
            address, self.is_secure = peer, self.tls is not None
        else:
            address, self.is_secure = peer, client.is_secure
            if client.address:
                address = peer._replace(client_ip=client.address, client_port=client.port)
            if not peer.server_ip:
                address = address._replace(server_port=DEFAULT_SECURE_PORT if client.is_secure else DEFAULT_PORT)
        if address != self._address:
            self._address = address
            self._facts = b""

    @property
    def facts(self) -> bytes:
        """`host.wire.frames.RequestFrame.connection`."""
        if not self._facts:
            client_ip, client_port, server_ip, server_port = self.address
            text = f"{client_ip}\0{client_port}\0{server_ip}\0{server_port}\0{self.number}"
            if self.tls is not None and (self._address is None or self._address == self.peer):
                text += "\0" + connection_facts(self.tls, self.certificate)
            self._facts = text.encode("utf-8", "surrogateescape")
        return self._facts

    @property
    def is_local(self) -> bool:
        """Whether the client is on this machine."""
        address = self.address
        return address.client_ip in (address.server_ip, "::1") or address.client_ip.startswith(("127.", "::ffff:127."))

    # --- output

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport, which keeps what the kernel does not take."""
        self.handed_bytes += len(data)
        self.transport.write(data)

    def send_file(self, prefix: bytes, piece: FilePiece, done: Callable[[bool], None]) -> bool:
        """Begin to send `prefix` and a piece of a file; false while the transport holds unsent bytes."""
        transport = self.transport
        if self.tls is not None:
            if self.is_write_paused:
                return False
            if self._sender is None:
                self._sender = EncryptedFileSender(self.context.file_turns, transport, self.break_off)
        elif transport.get_write_buffer_size():
            self._has_low_limit = True
            transport.set_write_buffer_limits(0)  # `resume_writing` comes when it is empty
            return False
        elif self._sender is None:
            self._sender = self._plain_sender()
        self.handed_bytes += len(prefix) + piece.length
        self._file_done = done
        self._sender.send(prefix, piece.take_descriptor(), piece.offset, piece.length, self._file_sent)
        if self.deadline == NEVER:
            self.watch_rate()
        return True

    def _plain_sender(self) -> FileSender | EncryptedFileSender:
        transport = self.transport
        lane = transport.lane if isinstance(transport, PacedTransport) else None
        try:
            return FileSender(self.context.file_turns, transport, self.break_off, lane)
        except OSError:  # no descriptor is left: more work, but the client gets its file
            return EncryptedFileSender(self.context.file_turns, transport, self.break_off)

    def _file_sent(self, ok: bool) -> None:
        done, self._file_done = self._file_done, None
        self.stop_watching_rate()
        if done is not None:
            done(ok)

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self.is_write_paused = True
        if isinstance(self._sender, EncryptedFileSender):
            self._sender.is_paused = True
        if self.timer is not CLOSING and not self.is_half_closed:
            self.watch_rate()

    def resume_writing(self) -> None:
        """The client has taken it."""
        self.is_write_paused = False
        if self._has_low_limit:
            self._has_low_limit = False
            self.transport.set_write_buffer_limits(_HIGH_WATER)
        self.stop_watching_rate()
        if isinstance(self._sender, EncryptedFileSender):
            self._sender.resume()
        # Not from inside: asyncio's transport does not survive a close() while it calls this.
        self.context.loop.call_soon(self.writable)

    def writable(self) -> None:
        """Go on with what waited for the client."""

    def expect_stream(self) -> None:
        """A response in pieces begins: a larger buffer spares turns."""
        self._response_base = self.handed_bytes
        self._watch = None
        if not self._has_high_limit:
            self._has_high_limit = True
            self.transport.set_write_buffer_limits(_HIGH_WATER)

    def output_complete(self) -> None:
        """The response is out: let the second descriptor go."""
        self._response_base = -1
        if self._sender is not None:
            self._sender.close()
            self._sender = None
            self.stop_watching_rate()

    # --- the pace of the client

    def watch_rate(self) -> None:
        """The client is waited for: it must take bytes from now on."""
        self.mark = taken = self.taken_bytes()
        self.timer = SLOW
        if self._watch is None:
            base = taken if self._response_base < 0 else self._response_base
            self._watch = RateWatch(base, self.context.now)
        else:
            self._watch.go_on(self.context.now)
        self._look_again(self._watch)

    def stop_watching_rate(self) -> None:
        """The client is not waited for any more."""
        if self.timer is SLOW:
            self.deadline = NEVER
            if self._response_base < 0:
                self._watch = None
            elif self._watch is not None:
                self._watch.pause(self.context.now)

    def keeps_pace(self) -> bool:
        """Whether the client takes its response at `minBytesPerSecond`, or has all of it; looks again later."""
        taken = self.taken_bytes()
        if taken == self.handed_bytes:
            return True  # nobody waits for it
        watch = self._watch
        if watch is None:  # the connection is closing, and has had its connectionTimeout
            watch = self._watch = RateWatch(taken, self.context.now)
        if self.is_held_back or (isinstance(self.transport, PacedTransport) and taken > self.mark):
            watch.forgive(self.context.now)
        self.mark = taken
        return self._look_again(watch)

    def _look_again(self, watch: RateWatch) -> bool:
        now = self.context.now
        left = watch.seconds_left(self.handed_bytes, self.context.web_limits.min_bytes_per_second, now)
        self.deadline = NEVER if left == NEVER else now + max(left, 0.0) + 1
        return left > 0

    def takes_the_rest(self) -> bool:
        """Whether the client of a connection that closes still takes its last bytes in time; looks again then."""
        taken = self.taken_bytes()
        if taken == self.handed_bytes:
            return False
        if self.context.web_limits.min_bytes_per_second:
            return self.keeps_pace()
        has_moved, self.mark = taken > self.mark, taken  # without a rate, something must move in connectionTimeout
        self.deadline = self.context.now + self.timeout_seconds + 1
        return has_moved

    @property
    def is_held_back(self) -> bool:
        """Whether the client has taken all that its site's bandwidth lets through, and more is to come."""
        transport = self.transport
        if not isinstance(transport, PacedTransport):
            return False
        held = transport.held_bytes + (self._sender.left_bytes if self._sender is not None else 0)
        return held > 0 and self.handed_bytes - self.taken_bytes() <= held

    def pace_by(self, lane: Lane | None) -> None:
        """What is sent goes by the limits of this lane; None: by none. No file may be under way."""
        transport = self.transport
        if isinstance(transport, PacedTransport):
            if lane is None:
                self.transport = transport.unwrap()
            elif lane is not transport.lane:
                transport.change_lane(lane)
        elif lane is not None:
            self.transport = PacedTransport(transport, self, lane)

    @property
    def sends_file(self) -> bool:
        """Whether a file may be under way."""
        return self._sender is not None

    def taken_bytes(self) -> int:
        """Bytes of all responses that the client's machine has acknowledged."""
        waiting = self.transport.get_write_buffer_size()
        if self._sender is not None:
            waiting += self._sender.left_bytes
        connection = self.transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0:
            waiting += struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
        return self.handed_bytes - int(waiting)

    # --- reading

    def pause_reading(self) -> None:
        """Take no more from the client for now."""
        if not self.is_read_paused and not self.transport.is_closing():
            self.is_read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes again."""
        if self.is_read_paused and not self.transport.is_closing():
            self.is_read_paused = False
            self.transport.resume_reading()

    # --- the end

    def finish(self, *, linger: bool) -> None:
        """Close after the last byte. With `linger` the client's bytes are read and dropped for a while: closing with
        unread bytes would reset the connection and could destroy our answer on its way (RFC 9112 9.6)."""
        self.timer = CLOSING
        if self.transport.is_closing():
            return
        if not linger or self.is_half_closed or self.tls is not None:  # TLS says goodbye both ways by itself
            self.deadline = self.context.now + self.timeout_seconds + 1
            self.transport.close()
            return
        self.is_lingering = True
        self.deadline = self.context.now + LINGER_SECONDS
        self.resume_reading()
        try:
            self.transport.write_eof()
        except OSError:  # the client has reset the connection, and we have not heard of it yet
            self.transport.abort()

    def break_off(self) -> None:
        """Reset the connection: the client must not take a part for the whole."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        connection = self.transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    def release(self) -> None:
        """The transport is gone."""
        self.deadline = NEVER
        if isinstance(self.transport, PacedTransport):
            self.transport.drop()
        if self._sender is not None:
            self._sender.close()
            self._sender = None
