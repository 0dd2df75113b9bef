"""What a request costs the listener's own code, and how that grows: `python -m bench.listener_cost`.

The listener's code alone, in this process, without sockets and without an event loop: client and worker are a few lines
that hand it bytes. Processor time of the smallest of many short rounds: what else the machine does makes rounds longer,
never shorter. The kernel's part and the loop's come on top; `python -m bench --contestants isapy,bare` shows them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, cast

from host.config.model import Application, Binding, Pool, Site, Snapshot, VirtualDirectory
from host.isolation.worker_isolation import WorkerProcessIsolation
from host.listener.connection import ClientConnection
from host.listener.server import Listener
from host.logs.record import RecordParts, RefusalRecord
from host.wire.codec import FrameDecoder, encode_cache, encode_response
from host.wire.frames import CacheFrame, ResponseFrame

ROUNDS: Final = 60
CALLS: Final = 200
_PORT: Final = 8080
_PAGE: Final = ResponseFrame(
    1, 1, 200, 0, 0, b"200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n", b"Hello, World!\n"
)


class _Loop:
    """An event loop that never runs: what would be done later is not done."""

    def call_soon(self, *_: object) -> _Loop:
        return self

    call_later = add_reader = add_writer = remove_reader = remove_writer = call_soon

    def cancel(self) -> None:
        """As a timer."""


class _Log:
    """Formatting and writing lines is a batch's work, and not in it."""

    def request(self, record: RecordParts, log_file: object) -> None:
        pass

    def refusal(self, record: RefusalRecord) -> None:
        pass


class _Transport:
    """A client that takes all bytes at once."""

    __slots__ = ()

    def get_extra_info(self, name: str) -> object:
        return {"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", _PORT)}.get(name)

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False


class Bench:
    """A listener with so many pools, an application and a worker for each."""

    def __init__(self, pools: int = 1) -> None:
        self.listener = Listener(cast(asyncio.AbstractEventLoop, _Loop()), send=lambda _: None, log=_Log())
        self.context: Final[Any] = self.listener._context
        self.listener.configure(_snapshot(pools), WorkerProcessIsolation())
        self._sockets: list[socket.socket] = []
        for number in range(pools):
            ends = (*socket.socketpair(), *socket.socketpair())
            self._sockets += ends
            self.listener.attach_worker(f"P{number}", f"P{number}#1", 1, ends[0], ends[2])
            self._link(number).credit = 1 << 30

    def close(self) -> None:
        """Give the descriptors back."""
        for end in self._sockets:
            end.close()

    def connected(self) -> ClientConnection:
        """A new client."""
        connection = ClientConnection(self.context)
        connection.connection_made(_Transport())
        return connection

    def hello(
        self, connection: ClientConnection, request: bytes, pool: int = 0, policy: CacheFrame | None = None
    ) -> None:
        """One request and its worker's answer, which it may offer to the cache."""
        link, relay = self._link(pool), self.context.relay
        connection.data_received(request)
        number = next(reversed(link.exchanges))
        frames = encode_response(number, _PAGE)
        if policy is not None:
            frames = encode_cache(number, policy) + frames
        for kind, about, body in FrameDecoder().receive(frames):
            relay.frame(link, kind, about, body)
        relay.turn_ended(link)
        link._queued.clear()
        link._is_flush_due = False

    def connect(self, request: bytes) -> None:
        """A connection of one request."""
        connection = self.connected()
        self.hello(connection, request)
        connection.connection_lost(None)

    def _link(self, pool: int) -> Any:
        return self.context.relay._links[f"P{pool}#1"]


def _snapshot(pools: int) -> Snapshot:
    folder = (VirtualDirectory(path="/", physical_path="/nowhere"),)
    applications = tuple(
        Application(
            site_id=1,
            site_name="x",
            path=f"/p{number}" if number else "/",
            pool_name=f"P{number}",
            virtual_directories=folder,
        )
        for number in range(pools)
    )
    site = Site(
        name="x",
        id=1,
        bindings=(Binding(protocol="http", ip="127.0.0.1", port=_PORT, host=""),),
        applications=applications,
    )
    return Snapshot(version=1, path="/x", sites=(site,), pools=tuple(Pool(name=f"P{n}") for n in range(pools)))


def request_of(fields: int, path: str = "/page", *extra: str) -> bytes:
    """A GET with so many fields in all, each as long as a browser's."""
    lines = [
        f"X-Field-{number}: a value of forty characters, or nearly so" for number in range(fields - 1 - len(extra))
    ]
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: 127.0.0.1:8080", *extra, *lines, "", "")).encode()


def microseconds(one: Callable[[], None], rounds: int) -> float:
    """Of one call: the smallest mean of a round."""
    one()
    best = float("inf")
    for _ in range(rounds):
        began = time.thread_time()
        for _ in range(CALLS):
            one()
        best = min(best, time.thread_time() - began)
    return best / CALLS * 1e6


def hello_microseconds(*, fields: int = 13, pools: int = 1, connections: int = 1, rounds: int = ROUNDS) -> float:
    """A request on a kept connection to the last of so many pools; so many connections take turns."""
    bench = Bench(pools)
    turns = itertools.cycle([bench.connected() for _ in range(connections)])
    request = request_of(fields, f"/p{pools - 1}/page" if pools > 1 else "/page")
    try:
        return microseconds(lambda: bench.hello(next(turns), request, pools - 1), rounds)
    finally:
        bench.close()


def connect_microseconds(*, rounds: int = ROUNDS) -> float:
    """A connection with one request on it, from the first byte to its end."""
    bench, request = Bench(), request_of(4, "/page", "Connection: close")
    try:
        return microseconds(lambda: bench.connect(request), rounds)
    finally:
        bench.close()


def hit_microseconds(*, fields: int = 4, requests: int = 1, rounds: int = ROUNDS) -> float:
    """A request that the cache answers; so many different ones take turns."""
    bench = Bench()
    asked = [request_of(fields, f"/page{number}") for number in range(requests)]
    turns = itertools.cycle(asked)
    client = bench.connected()
    try:
        for request in asked:
            bench.hello(client, request, policy=CacheFrame(0, 0))
            client.data_received(request)
        return microseconds(lambda: client.data_received(next(turns)), rounds)
    finally:
        bench.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.listener_cost", description="What a request costs.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of {CALLS} calls each (default {ROUNDS})")
    rounds = parser.parse_args(arguments).rounds
    page, hit = partial(hello_microseconds, rounds=rounds), partial(hit_microseconds, rounds=rounds)
    rows = [(f"a page from a worker, {n} request fields", page(fields=n)) for n in (2, 13, 50)]
    rows += [(f"the same, 13 fields, {n} pools", page(pools=n)) for n in (10, 100, 1000)]
    rows += [(f"the same, 13 fields, {n} connections in turn", page(connections=n)) for n in (100, 10_000)]
    rows += [(f"a hit in the cache, {n} request fields", hit(fields=n)) for n in (2, 13)]
    rows += [(f"the same, 13 fields, {n} URLs in turn", hit(fields=13, requests=n)) for n in (1000,)]
    rows.append(("a connection with one request", connect_microseconds(rounds=rounds)))
    print("| what the listener does | its own code |\n| --- | ---: |")
    for what, cost in rows:
        print(f"| {what} | {cost:.1f} us |")


if __name__ == "__main__":
    main()
