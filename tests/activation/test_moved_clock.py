"""A supervisor over real processes whose surroundings are moved: the clock on the wall, the machine's memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from host.activation.children import Surroundings
from host.activation.headroom import MemoryFacts
from host.activation.supervisor import Supervisor
from host.config.store import build_snapshot, read_source
from host.processes.launcher import Launcher
from host.wire.control_messages import Configure
from tests.running_service import WAIT_SECONDS
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

SCHEDULE = '<recycling><periodicRestart><schedule><add value="03:30:00" /></schedule></periodicRestart></recycling>'


class World:
    """A supervisor with the pool Shop, its events in their order, and what its surroundings say."""

    def __init__(self, folder: Path, start_mode: str) -> None:
        config = write_site(folder)
        shop = f'<add name="Shop" startMode="{start_mode}">{SCHEDULE}</add>'
        config.write_text(config.read_text().replace('<add name="Shop" />', shop))
        self.wall = datetime(2025, 5, 2, 3, 29, 50)
        self.memory = MemoryFacts(private_kilobytes=100, available_kilobytes=10**6)
        self.events: list[tuple[str, str]] = []
        self.changed = asyncio.Event()
        around = Surroundings(
            asyncio.get_running_loop(),
            Launcher(asyncio.get_running_loop()),
            self._report,
            wall_clock=lambda: self.wall,
            memory_facts=lambda _pid: self.memory,
        )
        self._source = read_source(str(config))
        self.supervisor = Supervisor(around)

    async def start(self) -> None:
        """Everything runs, and the pool has one worker."""
        configure = Configure(version=1, path=self._source.path, text=self._source.text)
        await self.supervisor.start(build_snapshot(self._source, 1), configure, {})
        self.supervisor.topology.pools["Shop"].demand()  # what AlwaysRunning has done already
        await self.event("process-started", "worker Shop#1")

    async def event(self, event_id: str, words: str) -> str:
        """Wait for an event; gives its text."""
        while True:
            for found, text in self.events:
                if found == event_id and words in text:
                    return text
            self.changed.clear()
            await self.changed.wait()

    def place(self, event_id: str, words: str) -> int:
        """Where in the log that event stands."""
        return next(at for at, (found, text) in enumerate(self.events) if found == event_id and words in text)

    def _report(self, event_id: str, text: str, _fields: Mapping[str, str]) -> None:
        self.events.append((event_id, text))
        self.changed.set()


def run(folder: Path, start_mode: str, scenario: Callable[[World], Awaitable[None]]) -> None:
    """Start a world, play the scenario, end everything."""

    async def play() -> None:
        world = World(folder, start_mode)
        try:
            await world.start()
            await scenario(world)
        finally:
            await world.supervisor.stop(5.0)

    asyncio.run(asyncio.wait_for(play(), 3 * WAIT_SECONDS))


def test_a_worker_is_recycled_when_the_clock_on_the_wall_comes_to_the_schedule(tmp_path: Path) -> None:
    """Ten seconds later by that clock; the event names the time; the next day again."""

    async def scenario(world: World) -> None:
        world.wall += timedelta(seconds=10)
        assert "03:30" in await world.event("recycle-schedule", "Shop#1 is recycled")
        await world.event("process-ended", "Shop#1 has ended: recycled (periodicRestart/schedule lists 03:30")
        assert world.place("process-started", "Shop#2: replaces Shop#1") < world.place("process-ended", "Shop#1")
        world.wall += timedelta(days=1)
        await world.event("recycle-schedule", "Shop#2 is recycled")
        await world.event("process-ended", "Shop#2 has ended")

    run(tmp_path, "OnDemand", scenario)


def test_without_memory_for_two_workers_the_old_one_ends_before_the_next_one_starts(tmp_path: Path) -> None:
    """The event has the numbers; an AlwaysRunning pool starts the next one at once."""

    async def scenario(world: World) -> None:
        world.memory = MemoryFacts(private_kilobytes=5000, available_kilobytes=4999)
        world.wall += timedelta(seconds=10)
        text = await world.event("recycle-apart", "Shop#1")
        assert "5000 KB" in text
        assert "4999 KB" in text
        await world.event("process-started", "worker Shop#2")
        assert world.place("process-ended", "Shop#1") < world.place("process-started", "worker Shop#2")

    run(tmp_path, "AlwaysRunning", scenario)
