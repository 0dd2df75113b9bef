"""Two real listeners as one front: what a worker is told by each, and what is made of their answers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from host.activation.children import Surroundings
from host.activation.front_group import FrontGroup
from host.activation.front_supervisor import FrontSupervisor
from host.config.store import build_snapshot, read_source
from host.isolation.selection import model_for
from host.processes.control_channel import ControlChannel
from host.processes.launcher import Launcher
from host.wire.codec import encode_number
from host.wire.control_messages import AnyMessage, AttachLink, Configure
from host.wire.frames import Kind
from tests.sample_site import write_site

WAIT_SECONDS = 60.0
POOL = "DefaultAppPool"


class Bench:
    """The group over a real launcher, and this test in the place of the service and of one worker."""

    def __init__(self, folder: Path) -> None:
        loop = asyncio.get_running_loop()
        self.sockets = [socket.create_server(("127.0.0.1", 0), reuse_port=True)]
        self.sockets.append(socket.create_server(self.sockets[0].getsockname(), reuse_port=True))
        self.port = self.sockets[0].getsockname()[1]
        source = read_source(str(write_site(folder)), "", self.port)
        snapshot = build_snapshot(source, 1)
        slot = replace(model_for(snapshot.isolation_mode).slots(snapshot)[0], instances=2)
        around = Surroundings(loop, Launcher(loop), self._report)
        self._configure = Configure(version=1, path=source.path, text=source.text, port=self.port)
        self.group = FrontGroup(slot, around, self._configure)
        self.group.on_started = self._front_started
        self.group.on_worker_paused = lambda worker, number, is_paused: self._note("paused", worker, number, is_paused)
        self.group.on_worker_gone = lambda worker, broken: self._note("gone", worker, broken)
        self.group.on_demand = lambda queue, _workers: self._note("demand", queue)
        self.told: list[tuple[object, ...]] = []
        self.links: dict[int, tuple[socket.socket, socket.socket]] = {}  # the worker's, by the front's place
        self._changed = asyncio.Event()
        self._channel, theirs = around.launcher.channel_pair()
        self._workers_end = ControlChannel(theirs)
        self._workers_end.attach(loop, self._attached, lambda _why: None)

    async def start(self) -> None:
        """Both listeners run, and each has a link to the worker that grants it two requests."""
        self.group.configure(self._configure, {f"127.0.0.1:{self.port}": self.sockets})
        self.group.start("a test")
        await self.group.until_ready()
        await self.until(lambda: len(self.links) == 2)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that has been told makes it true."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def close(self) -> None:
        """End everything."""
        self.group.kill()
        await self.group.gone
        for channel in (self._channel, self._workers_end):
            channel.close()
        for one in (*self.sockets, *(end for link in self.links.values() for end in link)):
            one.close()

    async def request_arrives(self) -> tuple[socket.socket, int]:
        """A client asks; gives its connection, and the place of the front that has handed the request to the worker."""
        loop = asyncio.get_running_loop()
        client = socket.create_connection(("127.0.0.1", self.port))
        client.sendall(b"GET /a.where HTTP/1.1\r\nHost: x\r\n\r\n")
        found: asyncio.Future[int] = loop.create_future()
        for place, (stream, _) in self.links.items():
            loop.add_reader(stream.fileno(), found.set_result, place)
        async with asyncio.timeout(WAIT_SECONDS):
            place = await found
        for stream, _ in self.links.values():
            loop.remove_reader(stream.fileno())
        assert self.links[place][0].recv(65536)
        return client, place

    def _front_started(self, front: FrontSupervisor) -> None:
        front.attach(POOL, "W#1", os.getpid(), self._channel)

    def _attached(self, message: AnyMessage, descriptors: list[int]) -> None:
        assert isinstance(message, AttachLink)
        assert message.fronts == 2
        for end in self.links.pop(message.place, ()):
            end.close()
        stream, side = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        stream.send(encode_number(Kind.CREDIT, 0, 2))
        self.links[message.place] = stream, side
        self._changed.set()

    def _note(self, *fact: object) -> None:
        self.told.append(fact)
        self._changed.set()

    def _report(self, event_id: str, _text: str, _fields: Mapping[str, str]) -> None:
        self._note(event_id)


@pytest.mark.slow
def test_a_worker_is_let_go_of_only_by_all_and_lost_only_with_the_last(tmp_path: Path) -> None:
    """It may sleep when both have said so; a request that one of them has keeps it awake, and is counted while the
    other is started again. Meanwhile the one accepts for both. A listener that retires before the other takes no
    worker along."""

    async def main() -> None:
        bench = Bench(tmp_path)
        try:
            await bench.start()
            await _play(bench)
        finally:
            await bench.close()

    asyncio.run(asyncio.wait_for(main(), 3 * WAIT_SECONDS))


def refusals(port: int, count: int) -> list[bytes]:
    """What so many clients get who ask for nothing that makes sense: the kernel deals them to both sockets."""
    found = []
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as client:
            client.sendall(b"nonsense\r\n\r\n")
            found.append(client.recv(12))
    return found


async def _play(bench: Bench) -> None:
    group = bench.group
    assert [front.slot.title for front in group.fronts] == ["listener 1", "listener 2"]
    group.pause("W#1", 1)
    await bench.until(lambda: ("paused", "W#1", 1, True) in bench.told)
    group.resume("W#1")
    client, busy = await bench.request_arrives()
    with client:
        group.pause("W#1", 2)
        await bench.until(lambda: ("paused", "W#1", 2, False) in bench.told)
        group.resume("W#1")
        (row,) = await group.requests()
        assert row.request_id.endswith(f"-{row.connection_id}-{busy + 1}")  # numbers go up in twos
        assert (await group.cache()).entries == await group.flush_cache(0, "") == 0

        first, links = group.pids[1 - busy], dict(bench.links)
        os.kill(first, signal.SIGKILL)
        await bench.until(lambda: "process-died" in [fact[0] for fact in bench.told])
        assert refusals(bench.port, 20) == [b"HTTP/1.1 400"] * 20  # this loop stands: nobody is started meanwhile
        assert [one.request_id for one in await group.requests()] == [row.request_id]
        await bench.until(lambda: bench.links[1 - busy] is not links[1 - busy])
        assert bench.links[busy] is links[busy]
        assert group.is_ready
        assert first not in group.pids

        group.retire(WAIT_SECONDS)
        await group.fronts[1 - busy].gone
        assert bench.links[1 - busy][0].recv(65536)  # DRAIN
        assert not group.gone.done()
    await group.gone
    paused = [fact for fact in bench.told if fact[0] == "paused"]
    assert [fact[2:] for fact in paused] == [(1, True), (2, False)]
    assert [fact for fact in bench.told if fact[0] == "gone"] == [("gone", "W#1", "")]
