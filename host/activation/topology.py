"""All processes of one process model: the front, and behind it pools or dllhosts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Final

from host.activation.children import Surroundings
from host.activation.dllhost_supervisor import DllhostSupervisor
from host.activation.front_group import FrontGroup, Sockets
from host.activation.front_supervisor import FrontSupervisor
from host.activation.pool_door import APP_OFFLINE, DISABLED
from host.activation.pool_supervisor import PoolSupervisor
from host.activation.pool_transitions import PoolEvent
from host.activation.recycling import RecycleReason
from host.activation.whole_server import WholeServer
from host.config.model import Snapshot
from host.isolation.placement import Slot, SlotRole
from host.isolation.process_model import ProcessModel
from host.wire.control_messages import Configure

_POOLS_SECONDS: Final = 30.0  # that what takes another one's place waits for its pools; a service is waited for for 120

# What a policy has shut down for a time (AppShutdown) starts: policies begin anew.
_EVENTS_OF_REASONS: Final = {DISABLED: PoolEvent.STOP, APP_OFFLINE: PoolEvent.FOUND_OFFLINE}


class Topology:
    """The running processes of one model. Built, started, reconfigured in place, and one day retired."""

    def __init__(self, model: ProcessModel, snapshot: Snapshot, configure: Configure, around: Surroundings) -> None:
        slots = model.slots(snapshot)
        self.model = model
        self.snapshot = snapshot
        self.pools: dict[str, PoolSupervisor] = {}
        self.dllhosts: dict[str, DllhostSupervisor] = {}
        self.front = FrontGroup(slots[0], around, configure)
        self.front.on_demand = self._demand
        self.front.on_worker_gone = self._worker_gone
        self.front.on_started = self._front_started
        self.front.on_worker_paused = self._worker_paused
        self._around = around
        self._configure = configure
        self._server = WholeServer(snapshot.web_limits, self._count_workers)
        self._retired_pools: list[PoolSupervisor] = []
        for slot in slots[1:]:
            self._add(slot)

    @property
    def every_pool(self) -> list[PoolSupervisor]:
        """The pools that are served, and those that a change has taken out and that have not ended yet."""
        self._retired_pools = [pool for pool in self._retired_pools if not pool.gone.done()]
        return [*self.pools.values(), *self._retired_pools]

    async def start(self, sockets: Sockets, why: str, pool_states: Mapping[str, str] | None = None) -> None:
        """Start the front and the pools' parents. Raises ConnectionAbortedError when the front cannot start.

        `pool_states` are those of what serves until this does: then the front comes last, when pools that take requests
        there can do so here, too. Raises ConnectionAbortedError for one that cannot."""
        self.front.configure(self._configure, sockets)
        if pool_states is None:
            self.front.start(why)
        for pool in self.pools.values():
            pool.start()
        if pool_states is not None:
            self.restore_pools(pool_states)  # before the front has heard of any pool
            await self._until_pools_can_start(pool_states)
            self.front.start(why)
        await self.front.until_ready()

    async def _until_pools_can_start(self, pool_states: Mapping[str, str]) -> None:
        """Nobody waits: what served before does so still. A pool that takes long, and has not failed, is not waited for
        any longer than that."""
        pools = [pool for name, pool in self.pools.items() if pool_states.get(name) == ""]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POOLS_SECONDS):
                await asyncio.gather(*(pool.has_settled.wait() for pool in pools))
        for pool in pools:
            if pool.refuse_reason or (pool.failure_count and not pool.has_settled.is_set()):
                raise ConnectionAbortedError(f"pool {pool.pool.name} can start no workers")

    def apply(
        self,
        snapshot: Snapshot,
        configure: Configure,
        sockets: Sockets,
        touched: Mapping[str, RecycleReason],
    ) -> None:
        """Another configuration of the same model: new pools first, then the front, then recycled and old pools."""
        self.snapshot, self._configure = snapshot, configure
        self._server.limits = snapshot.web_limits
        slots = {slot.name: slot for slot in self.model.slots(snapshot)[1:]}
        added = [slot for name, slot in slots.items() if name not in self.pools]
        for slot in added:
            self._add(slot)
            self.pools[slot.name].start()
        self.front.configure(configure, sockets)
        for name in [name for name in self.pools if name not in slots]:
            retired = self.pools.pop(name)
            self._retired_pools.append(retired)
            retired.retire()
        for name, slot in slots.items():
            if slot not in added:
                self.pools[name].apply(slot, snapshot.pool(name), configure, touched.get(name))

    @property
    def pool_states(self) -> dict[str, str]:
        """Pools by name: empty for those that take requests, else why they refuse them (HTTPERR's word)."""
        return {name: pool.refuse_reason for name, pool in self.pools.items()}

    def restore_pools(self, states: Mapping[str, str]) -> None:
        """Begin where another service has left off: what was started or stopped by hand, or failed rapidly."""
        for name, reason in states.items():
            pool = self.pools.get(name)
            if pool is not None and pool.refuse_reason != reason:
                pool.handle(_EVENTS_OF_REASONS.get(reason, PoolEvent.START))

    def tick(self) -> None:
        """Once a second."""
        self.front.tick()
        for pool in self.pools.values():
            pool.tick()

    async def retire(self, seconds: float, patience_seconds: float = 0.0) -> None:
        """End everything in order: the front finishes what it has, then workers, dllhosts and parents."""
        self.front.retire(seconds, patience_seconds)
        for pool in self.pools.values():
            pool.end_recycling()
        await self.front.gone
        pools = self.every_pool
        for pool in pools:
            pool.retire()
        for dllhost in self.dllhosts.values():
            dllhost.retire(seconds)
        futures = [each.gone for each in pools] + [each.gone for each in self.dllhosts.values()]
        if futures:
            await asyncio.wait(futures, timeout=seconds + 2.0)
            self.kill()
            await asyncio.wait(futures, timeout=5.0)

    def kill(self) -> None:
        """End everything at once."""
        self.front.kill()
        for pool in self.every_pool:
            if not pool.gone.done():
                pool.kill()
        for dllhost in self.dllhosts.values():
            if not dllhost.gone.done():
                dllhost.kill()

    def pids(self) -> Iterable[int]:
        """Process ids of everything that runs below the service."""
        yield from self.front.pids
        for pool in self.every_pool:
            yield pool.parent_pid
            for worker in (*pool.workers.values(), *pool.orphans.values()):
                yield worker.pid
        for dllhost in self.dllhosts.values():
            for process in dllhost.processes:
                yield process.pid

    def _add(self, slot: Slot) -> None:
        if slot.role is SlotRole.POOL:
            pool = self.snapshot.pool(slot.name)
            self.pools[slot.name] = PoolSupervisor(slot, pool, self._around, self.front, self._configure, self._server)
        else:
            self.dllhosts[slot.name] = DllhostSupervisor(slot, self._around, self.front, self._configure)
            self.front.queue_state(slot.name, "")

    def _count_workers(self) -> int:
        """Workers of all pools, those that drain included."""
        return sum(len(pool.workers) for pool in self.every_pool)

    def _demand(self, queue: str, workers: int) -> None:
        if queue in self.pools:
            self.pools[queue].demand(workers)
        elif queue in self.dllhosts:
            self.dllhosts[queue].demand()

    def _worker_gone(self, worker: str, broken: str) -> None:
        for pool in self.pools.values():
            if pool.worker_gone(worker, broken):
                return
        dllhost = self.dllhosts.get(worker)
        if dllhost is not None and broken:
            self._around.report("front-broken-link", f"{worker} broke the dialogue: {broken}", {})
            dllhost.end_process()

    def _worker_paused(self, worker: str, number: int, is_paused: bool) -> None:
        for pool in self.pools.values():
            if pool.worker_paused(worker, number, is_paused=is_paused):
                return

    def _front_started(self, front: FrontSupervisor) -> None:
        for pool in self.pools.values():
            pool.reattach(front)
        for dllhost in self.dllhosts.values():
            dllhost.reattach()
