"""Asks every process that runs plugins what it executes, and with which processes of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from host.activation.topology import Topology
from host.activation.worker_transitions import WorkerState
from host.wire.control_messages import Executing


async def ask_all(topology: Topology) -> list[tuple[str, str, Executing]]:
    """Pool (or the process's title, where there are no pools), name and answer of each, those further from the front
    last. Processes that do not answer in time are missing."""
    asked = list(_askable(topology))
    answers = await asyncio.gather(*(ask() for _, _, ask in asked), return_exceptions=True)
    found = []
    for (pool, name, _), answer in zip(asked, answers, strict=True):
        if isinstance(answer, Executing):
            found.append((pool, name, answer))
        elif not isinstance(answer, TimeoutError):
            raise answer
    return found


def _askable(topology: Topology) -> Iterator[tuple[str, str, Callable[[], Awaitable[Executing]]]]:
    if topology.model.front_runs_plugins:
        title = topology.front.slot.title
        yield title, title, topology.front.executing
    for pool_name, pool in topology.pools.items():
        for worker in pool.workers.values():
            if worker.state in (WorkerState.RUNNING, WorkerState.DRAINING) and not worker.is_lost:
                yield pool_name, worker.name, worker.executing
    for dllhost in topology.dllhosts.values():
        for process in dllhost.processes:
            if process.is_ready:
                yield dllhost.slot.title, dllhost.slot.title, process.executing
