"""A real Listener on a loop of its own in a thread, with real sockets on both sides.

Clients are plain blocking sockets. Workers are scripted by the test: real socketpairs, blocking, frames of host.wire.
The clock stands until the test moves it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import select
import socket
import struct
import tempfile
import termios
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import uvloop

from host.config.listener_settings import ListenerSettings
from host.config.log_settings import LogFile
from host.config.model import (
    Application,
    Binding,
    Pool,
    Site,
    SiteLimits,
    Snapshot,
    VirtualDirectory,
    WebLimits,
)
from host.config.tls_settings import BindingTls, Hsts
from host.http1.limits import Limits
from host.isolation.worker_isolation import WorkerProcessIsolation
from host.listener.bindings import EndpointRoutes, RoutingTable
from host.listener.context import RawDataHook
from host.listener.server import Listener
from host.logs.record import RecordParts, RefusalRecord, RequestRecord
from host.wire.codec import (
    FrameDecoder,
    decode_pipe_state,
    decode_request,
    encode,
    encode_end,
    encode_file,
    encode_log,
    encode_number,
    encode_pipe,
    encode_reset,
    encode_response,
)
from host.wire.control_messages import AnyMessage
from host.wire.frames import (
    NO_PIPE_LIMIT,
    SIDE_PACKET,
    Kind,
    LogFrame,
    PipeState,
    RequestFrame,
    ResponseFlag,
    ResponseFrame,
)

WAIT_SECONDS = 90.0
ResultT = TypeVar("ResultT")
MessageT = TypeVar("MessageT")


class MovableClock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.seconds + 1_000_000_000.0


class RecordingLog:
    """Keeps what the listener writes down; both kinds can be waited for."""

    def __init__(self) -> None:
        self.requests: queue.Queue[RequestRecord] = queue.Queue()
        self.refusals: queue.Queue[RefusalRecord] = queue.Queue()

    def request(self, record: RecordParts, log_file: LogFile) -> None:
        self.requests.put(RequestRecord._make(record))

    def refusal(self, record: RefusalRecord) -> None:
        self.refusals.put(record)

    def next_request(self) -> RequestRecord:
        return self.requests.get(timeout=WAIT_SECONDS)

    def next_refusal(self) -> RefusalRecord:
        return self.refusals.get(timeout=WAIT_SECONDS)


WITHOUT_READ_AHEAD = ListenerSettings(body_read_ahead_bytes=0)
"""Bodies come to workers in the pieces that a test sends."""


@dataclass
class Sizes:
    """What tests vary in the configuration."""

    queue_length: int = 1000
    balancer: str = "HttpLevel"
    replay: bool = True
    connection_timeout: int = 120
    header_wait: int = 0
    min_bytes_per_second: int = 240
    max_connections: int = 4294967295
    max_bandwidth: int = 4294967295
    max_global_bandwidth: int = 4294967295
    listener: ListenerSettings = WITHOUT_READ_AHEAD
    unix_path: str = ""
    tls: dict[str, BindingTls] = field(default_factory=dict)  # by host name of the site
    hsts: Hsts = field(default_factory=Hsts)
    log_file: LogFile = field(default_factory=LogFile)
    raw_data_hook: RawDataHook | None = None


def snapshot(port: int, sizes: Sizes, *, version: int = 1) -> Snapshot:
    """One site on every host name of 127.0.0.1, with `/` in pool A and `/shop` in pool B; another for named.example."""
    web_limits = WebLimits(
        connection_timeout_seconds=sizes.connection_timeout,
        header_wait_timeout_seconds=sizes.header_wait,
        min_bytes_per_second=sizes.min_bytes_per_second,
        max_global_bandwidth=sizes.max_global_bandwidth,
    )
    pools = tuple(
        Pool(
            name=name,
            queue_length=sizes.queue_length,
            load_balancer_capabilities=sizes.balancer,
            replay_idempotent_requests=sizes.replay,
        )
        for name in ("A", "B")
    )
    return Snapshot(
        version=version,
        path="/x",
        sites=_sites(port, sizes),
        pools=pools,
        web_limits=web_limits,
        listener=sizes.listener,
    )


def _sites(port: int, sizes: Sizes) -> tuple[Site, Site]:
    def binding(ip: str, host: str) -> Binding:
        tls = sizes.tls.get(host)
        return Binding(protocol="http" if tls is None else "https", ip=ip, port=port, host=host, tls=tls)

    limits = SiteLimits(
        connection_timeout_seconds=sizes.connection_timeout,
        max_connections=sizes.max_connections,
        max_bandwidth=sizes.max_bandwidth,
    )
    default = Site(
        name="Default Web Site",
        id=1,
        bindings=(
            binding("127.0.0.1", "127.0.0.1"),
            *([Binding(protocol="http", ip="", port=0, host="", path=sizes.unix_path)] if sizes.unix_path else []),
        ),
        applications=(_application(1, "/shop", "B"), _application(1, "/", "A")),
        limits=limits,
        hsts=sizes.hsts,
        log_file=sizes.log_file,
    )
    named = Site(
        name="Named",
        id=2,
        bindings=(binding("127.0.0.1" if sizes.tls else "", "named.example"),),
        applications=(_application(2, "/", "A"),),
        limits=limits,
    )
    return default, named


def _application(site: int, path: str, pool: str) -> Application:
    folder = VirtualDirectory(path="/", physical_path="/nowhere")
    return Application(site_id=site, site_name="x", path=path, pool_name=pool, virtual_directories=(folder,))


def routing(port: int, sizes: Sizes) -> EndpointRoutes:
    """The routes of that configuration at 127.0.0.1."""
    table = RoutingTable(Limits())
    table.configure(snapshot(port, sizes), WorkerProcessIsolation())
    return table.at("127.0.0.1", port)


class RunningListener:
    """A Listener in a thread, and what a test does to it."""

    def __init__(self, sizes: Sizes, loop: asyncio.AbstractEventLoop) -> None:
        self.sizes = sizes
        self.loop = loop
        self.clock = MovableClock()
        self.log = RecordingLog()
        self.messages: queue.Queue[AnyMessage] = queue.Queue()
        self.port = 0
        self.listener: Listener
        self._workers: list[TestWorker] = []
        self._clients: list[Client] = []

    def start(self) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.listener = Listener(
            self.loop,
            send=self.messages.put,
            log=self.log,
            clock=self.clock,
            raw_data_hook=self.sizes.raw_data_hook,
        )
        self.listener.configure(snapshot(self.port, self.sizes), WorkerProcessIsolation())
        self.listener.listen(f"127.0.0.1:{self.port}", listening)
        if self.sizes.unix_path:
            unix = socket.socket(socket.AF_UNIX)
            unix.bind(self.sizes.unix_path)
            unix.listen()
            self.listener.listen(f"unix:{self.sizes.unix_path}", unix)

    def configure(self) -> None:
        """Put `sizes` in force anew."""
        changed = snapshot(self.port, self.sizes, version=2)
        self.run(lambda: self.listener.configure(changed, WorkerProcessIsolation()))

    def run(self, function: Callable[[], ResultT]) -> ResultT:
        """Call it on the loop and wait for the result."""

        async def call() -> ResultT:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(WAIT_SECONDS)

    def drain(self, seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(self.listener.drain(seconds), self.loop).result(WAIT_SECONDS)

    def settle(self) -> None:
        """Let the loop go round until it has done with whatever its sockets had for it when this was called."""
        for _ in range(3):
            self.run(lambda: None)

    def pass_seconds(self, seconds: float) -> None:
        """Move the clock and let the listener look at it."""
        self.clock.seconds += seconds
        self.run(self.listener.tick)

    def worker(self, name: str = "A1", *, pool: str = "A", credit: int = 100) -> TestWorker:
        worker = TestWorker(name, self)
        self._workers.append(worker)
        self.run(lambda: self.listener.attach_worker(pool, name, 4711, *worker.front_ends))
        if credit:
            worker.send(encode_number(Kind.CREDIT, 0, credit))
        return worker

    def client(self, *, over_unix: bool = False) -> Client:
        client = Client(self, self.sizes.unix_path if over_unix else "")
        self._clients.append(client)
        return client

    def message(self, kind: type[MessageT]) -> MessageT:
        """The next message of that kind that the listener says; others before it are passed over."""
        while True:
            found = self.messages.get(timeout=WAIT_SECONDS)
            if isinstance(found, kind):
                return found

    def close(self) -> None:
        for worker in self._workers:
            worker.die()
        for client in self._clients:
            client.close()
        self.drain(0.0)


@contextmanager
def running_listener(sizes: Sizes | None = None, *, on_uvloop: bool = True) -> Iterator[RunningListener]:
    """A listener in a thread; everything is closed at the end, and the loop has nothing left to say."""
    loop = uvloop.new_event_loop() if on_uvloop else asyncio.new_event_loop()
    problems: list[Mapping[str, object]] = []
    loop.set_exception_handler(lambda _loop, context: problems.append(context))
    running = RunningListener(sizes or Sizes(), loop)
    loop.call_soon(running.start)
    is_up = threading.Event()
    loop.call_soon(is_up.set)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        assert is_up.wait(WAIT_SECONDS)
        yield running
    finally:
        running.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_SECONDS)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert not problems, problems


@contextmanager
def free_unix_path() -> Iterator[str]:
    """A path for a unix socket, short enough for the kernel wherever the tests keep their files."""
    with tempfile.TemporaryDirectory(prefix="isapy-") as folder:
        yield os.path.join(folder, "www.sock")


class Client:
    """A blocking client that sees bytes as they are."""

    def __init__(self, front: RunningListener, unix_path: str = "") -> None:
        if unix_path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(WAIT_SECONDS)
            self.socket.connect(unix_path)
        else:
            self.socket = socket.create_connection(("127.0.0.1", front.port), timeout=WAIT_SECONDS)
        self._front = front
        self._received = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_until_stalled(self, data: bytes) -> int:
        """Send as much of `data` as somebody takes; how much that was. The listener has read all that it wants."""
        sent = quiet = 0
        self.socket.setblocking(False)
        while sent < len(data) and quiet < 3:
            try:
                sent += self.socket.send(data[sent : sent + 65536])
                quiet = 0
            except BlockingIOError:
                self._front.settle()
                quiet = 0 if select.select([], [self.socket], [], 0.05)[1] else quiet + 1
        self.socket.settimeout(WAIT_SECONDS)
        return sent

    def get(self, target: str = "/", extra: str = "", method: str = "GET", version: str = "1.1") -> None:
        self.send(f"{method} {target} HTTP/{version}\r\nHost: 127.0.0.1\r\n{extra}\r\n".encode())

    def post(self, body: bytes, extra: str = "", target: str = "/") -> None:
        head = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
        self.send(head.encode() + body)

    def read_until(self, end: bytes) -> bytes:
        """Everything up to and with `end`."""
        while end not in self._received:
            data = self.socket.recv(65536)
            if not data:
                raise AssertionError(f"the connection ended after {self._received!r}")
            self._received += data
        at = self._received.index(end) + len(end)
        taken, self._received = self._received[:at], self._received[at:]
        return taken

    def read_bytes(self, count: int) -> bytes:
        while len(self._received) < count:
            data = self.socket.recv(65536)
            if not data:
                raise AssertionError(f"the connection ended after {len(self._received)} of {count} bytes")
            self._received += data
        taken, self._received = self._received[:count], self._received[count:]
        return taken

    def read_response(self) -> tuple[int, dict[str, str], bytes]:
        """(status, fields in lower case, body by Content-Length)."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        fields = {}
        for line in head[1:-2]:
            name, _, value = line.partition(": ")
            fields[name.lower()] = value
        body = self.read_bytes(int(fields.get("content-length", "0")))
        return int(head[0].split(" ")[1]), fields, body

    def read_to_end(self) -> bytes:
        """Everything until the server closes."""
        while data := self.socket.recv(65536):
            self._received += data
        taken, self._received = self._received, b""
        return taken

    def ends_in_silence(self) -> bool:
        """Whether the connection ends without another byte, however it ends."""
        try:
            return not self._received and not self.socket.recv(65536)
        except ConnectionResetError:
            return True

    def is_reset(self) -> bool:
        """Whether the connection ends by a reset (after whatever was sent before)."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            return True
        return False

    def close(self) -> None:
        self.socket.close()


class TestWorker:
    """The worker's end of a link, in the test's hands."""

    __test__ = False

    def __init__(self, name: str, listener: RunningListener) -> None:
        self.name = name
        self._listener = listener
        front, self.stream = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        front_side, self.side = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.front_ends = (front, front_side)
        self.stream.settimeout(WAIT_SECONDS)
        self._decoder = FrameDecoder()
        self._frames: list[tuple[Kind, int, bytes]] = []

    def next_frame(self) -> tuple[Kind, int, bytes]:
        while not self._frames:
            data = self.stream.recv(1 << 20)
            if not data:
                raise EOFError("the listener closed the link")
            self._frames += self._decoder.receive(data)
        return self._frames.pop(0)

    def take(self, kind: Kind) -> tuple[int, bytes]:
        """The next frame, which must be of that kind: (number, body)."""
        found, number, body = self.next_frame()
        assert found is kind, f"{found.name} instead of {kind.name}"
        return number, body

    def request(self) -> tuple[int, RequestFrame]:
        number, body = self.take(Kind.REQUEST)
        return number, decode_request(body)

    def has_nothing_to_do(self) -> bool:
        """Whether no frame is here now. The test has made sure that the listener has done what it had to do."""
        self.stream.setblocking(False)
        try:
            data = self.stream.recv(1 << 20, socket.MSG_PEEK)
        except BlockingIOError:
            return not self._frames
        finally:
            self.stream.settimeout(WAIT_SECONDS)
        return not data

    def is_left_alone(self) -> bool:
        """Whether the listener has read all that this worker has sent, and says nothing more: it waits for somebody
        else. That is no matter of time: what it has to do it does first."""
        for _ in range(3):
            while unread_by_peer(self.stream):
                self._listener.settle()
            self._listener.settle()
            if self._frames or select.select([self.stream], [], [], 0.05)[0]:
                return False
        return True

    def send(self, *frames: bytes) -> None:
        self.stream.sendall(b"".join(frames))

    def send_file(self, number: int, sequence: int, descriptor: int) -> None:
        """A descriptor over the side socket; the test keeps its own."""
        socket.send_fds(self.side, [SIDE_PACKET.pack(number, sequence)], [descriptor])

    def answer(self, number: int, body: bytes = b"hello", *, head: bytes = b"200 OK\r\n", flags: int = 0) -> None:
        """A whole response."""
        status = int(head[:3]) if head else 200
        frame = ResponseFrame(flags | ResponseFlag.COMPLETE, 1, status, 0, 0, head, body)
        self.send(encode_response(number, frame))

    def begin(self, number: int, body: bytes = b"", *, head: bytes = b"200 OK\r\n", flags: int = 0) -> None:
        status = int(head[:3]) if head else 200
        self.send(encode_response(number, ResponseFrame(flags, 0, status, 0, 0, head, body)))

    def data(self, number: int, data: bytes) -> None:
        self.send(encode(Kind.DATA, number, data))

    def end(self, number: int) -> None:
        self.send(encode_end(number, 1))

    def reset(self, number: int, status: int = 500, substatus: int = 0, reason: str = "because") -> None:
        self.send(encode_reset(number, status, substatus, 1, reason))

    def started(self, number: int) -> None:
        self.send(encode(Kind.STARTED, number))

    def file(self, number: int, sequence: int, offset: int, length: int) -> None:
        self.send(encode_file(number, sequence, offset, length))

    def pipe(self, number: int, sequence: int, descriptor: int, most_bytes: int = NO_PIPE_LIMIT) -> None:
        """Lend the reading end of a pipe; the test keeps its own."""
        self.send_file(number, sequence, descriptor)
        self.send(encode_pipe(number, sequence, most_bytes))

    def pipe_state(self) -> tuple[PipeState, int]:
        """The next frame, which says what has become of a pipe."""
        return decode_pipe_state(self.take(Kind.PIPE_STATE)[1])

    def log(self, number: int, frame: LogFrame) -> None:
        self.send(encode_log(number, frame))

    def grant_body(self, number: int, count: int) -> None:
        self.send(encode_number(Kind.BODY_WINDOW, number, count))

    def sees_end(self) -> bool:
        """Whether the listener has closed the link (what it sent before is passed over)."""
        try:
            while True:
                self.next_frame()
        except (EOFError, ConnectionResetError):
            return True

    def die(self) -> None:
        """As by SIGKILL: both sockets close at once."""
        self.stream.close()
        self.side.close()


def unread_by_peer(stream: socket.socket) -> int:
    """Bytes that were sent on a unix socket and that the other end has not read yet."""
    answer = fcntl.ioctl(stream.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    return int(struct.unpack("i", answer)[0])


def open_descriptors() -> int:
    """How many descriptors this process has open. Where a listener runs, to be called on its loop: once a second that
    has more of them for a moment (host.listener.descriptors)."""
    return len(os.listdir("/proc/self/fd"))
