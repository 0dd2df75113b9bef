"""Whole topologies over real processes: one takes another's place, or cannot, or is interrupted in the middle of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from host.activation.children import Surroundings
from host.activation.front_group import FrontGroup
from host.activation.supervisor import Supervisor
from host.config.store import build_snapshot, read_source
from host.processes.launcher import Launcher
from host.wire.control_messages import Configure
from tests.sample_site import write_site

pytestmark = pytest.mark.slow
WAIT_SECONDS = 60.0
DIES = """\
import os
from host.api import hookimpl

@hookimpl
def load(context):
    os._exit(9)
"""


class Bench:
    """A supervisor over a real launcher, and this test in the place of the service; its clock stands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0
        self.events: list[tuple[str, str]] = []
        self.loop = asyncio.get_running_loop()
        self._something = asyncio.Event()
        self.sockets = [socket.create_server(("127.0.0.1", 0))]
        port = self.sockets[0].getsockname()[1]
        source = read_source(str(write_site(folder, mode="IIS5")), "", port)
        self.snapshot = build_snapshot(source, 1)
        self.configure = Configure(version=1, path=source.path, text=source.text, port=port)
        self.by_endpoint = {f"127.0.0.1:{port}": self.sockets}
        around = Surroundings(self.loop, Launcher(self.loop), self._report, clock=lambda: self.now)
        self.supervisor = Supervisor(around)

    @property
    def front(self) -> FrontGroup:
        return self.supervisor.topology.front

    async def start(self) -> None:
        await self.supervisor.start(self.snapshot, self.configure, self.by_endpoint)

    async def replace(self, front: FrontGroup | None = None) -> FrontGroup:
        """The front asks for another one; gives the one that serves then."""
        await self.supervisor.replace_front(front or self.front, "it says so", self.configure, self.by_endpoint)
        return self.front

    def told(self, event_id: str) -> list[str]:
        return [text for name, text in self.events if name == event_id]

    async def until_started(self, count: int) -> None:
        """Wait until so many processes have been started: they are not ready by then."""
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self.told("process-started")) < count:
                self._something.clear()
                await self._something.wait()

    def _report(self, event_id: str, text: str, _fields: object) -> None:
        self.events.append((event_id, text))
        self._something.set()


@asynccontextmanager
async def bench_of(folder: Path) -> AsyncIterator[Bench]:
    """Started, and ended with everything below it."""
    before = set(psutil.Process().children(recursive=True))
    bench = Bench(folder)
    try:
        await bench.start()
        yield bench
    finally:
        await bench.supervisor.stop(0.0)
        for each in bench.sockets:
            each.close()
    assert set(psutil.Process().children(recursive=True)) <= before, "processes are left over"
    assert not bench.supervisor.pids()


def test_a_front_is_replaced_at_its_own_wish_once_in_nine_seconds(tmp_path: Path) -> None:
    """Whoever asks asks again: what ends each new front at once must not keep the machine busy."""

    async def scene() -> None:
        async with bench_of(tmp_path) as bench:
            first = bench.front
            second = await bench.replace()
            assert second is not first
            assert await bench.replace() is second
            bench.now += 8.9
            assert await bench.replace() is second
            bench.now += 0.1
            assert await bench.replace(first) is second  # that one was replaced long ago
            assert await bench.replace() is not second

    asyncio.run(scene())


def test_a_front_that_cannot_be_replaced_serves_on(tmp_path: Path) -> None:
    """No configuration has been refused: the event says what was to be done, and why it was not."""

    async def scene() -> None:
        async with bench_of(tmp_path) as bench:
            first = bench.front
            (tmp_path / "extensions" / "dies.py").write_text(DIES)
            assert await bench.replace() is first
            (told,) = bench.told("front-not-replaced")
            assert "inetinfo was to be replaced (it says so)" in told
            assert "exit code 9" in told
            await bench.supervisor.plugins_changed("dies.py", bench.configure, bench.by_endpoint)
            assert bench.front is first
            assert "(plugin files changed: dies.py)" in bench.told("front-not-replaced")[1]
            assert not bench.told("configuration-refused")
            died = bench.told("process-died")
            assert all(text.endswith("before it was ready") for text in died)
            assert len(died) == 2

    asyncio.run(scene())


def test_an_interrupted_replacement_leaves_no_process(tmp_path: Path) -> None:
    """The service ends while another front starts: what changes are made by is cancelled."""

    async def scene() -> None:
        async with bench_of(tmp_path) as bench:
            before = len(bench.told("process-started"))
            task = bench.loop.create_task(bench.replace())
            await bench.until_started(before + 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(scene())


def test_nothing_takes_over_while_everything_ends(tmp_path: Path) -> None:
    """A replacement that is ready when the end has begun ends with the rest, and none is begun any more, although the
    front has a request to finish."""

    async def scene() -> None:
        async with bench_of(tmp_path) as bench:
            first, before = bench.front, len(bench.told("process-started"))
            with socket.create_connection(bench.sockets[0].getsockname()) as client:
                client.sendall(b"POST /a.echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n")
                assert (await bench.loop.run_in_executor(None, client.recv, 100)).startswith(b"HTTP/1.1 200 ")
                task = bench.loop.create_task(bench.replace())
                await bench.until_started(before + 1)
                ending = bench.loop.create_task(bench.supervisor.stop(WAIT_SECONDS))
                assert await task is first
                bench.now += 100.0
                assert await bench.replace() is first
                assert not first.gone.done()
                assert len(bench.told("process-started")) == before + 1
            await ending

    asyncio.run(scene())
