"""What all connections of one listener share: the configuration in force, the clock, the relay, the logs."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from host.config.listener_settings import ForwardedHeaders, ListenerSettings
from host.config.model import WebLimits
from host.http1.limits import Limits
from host.http1.policy import HeadPolicy
from host.http1.writer import Stamp
from host.listener.bindings import RoutingTable
from host.listener.body_pipe import can_write_ahead
from host.listener.body_spool import SpoolRoom
from host.listener.error_log import ErrorLog, Log
from host.listener.exchange import Exchange
from host.listener.file_turns import FileTurns
from host.listener.forwarded import ForwardedClients
from host.listener.handshakes import Handshakes
from host.listener.pacing import Pacing
from host.listener.relay import Relay
from host.listener.response_cache import ResponseCache
from host.listener.tls import TlsTable
from host.wire.control_messages import AnyMessage


class RawVerdict(NamedTuple):
    """What raw-data filters made of bytes: those to parse, those for the client, whether the connection ends, and
    the error because of which it does (a 500 then)."""

    data: bytes
    output: bytes
    is_end: bool
    error: str


RawDataHook = Callable[[bytes, bytes], RawVerdict]
"""(connection facts, bytes as they came) to what becomes of them; IIS 5's raw-data filters."""

DEFAULT_HEADER_WAIT_SECONDS: Final = 120  # headerWaitTimeout 0 leaves the driver's default


class Clock(Protocol):
    """Where the time comes from; tests move it."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wall(self) -> float:
        """Seconds since the epoch."""


class SystemClock:
    """The machine's clocks."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


class OpenConnection(Protocol):
    """A client connection, as the clock and the listener see it."""

    deadline: float
    exchange: Exchange | None

    def deadline_passed(self) -> None:
        """`deadline` is over."""

    def bandwidth_changed(self) -> None:
        """Other limits of bandwidth are in force."""

    def proxies_changed(self) -> None:
        """Others may say from now on who the client is."""

    def shut_down(self) -> None:
        """Close now if nothing is in hand, otherwise after the answer."""

    def break_off(self) -> None:
        """Reset the connection."""


class Question(Protocol):
    """What the cache asks without a client, as the listener sees it."""

    exchange: Exchange

    def cancel(self) -> None:
        """Nobody needs to know any more."""


class ListenerContext:
    """Shared by the connections of one listener.

    `now` is the clock at the last tick: coarse, free, and what deadlines are made of. `numbers`: the first number of a
    connection, or of a request, and the step to the next.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        send: Callable[[AnyMessage], None],
        log: Log,
        clock: Clock,
        raw_data_hook: RawDataHook | None,
        numbers: tuple[int, int] = (1, 1),
    ) -> None:
        self.loop: Final = loop
        self.log: Final = log
        self.clock: Final = clock
        self.monotonic: Final = clock.monotonic
        self.raw_data_hook: Final = raw_data_hook
        self.writes_ahead: Callable[[], bool] = can_write_ahead
        self.sees_raw_data: Callable[[], bool] = lambda: raw_data_hook is not None  # whether anybody does just now
        self.policy = HeadPolicy(Limits())
        self.routing: Final = RoutingTable(Limits())
        self.forwarded = ForwardedClients(ForwardedHeaders())
        self.tls: Final = TlsTable()
        self.errors: Final = ErrorLog(log)
        self.pacing: Final = Pacing(loop, clock.monotonic)
        self.file_turns: Final = FileTurns(loop)
        self.cache: Final = ResponseCache()
        self.spool_room: Final = SpoolRoom()
        self.relay: Final = Relay(loop, send, clock.monotonic, self.cache, numbers)
        self.connections: set[OpenConnection] = set()
        self.revalidations: set[Question] = set()
        self.connection_numbers = itertools.count(*numbers)
        self.most_connections = 0  # 0: as many as come; what the limit of open files allows
        self.max_connections = 0  # that, or what the configuration says if it is less
        self.handshakes: Final = Handshakes(loop, self.is_full)
        self.web_limits = WebLimits()
        self._settings = ListenerSettings()
        self.body_read_ahead_bytes = self._settings.body_read_ahead_bytes
        self.refused_at = -1.0  # when HTTPERR last said so
        self.is_draining = False
        self.all_closed: asyncio.Future[None] | None = None  # awaited by a drain
        self.now = clock.monotonic()
        self.wall_offset = clock.wall() - self.now  # add it to the monotonic clock: seconds since the epoch
        self.stamp = Stamp(clock.wall())
        self.bare_stamp: Final = Stamp(clock.wall(), names_server=False)
        self.refusal_stamp = self.stamp  # of what no worker has answered

    def wall(self, monotonic: float) -> float:
        """Seconds since the epoch at that moment of the monotonic clock (right to the last tick's adjustment)."""
        return monotonic + self.wall_offset

    def configure(self, settings: ListenerSettings) -> None:
        """Obey `<listener>` from now on; connections that are open keep the sizes under which they came."""
        self.cache.configure(settings)
        if self._settings == settings:
            return
        self._settings = settings
        self.limit_connections()
        self.body_read_ahead_bytes = settings.body_read_ahead_bytes
        limits = Limits(
            max_field_bytes=settings.max_field_bytes,
            max_request_bytes=settings.max_request_bytes,
            url_segment_max_length=settings.url_segment_max_length,
            url_segment_max_count=settings.url_segment_max_count,
        )
        self.policy = HeadPolicy(limits)
        self.routing.set_limits(limits)
        self.forwarded = ForwardedClients(settings.forwarded_headers)
        named = Stamp(self.clock.wall())
        self.stamp = self.bare_stamp if settings.disable_server_header == 2 else named
        self.refusal_stamp = self.bare_stamp if settings.disable_server_header else named

    def is_full(self) -> bool:
        """Whether one more connection would be one too many. TLS handshakes that are under way count."""
        return 0 < self.max_connections <= len(self.connections) + len(self.handshakes)

    def limit_connections(self, most: int = 0) -> None:
        """Take so many connections at once, if other limits allow it; 0: what the other limits say."""
        limits = (most, self.most_connections, self._settings.max_connections)
        self.max_connections = min(limit for limit in limits if limit)

    def tick(self) -> None:
        """Once a second: the clocks, the Date field, and every deadline."""
        self.now = now = self.clock.monotonic()
        wall = self.clock.wall()
        self.wall_offset = wall - now
        self.stamp.update(wall)
        self.bare_stamp.update(wall)
        late = [connection for connection in self.connections if connection.deadline <= now]
        for connection in late:
            connection.deadline_passed()
        self.cache.tick(now)
        for exchange in self.relay.tick(now):
            if exchange.client is not None:
                exchange.client.waited_too_long()

    @property
    def header_wait_seconds(self) -> int:
        """How long a head may take to come."""
        return self.web_limits.header_wait_timeout_seconds or DEFAULT_HEADER_WAIT_SECONDS
