"""Turns a configuration into running processes: starts, changes, switches and ends whole topologies.

One topology serves at a time; one that was replaced (a mode switch, any change in IIS 5 isolation mode, a listener that
has given up what it would need now, another number of listeners) finishes its requests beside the new one, which
accepts on the same listening sockets: no connection is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from host.activation.children import Surroundings
from host.activation.front_group import FrontGroup, Sockets
from host.activation.recycling import RecycleReason
from host.activation.script_totals import ScriptTotals
from host.activation.topology import Topology
from host.config.diff import Difference
from host.config.model import Snapshot
from host.isolation.selection import model_for
from host.wire.control_messages import Configure

_TICK_SECONDS: Final = 1.0
_REPLACEMENT_SECONDS: Final = 9.0  # inetinfo asks every ten
_PATIENCE_SECONDS: Final = 5.0  # how long idle connections of a replaced front may still begin a request


class NotReplaced(Exception):
    """The processes that were to take over could not start; the text says why. Those of before serve on."""


class Supervisor:
    """What the service runs. `start` first, `stop` last. `on_unhealthy(front, reason)`: call `replace_front`."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._topology: Topology | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._old: list[Topology] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._next_replacement_at = 0.0  # monotonic: not before that because a front has asked for it
        self.on_unhealthy: Callable[[FrontGroup, str], None] = lambda _front, _reason: None

    @property
    def topology(self) -> Topology:
        """The one that serves."""
        assert self._topology is not None, "the supervisor has been started"
        return self._topology

    @property
    def front_count(self) -> int:
        """How many processes accept connections side by side."""
        return self.topology.front.slot.instances

    @property
    def scripts(self) -> ScriptTotals:
        """What has been counted of scripts since the service started."""
        return self._around.scripts

    @property
    def is_well(self) -> bool:
        """Whether what serves has given a sign of life lately."""
        return self._topology is not None and self._topology.front.is_well

    @property
    def _topologies(self) -> list[Topology]:
        """The one that serves, and those that are being replaced (at the end it is among these)."""
        return list(dict.fromkeys([*self._old, *([self._topology] if self._topology else [])]))

    async def start(
        self,
        snapshot: Snapshot,
        configure: Configure,
        sockets: Sockets,
        pool_states: Mapping[str, str] | None = None,
    ) -> None:
        """Start everything. Raises ConnectionAbortedError when the front cannot start.

        `pool_states` are those of a service whose place this one takes (`Topology.pool_states`)."""
        self._topology = self._built(snapshot, configure)
        await self._topology.start(sockets, "the service starts", pool_states)
        self._tick()

    async def change(self, snapshot: Snapshot, configure: Configure, sockets: Sockets, difference: Difference) -> None:
        """Another configuration is in force. Raises NotReplaced; then the one before it serves on."""
        model, before = model_for(snapshot.isolation_mode), self.topology.model
        covers = self.topology.front.slot.covers(model.slots(snapshot)[0])
        if difference.isolation_changed or not model.has_pool_policies or not covers:
            await self._replace(snapshot, configure, sockets, "the configuration changed")
            if difference.isolation_changed:
                text = f"from {before.mode.value} to {model.mode.value} isolation"
                self._around.report("isolation-switched", text, {})
            return
        touched = {name: RecycleReason("recycle-config-change", why) for name, why in difference.touched_pools.items()}
        self.topology.apply(snapshot, configure, sockets, touched)

    def tell_certificates(self) -> None:
        """A certificate's file has changed: the front hears what it holds now."""
        self.topology.front.tell_certificates()

    async def set_sites(self, started: list[int], sockets: Sockets) -> bool:
        """The bindings of these sites count from now on, and no others; false when the front did not confirm it yet.

        Fronts that are being replaced are told, too: their open connections may still ask."""
        fronts = [topology.front for topology in (self.topology, *self._old)]
        outcomes = await asyncio.gather(
            *(front.set_sites(started, sockets) for front in fronts), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, TimeoutError):
                raise outcome
        return not isinstance(outcomes[0], TimeoutError)

    async def plugins_changed(self, files: str, configure: Configure, sockets: Sockets) -> None:
        """Plugin files were saved: every process that runs plugins is replaced, without losing a request."""
        topology = self.topology
        if topology.model.front_runs_plugins:
            await self._try_to_replace(configure, sockets, f"plugin files changed: {files}")
            return
        reason = RecycleReason("recycle-plugin-change", f"plugin files changed: {files}")
        for pool in topology.pools.values():
            pool.recycle(reason)

    async def replace_front(self, front: FrontGroup, why: str, configure: Configure, sockets: Sockets) -> None:
        """That front cannot do its work any more: another one takes its place, without losing a request. Nothing is
        done when that has happened meanwhile, when everything ends, or when it has been done just before: whoever asks
        asks again, and what ends each new front at once must not keep the machine busy."""
        if front is not self.topology.front or front.gone.done() or self._is_stopping:
            return
        now = self._around.clock()
        if now >= self._next_replacement_at:
            self._next_replacement_at = now + _REPLACEMENT_SECONDS
            await self._try_to_replace(configure, sockets, why)

    async def stop(self, seconds: float, *, is_succeeded: bool = False) -> None:
        """End everything in order; what is left after `seconds` is killed.

        `is_succeeded`: another service accepts on the same sockets, so idle connections are given patience."""
        self._is_stopping = True
        if self._timer is not None:
            self._timer.cancel()
        if self._topology is not None:
            self._retire(self._topology, seconds, _PATIENCE_SECONDS if is_succeeded else 0.0)
        while self._retiring:
            await asyncio.wait(set(self._retiring))

    def pids(self) -> set[int]:
        """Process ids of everything that runs below the service, also of topologies that are being replaced."""
        return {pid for topology in self._topologies for pid in topology.pids() if pid}

    def kill(self) -> None:
        """End everything at once."""
        for topology in self._topologies:
            topology.kill()

    def _built(self, snapshot: Snapshot, configure: Configure) -> Topology:
        topology = Topology(model_for(snapshot.isolation_mode), snapshot, configure, self._around)
        topology.front.on_unhealthy = lambda reason: self.on_unhealthy(topology.front, reason)
        return topology

    async def _try_to_replace(self, configure: Configure, sockets: Sockets, why: str) -> None:
        """The same configuration, by other processes: where that does not succeed nothing has changed but an event."""
        try:
            await self._replace(self.topology.snapshot, configure, sockets, why)
        except NotReplaced as error:
            text = f"{self.topology.front.slot.title} was to be replaced ({why}): {error}; the one before it serves on"
            self._around.report("front-not-replaced", text, {})

    async def _replace(self, snapshot: Snapshot, configure: Configure, sockets: Sockets, why: str) -> None:
        """Raises NotReplaced."""
        old = self.topology
        new = self._built(snapshot, configure)
        try:
            await new.start(sockets, why, old.pool_states)
        except ConnectionAbortedError as error:
            self._retire(new, 0.0)
            raise NotReplaced(f"the new processes could not start: {error}") from error
        except BaseException:  # cancelled, as the service ends: its processes must not be lost sight of
            self._retire(new, 0.0)
            raise
        if self._is_stopping:  # what served is being retired already
            self._retire(new, 0.0)
            return
        self._topology = new
        self._retire(old, float(old.snapshot.longest_shutdown_seconds), _PATIENCE_SECONDS)

    def _retire(self, topology: Topology, seconds: float, patience_seconds: float = 0.0) -> None:
        self._old.append(topology)
        task = self._around.loop.create_task(topology.retire(seconds, patience_seconds))
        self._retiring.add(task)

        def has_gone(done: asyncio.Task[None]) -> None:
            self._retiring.discard(done)
            self._old.remove(topology)
            done.result()

        task.add_done_callback(has_gone)

    def _tick(self) -> None:
        self.topology.tick()
        self._timer = self._around.loop.call_later(_TICK_SECONDS, self._tick)
