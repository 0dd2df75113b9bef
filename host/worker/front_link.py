"""One front's link: frames in, requests out to the pipeline, and the link's share of credits.

The decoded head becomes an `api.Request` without looking at its header fields: they stay one bytes value until a
plugin asks for them.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from host.api import ApplicationInfo, Connection
from host.api.whole_body import WholeBody
from host.wire.codec import (
    RequestParts,
    decode_number,
    decode_pipe_state,
    decode_request_parts,
    decode_session_end,
    encode,
    encode_number,
    encode_reset,
)
from host.wire.errors import WireError
from host.wire.frames import BODY_PIPE, Kind, RequestFlag
from host.worker.connection_facts import connection_of
from host.worker.exchange import Exchange
from host.worker.forwarding import take_forwarded_facts
from host.worker.link import Link
from host.worker.new_request import new_request
from host.worker.request_body import Handing, StreamedBody

IDEMPOTENT_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})
"""RFC 9110 section 9.2.2; for any other method the front must know that a handler may have acted."""

_HOST_FIELD: Final = re.compile(rb"(?:^|\r\n)host:[ \t]*([^\r\n]*)", re.IGNORECASE)
_SECURE: Final = int(RequestFlag.SECURE)
_BODY_COMPLETE: Final = int(RequestFlag.BODY_COMPLETE)
_HAS_BODY: Final = int(RequestFlag.HAS_BODY)
_EXPECT_CONTINUE: Final = int(RequestFlag.EXPECT_CONTINUE)
_NO_LINE: Final = b"\r\n"  # no header block begins with it


class ChannelSide(Protocol):
    """What a link needs of the channel that it belongs to."""

    loop: asyncio.AbstractEventLoop
    applications: Mapping[bytes, ApplicationInfo]
    accepts_forwarded: bool
    arrivals: int

    def begin(self, exchange: Exchange) -> None:
        """Run the request, as far as it goes without waiting."""

    def withholds_credit(self, link: FrontLink) -> bool:
        """Whether a finished request's credit of this link is kept back for now."""

    def session_ended(self, connection: Connection) -> None:
        """A client connection that was served is closed."""

    def link_changed(self, link: FrontLink, why: str) -> None:
        """The link drains or has closed."""


@dataclass(slots=True)
class _Session:
    """A client connection as this link knows it."""

    raw: bytes
    connection: Connection


class FrontLink:
    """A link to one front, from its attachment until it closes. `place`: which of the fronts that share the worker."""

    def __init__(
        self, channel: ChannelSide, stream: socket.socket, side: socket.socket, request_prefix: str = "", place: int = 0
    ) -> None:
        self.place: Final = place
        self.takes_pipes: Final = not channel.accepts_forwarded
        self._channel = channel
        self._request_prefix = request_prefix
        self._link = Link(channel.loop, stream, side)
        self._exchanges: dict[int, Exchange] = {}
        self._connections: dict[bytes, Connection] = {}
        self._sessions: dict[int, _Session] = {}
        self._last_host_line = _NO_LINE  # most requests of a link are for the host of the one before
        self._last_server_name = ""
        self._capacity = 0
        self._withheld = 0
        self.is_draining = False
        # an exchange's way out, without a detour
        self.queue: Callable[[bytes], None] = self._link.queue
        self.send_descriptor: Callable[[int, int, int], None] = self._link.send_descriptor

    def start(self, capacity: int, kept_back: int = 0) -> None:
        """Read, and say how many requests may come: `capacity` without those credits that are kept back for now."""
        self._capacity = capacity
        self._link.start(self._receive, self._closed)
        self._withheld = kept_back
        # at once: a request may have waited for this worker, and comes while this turn does what it still has to
        self._link.send_now(encode_number(Kind.CREDIT, 0, capacity - kept_back))

    @property
    def is_closed(self) -> bool:
        """Whether the front is gone."""
        return self._link.is_closed

    @property
    def exchanges(self) -> list[Exchange]:
        """The requests in hand."""
        return list(self._exchanges.values())

    def connection(self, raw: bytes) -> Connection:
        """The client connection that REQUEST frames name so. Raises WireError when it is malformed."""
        return self._connections.get(raw) or self._new_connection(raw, 0)

    def close(self) -> None:
        """Close the sockets; requests in hand lose their client."""
        self._link.close()
        self._abandon()

    # --- what exchanges ask (exchange.Outlet)

    def give_back(self) -> int:
        """1, or 0 when the channel keeps credits back; those follow by `release_credit`."""
        if self._channel.withholds_credit(self):
            self._withheld += 1
            return 0
        return 1

    def return_credit(self) -> None:
        """Give a credit back that belongs to no answer, or keep it with the others."""
        if self.give_back() and not self.is_closed:
            self._link.queue(encode_number(Kind.CREDIT, 0, 1))

    @property
    def unused(self) -> int:
        """Requests that the front may still send, without asking again."""
        return self._capacity - self._withheld - len(self._exchanges)

    def release_credit(self, most: int | None = None) -> None:
        """Give back what was kept, or `most` of it."""
        count = self._withheld if most is None else min(most, self._withheld)
        if count and not self.is_closed:
            self._link.queue(encode_number(Kind.CREDIT, 0, count))
        self._withheld -= count

    def forget(self, number: int) -> None:
        """That request is answered."""
        self._exchanges.pop(number, None)

    def invalidate(self, number: int) -> None:
        """What the answer to that request put into the front's cache is out of date."""
        if not self.is_closed:
            self._link.queue(encode_number(Kind.INVALIDATE, 0, number))

    async def flushed(self) -> None:
        """Returns when the kernel has everything queued so far."""
        await self._link.flushed()

    # --- the front's frames

    def _receive(self, frames: list[tuple[Kind, int, bytes]]) -> None:
        arrived: list[Exchange] = []
        started: list[Exchange] = []
        for kind, number, body in frames:
            if kind is Kind.REQUEST:
                self._take_request(number, decode_request_parts(body), arrived, started)
            else:
                self._take_other(kind, number, body)
        if started:
            sent = self._link.send_now(b"".join([encode(Kind.STARTED, exchange.number) for exchange in started]))
            if not sent:
                for exchange in started:
                    exchange.must_flush = True
        self._channel.arrivals += 1
        arrival = self._channel.arrivals
        for exchange in arrived:  # no code of a plugin runs before this
            exchange.arrival = arrival
            self._channel.begin(exchange)
        self._link.flush_after_this_turn()
        if self.is_draining:
            self._channel.link_changed(self, "")

    def _take_request(self, number: int, parts: RequestParts, arrived: list[Exchange], started: list[Exchange]) -> None:
        flags, raw_connection, application_key, method, _, fields, content_length, first = parts
        application = self._channel.applications.get(application_key)
        if application is None:
            reason = f"this worker does not serve the application {application_key!r}"
            self._link.queue(encode_reset(number, 503, 0, self.give_back(), reason))
            return
        if number in self._exchanges:
            raise WireError(f"request number {number} is in use")
        connection = self._connections.get(raw_connection)
        if connection is None or connection.is_secure is not bool(flags & _SECURE):
            connection = self._new_connection(raw_connection, flags)
        body: WholeBody | StreamedBody
        if flags & _BODY_COMPLETE or not flags & _HAS_BODY:
            body = WholeBody(first)
        else:
            body = self._streamed_body(number, flags, content_length, first)
        if not fields.startswith(self._last_host_line):
            self._find_server_name(fields)
        request = new_request(
            f"{self._request_prefix}{connection.number}-{number}",
            parts,
            connection,
            application,
            body,
            self._last_server_name or connection.local_address,
        )
        if self._channel.accepts_forwarded:
            take_forwarded_facts(request)
        exchange = self._exchanges[number] = Exchange(self, number, request, body)
        exchange.field_bytes = len(fields)
        if method not in IDEMPOTENT_METHODS:
            started.append(exchange)
        arrived.append(exchange)

    def _take_other(self, kind: Kind, number: int, body: bytes) -> None:
        if number == 0:
            if kind is Kind.SESSION_END:
                self._end_session(decode_session_end(body))
            elif kind is Kind.DRAIN:
                self.is_draining = True
            else:
                raise WireError(f"{kind.name} is not legal for the link itself")
            return
        exchange = self._exchanges.get(number)
        if exchange is None:  # it was answered while the frame was on its way
            return
        if kind is Kind.WINDOW:
            exchange.open_window(decode_number(body))
        elif kind is Kind.ABORT:
            exchange.client_left()
        elif kind is Kind.PIPE_STATE:
            exchange.pipe_state(*decode_pipe_state(body))
        elif isinstance(exchange.body, StreamedBody) and kind is Kind.BODY:
            exchange.body.receive(body)
        elif isinstance(exchange.body, StreamedBody) and kind is Kind.BODY_END:
            exchange.body.complete()
        elif isinstance(exchange.body, StreamedBody) and kind is Kind.BODY_HELD:
            exchange.body.hold()
        elif isinstance(exchange.body, StreamedBody) and kind is Kind.BODY_WAITS:
            exchange.body.waits(for_client=bool(decode_number(body)))
        else:
            raise WireError(f"{kind.name} is not legal for request {number}")

    def _streamed_body(self, number: int, flags: int, content_length: int, first: bytes) -> StreamedBody:
        return StreamedBody(
            self._channel.loop,
            first,
            content_length if content_length >= 0 else None,
            partial(self._grant, number),
            expects_continue=bool(flags & _EXPECT_CONTINUE),
            handing=Handing(partial(self._ask_to_hold, number), partial(self._hand_over, number)),
        )

    def _ask_to_hold(self, number: int) -> None:
        if number in self._exchanges and not self.is_closed:
            self._link.queue(encode(Kind.BODY_HOLD, number))

    def _hand_over(self, number: int, descriptor: int) -> None:
        self._link.send_descriptor(number, BODY_PIPE, descriptor)

    def _grant(self, number: int, count: int) -> None:
        if number in self._exchanges and not self.is_closed:
            self._link.queue(encode_number(Kind.BODY_WINDOW, number, count))

    def _new_connection(self, raw: bytes, flags: int) -> Connection:
        try:
            connection = connection_of(raw, is_secure=bool(flags & _SECURE))
        except ValueError as error:
            raise WireError(f"a request with the connection {raw!r}") from error
        earlier = self._sessions.get(connection.number)
        if earlier is not None:  # a proxy's connection brings another client: filters see one connection all the same
            self._connections.pop(earlier.raw, None)
            connection = replace(connection, state=earlier.connection.state)
        self._connections[raw] = connection
        self._sessions[connection.number] = _Session(raw, connection)
        return connection

    def _find_server_name(self, fields: bytes) -> None:
        """Remember the name that Host gives, and the line when it is the first, where clients put it."""
        if fields.startswith((b"Host: ", b"host: ")):
            end = fields.find(b"\r\n")
            raw_host = fields[6:end]
            self._last_host_line = fields[: end + 2]
        else:
            found = _HOST_FIELD.search(fields)
            raw_host = found[1] if found is not None else b""
            self._last_host_line = _NO_LINE
        self._last_server_name = _without_port(raw_host.strip().decode("latin-1"))

    # --- the end

    def _end_session(self, number: int) -> None:
        session = self._sessions.pop(number, None)
        if session is not None:
            self._connections.pop(session.raw, None)
            self._channel.session_ended(session.connection)

    def _closed(self, why: str) -> None:
        self._abandon()
        self._channel.link_changed(self, why)

    def _abandon(self) -> None:
        for exchange in list(self._exchanges.values()):
            exchange.client_left()
        for number in list(self._sessions):
            self._end_session(number)


def _without_port(host: str) -> str:
    if host.startswith("["):  # an IPv6 literal keeps its brackets, as in a URL
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
