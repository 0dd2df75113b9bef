"""The listener: endpoints, routing, relay and clock, joined; what the processes above it talk to."""

from __future__ import annotations

import asyncio
import itertools
import math
import socket
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Final

from host.config.model import Snapshot
from host.isolation.process_model import ProcessModel
from host.listener.connection import ClientConnection
from host.listener.context import Clock, ListenerContext, RawDataHook, SystemClock
from host.listener.descriptors import DescriptorReserve
from host.listener.endpoints import Endpoints, descriptor_budget
from host.listener.error_log import Log
from host.listener.exchange import Exchange
from host.listener.response_cache import CacheEntry, Key
from host.wire.cache_messages import CacheContents, CacheRow
from host.wire.certificate_messages import CertificateItem
from host.wire.control_messages import AnyMessage, Event
from host.wire.message_rows import RequestRow
from host.wire.request_dialogue import RequestState

TICK_SECONDS: Final = 1.0
_SETTLE_SECONDS: Final = 0.05
_MOST_CACHE_ROWS: Final = 5000  # rows that an administrator is shown
_MOST_REQUESTS: Final = 5000  # requests whose URL and the like the service is told, the oldest; others count
_MOST_VERB: Final = 64
_MOST_TEXT: Final = 2048  # characters of a URL, and of what it varies by: clients choose them, and a message has an end


class Listener:
    """HTTP.sys's role. Every method is called from the loop's thread.

    `send` takes what the listener has to say to the service: Demand when requests wait and no worker has credit (again
    each second while that lasts), WorkerGone when a link has closed, Event. `log` takes a record for every answered
    request and one for every refusal. `raw_data_hook(connection facts, bytes)` sees what clients send before it is
    parsed and returns what is parsed instead. `clock` is the time (tests move it and call `tick` themselves). A
    request's id is `request_prefix`, the connection's number and its own; workers are told the prefix with their link.
    Of `instances` listeners that share workers this is the one at `place`: no two give the same numbers.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        send: Callable[[AnyMessage], None],
        log: Log,
        clock: Clock | None = None,
        raw_data_hook: RawDataHook | None = None,
        request_prefix: str = "",
        place: int = 0,
        instances: int = 1,
    ) -> None:
        self._loop = loop
        self._context = ListenerContext(
            loop,
            send=send,
            log=log,
            clock=clock or SystemClock(),
            raw_data_hook=raw_data_hook,
            numbers=(place + 1, instances),
        )
        self._context.most_connections = descriptor_budget()
        self._context.limit_connections()
        self._descriptors = DescriptorReserve()
        self._descriptors.look(self._context.now)
        self._send = send
        self._request_prefix = request_prefix
        self._endpoints = Endpoints(
            loop,
            partial(ClientConnection, self._context),
            self._context.tls.server_context,
            self._cannot_listen,
            self._context.handshakes,
        )
        self._ticking = loop.call_later(TICK_SECONDS, self._tick)

    def filters_raw_data_while(self, is_seen: Callable[[], bool]) -> None:
        """`raw_data_hook` changes nothing, and need see nothing, at moments at which this says no."""
        self._context.sees_raw_data = is_seen

    @property
    def connection_count(self) -> int:
        """Client connections that are open."""
        return len(self._context.connections)

    def do_not_write_ahead(self) -> None:
        """Nothing that has been read of a body goes into its worker's pipe: as before Linux 6.4 (`body_pipe.py`)."""
        self._context.writes_ahead = lambda: False

    def configure(self, snapshot: Snapshot, model: ProcessModel, started: Collection[int] | None = None) -> None:
        """Route and limit by this configuration from now on; requests in hand keep the one they came under.

        `started`: ids of the sites whose bindings count; None: those with serverAutoStart."""
        context = self._context
        context.web_limits = snapshot.web_limits
        forwarded = context.forwarded
        context.configure(snapshot.listener)
        if context.forwarded is not forwarded:
            for connection in list(context.connections):
                connection.proxies_changed()
        context.routing.configure(snapshot, model, started)
        context.tls.configure(snapshot.sites)
        bandwidths = {site.id: site.limits.max_bandwidth for site in snapshot.sites}
        if context.pacing.configure(snapshot.web_limits.max_global_bandwidth, bandwidths):
            for connection in list(context.connections):
                connection.bandwidth_changed()
        self._endpoints.follow_tls()
        for name, pool in context.routing.queues.items():
            closes_only = pool.load_balancer_capabilities == "TcpLevel"
            context.relay.set_queue(name, limit=pool.queue_length, closes_only=closes_only)

    def set_certificates(self, items: Iterable[CertificateItem]) -> None:
        """All certificates there are: handshakes from now on use them, connections that are open keep theirs."""
        self._context.tls.set_certificates(items)
        self._endpoints.follow_tls()

    def set_sites(self, started: Collection[int]) -> None:
        """The bindings of these sites count from now on, and no others; requests in hand are finished."""
        self._context.routing.set_sites(started)

    def listen(self, endpoint: str, sock: socket.socket, place: int = 0) -> None:
        """Accept on this listening socket, which is the listener's from now on. `endpoint` is `address:port`; `place`
        tells several sockets of one endpoint apart."""
        self._endpoints.listen(endpoint, sock, place)

    def unlisten(self, endpoint: str, place: int = 0) -> None:
        """Accept no more there; connections that are open stay."""
        self._endpoints.unlisten(endpoint, place)

    def set_queue_state(self, queue: str, reason: str) -> None:
        """Take requests of this queue (empty reason), or refuse them with that HTTPERR reason."""
        self._context.relay.set_queue_state(queue, reason)

    def attach_worker(
        self, queue: str, worker: str, pid: int, link_socket: socket.socket, side_socket: socket.socket
    ) -> None:
        """A worker serves that queue over these sockets, which are the listener's from now on."""
        self._context.relay.attach(queue, worker, pid, link_socket, side_socket)

    def detach_worker(self, worker: str) -> None:
        """Hand nothing more to that worker and send it DRAIN; it finishes what it has."""
        self._context.relay.detach(worker)

    def drop_worker(self, worker: str, culprits: Iterable[int]) -> None:
        """Close that worker's link at once; it hangs because of the requests with the numbers `culprits`."""
        self._context.relay.drop(worker, culprits)

    def pause_worker(self, worker: str, number: int) -> None:
        """Hand that worker nothing for the time being, if it has nothing; WorkerPaused with the same number says so."""
        self._context.relay.pause(worker, number)

    def resume_worker(self, worker: str) -> None:
        """A paused worker takes requests again."""
        self._context.relay.resume(worker)

    def expect_no_worker(self) -> None:
        """Nobody is left who could start a worker: requests that none can take are refused instead of waiting."""
        self._context.relay.expect_no_worker()

    def requests(self, most: int = _MOST_REQUESTS) -> list[RequestRow]:
        """The requests under way, oldest first. Of no more than `most` verb, URL and host are told: clients choose what
        is long in them, and a message that the service does not take would cost this process."""
        context = self._context
        now = context.monotonic()
        under_way = [item.exchange for item in context.connections if item.exchange is not None]
        under_way += [question.exchange for question in context.revalidations]
        under_way.sort(key=lambda exchange: exchange.received_at)
        return [self._row(exchange, now, is_told=place < most) for place, exchange in enumerate(under_way)]

    def cache_contents(self, number: int) -> CacheContents:
        """What is in the cache, used last first: the answer to the AskCache of that number."""
        context, cache = self._context, self._context.cache
        entries = itertools.islice(reversed(cache.entries.values()), _MOST_CACHE_ROWS)
        rows = [_cache_row(entry, context.monotonic()) for entry in entries]
        return CacheContents(number=number, rows=rows, entries=len(cache.entries), size=cache.size)

    def flush_cache(self, site_id: int, url: str) -> int:
        """Take those answers out of the cache (FlushCache says which); how many they were."""
        return self._context.cache.flush(
            lambda entry: (not site_id or entry.site_id == site_id) and _is_of(url, entry.key)
        )

    def tick(self) -> None:
        """Look at the clock: deadlines, demands, the Date field; and whether files can be opened. Called once a second
        by the listener itself."""
        context = self._context
        context.tick()
        if self._descriptors.look(context.now):
            count = len(context.connections) + len(context.handshakes)
            context.limit_connections(max(1, count) if self._descriptors.is_short else 0)
            if self._descriptors.is_short:
                text = f"no more files can be opened; {count} connections are open, and more are not taken for a while"
                self._send(Event(id="descriptors-exhausted", text=text, fields={"connections": str(count)}))

    async def drain(self, seconds: float, patience_seconds: float = 0.0) -> None:
        """Accept nothing more, finish the requests in hand (for so many seconds at most), say DRAIN to the workers,
        close everything. Idle connections, and whose TLS handshake is under way, may begin one more request for
        `patience_seconds`."""
        context = self._context
        end = self._loop.time() + seconds
        self._endpoints.close()
        context.is_draining = True
        patience = self._loop.call_later(patience_seconds, self._shut_down_idle)
        if patience_seconds:
            await asyncio.sleep(_SETTLE_SECONDS)  # what the kernel has given us already becomes a connection
            await context.handshakes.settled(max(0.0, min(patience_seconds, seconds) - _SETTLE_SECONDS))
        else:
            self._shut_down_idle()
        if context.connections:
            context.all_closed = self._loop.create_future()
            await asyncio.wait([context.all_closed], timeout=max(0.0, end - self._loop.time()))
        if context.connections:
            context.all_closed = self._loop.create_future()
            for connection in list(context.connections):
                connection.break_off()  # one that the loop does not watch is lost at once
            await asyncio.wait([context.all_closed], timeout=TICK_SECONDS)  # so that workers hear of it before DRAIN
        await context.handshakes.give_up()
        patience.cancel()
        for question in list(context.revalidations):
            question.cancel()
        self._descriptors.close()
        self._ticking.cancel()
        context.relay.close()

    def _row(self, exchange: Exchange, now: float, *, is_told: bool) -> RequestRow:
        client, head, site = exchange.client, exchange.head, exchange.route.site
        assert client is not None
        address = client.address
        return RequestRow(
            request_id=f"{self._request_prefix}{client.number}-{exchange.number}",
            connection_id=client.number,
            verb=_cut(head.method.decode("latin-1"), _MOST_VERB) if is_told else "",
            url=_cut(head.target.decode("latin-1")) if is_told else "",
            site_id=site.id,
            host_name=head.host.decode("latin-1") if is_told else "",
            client_ip_address=address.client_ip,
            local_port=address.server_port,
            time_elapsed=int((now - exchange.received_at) * 1000),
            pipeline_state=_pipeline_state(exchange),
            worker="" if exchange.link is None else exchange.link.worker,
            queue=exchange.route.queue,
            local_ip_address=address.server_ip,
        )

    def _shut_down_idle(self) -> None:
        for connection in list(self._context.connections):
            connection.shut_down()

    def _cannot_listen(self, endpoint: str, error: BaseException) -> None:
        self._send(Event(id="binding-failed", text=f"{endpoint} cannot be served: {error}", fields={}))

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(TICK_SECONDS, self._tick)
        self.tick()


def _cache_row(entry: CacheEntry, now: float) -> CacheRow:
    shared = entry.shared
    expires_in = max(1, int(entry.expires_at - now)) if entry.expires_at else 0
    return CacheRow(
        url=_cut(_url_of(entry.key)),
        site_id=entry.site_id,
        status=entry.codes[0],
        size=entry.size,
        hits=entry.hits,
        age=int(now - entry.added_at) if shared is None else shared.age,
        expires_in=expires_in if shared is None else shared.fresh_for,
        worker=entry.worker,
        variant="" if shared is None else _cut(shared.spelled_variant),
    )


def _cut(text: str, most: int = _MOST_TEXT) -> str:
    return text if len(text) <= most else text[:most] + "..."


def _url_of(key: Key) -> str:
    scheme, host, target = "https" if key[1] else "http", key[2], key[3]
    return f"{scheme}://{host.decode('latin-1')}{target.decode('latin-1')}"


def _is_of(url: str, key: Key) -> bool:
    """Whether what an administrator wrote means this entry: a path or a whole URL, perhaps with `*` at its end."""
    found = _url_of(key) if "://" in url else key[3].decode("latin-1")
    return not url or (found.startswith(url[:-1]) if url.endswith("*") else found == url)


def _pipeline_state(exchange: Exchange) -> str:
    if exchange.link is None:
        return "Queued" if 0.0 < exchange.queue_deadline < math.inf else "ReadEntityBody"  # in no queue yet
    return "SendResponse" if exchange.state is RequestState.RESPONDING else "ExecuteRequestHandler"
