"""One pool with its real processes, and nothing in front of it: for what a whole service would hide."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from host.activation.children import Surroundings
from host.activation.front_group import FrontGroup
from host.activation.pool_supervisor import PoolSupervisor
from host.activation.whole_server import WholeServer
from host.config.model import Pool
from host.config.store import Source, build_snapshot
from host.isolation.selection import model_for
from host.processes.launcher import Launcher
from host.wire.control_messages import Configure
from tests.sample_site import write_site

WAIT_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.05


class PoolAlone:
    """A pool's supervisor over a real launcher; the front's process is never started. Keeps every event."""

    def __init__(
        self, config: Path, change_text: Callable[[bytes], bytes], change_pool: Callable[[Pool], Pool]
    ) -> None:
        source = Source(str(config), config.read_bytes(), "", 0)
        snapshot = build_snapshot(source, 1)
        loop = asyncio.get_running_loop()
        slots = {slot.name: slot for slot in model_for(snapshot.isolation_mode).slots(snapshot)}
        front, slot = next(iter(slots.values())), slots["DefaultAppPool"]
        self.configure = Configure(version=1, path=source.path, text=change_text(source.text), isolation="", port=0)
        self.events: list[tuple[str, str]] = []
        self._something = asyncio.Event()
        self.stopped_at: float | None = None  # the clock stands
        self.is_in_no_hurry = False
        self.told_in_no_hurry: list[str] = []  # ids of events
        launcher = Launcher(loop)
        self.around = Surroundings(loop, launcher, self._report, self._clock, in_no_hurry=self._in_no_hurry)
        pool = change_pool(snapshot.pool("DefaultAppPool"))
        self.others = 0  # workers of other pools
        server = WholeServer(snapshot.web_limits, lambda: self.others + len(self.pool.workers))
        self.pool = PoolSupervisor(
            slot, pool, self.around, FrontGroup(front, self.around, self.configure), self.configure, server
        )

    def _clock(self) -> float:
        return time.monotonic() if self.stopped_at is None else self.stopped_at

    @contextlib.contextmanager
    def _in_no_hurry(self) -> Iterator[None]:
        before, self.is_in_no_hurry = self.is_in_no_hurry, True
        try:
            yield
        finally:
            self.is_in_no_hurry = before

    def _report(self, event_id: str, text: str, _fields: object) -> None:
        self.events.append((event_id, text))
        if self.is_in_no_hurry:
            self.told_in_no_hurry.append(event_id)
        self._something.set()

    def told(self, event_id: str) -> list[str]:
        """The sentences of that event so far."""
        return [text for name, text in self.events if name == event_id]

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until the condition holds; it is asked after every event, and now and then for what makes none."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not condition():
                    self._something.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._something.wait(), _LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise AssertionError(f"waited for {what}; the events are {self.events}") from None

    async def until_told(self, event_id: str, count: int) -> None:
        """Wait until there were so many of that event."""
        await self.until(lambda: len(self.told(event_id)) >= count, f"{count} times {event_id}")


@asynccontextmanager
async def pool_alone(
    folder: Path,
    *,
    change_text: Callable[[bytes], bytes] = lambda text: text,
    change_pool: Callable[[Pool], Pool] = lambda pool: pool,
) -> AsyncIterator[PoolAlone]:
    """The pool of the sample site, not started yet. `change_text` breaks what its processes read, `change_pool` what
    the supervisor goes by. Ended afterwards, with nothing left over."""
    alone = PoolAlone(write_site(folder), change_text, change_pool)
    try:
        yield alone
    finally:
        alone.pool.kill()
        alone.pool.retire()
        async with asyncio.timeout(WAIT_SECONDS):
            await alone.pool.gone
