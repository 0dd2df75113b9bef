"""The rows of `isapy list sites`, `pools`, `workers` and `plugins`, from what the supervisors know."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from host.activation.dllhost_supervisor import DllhostProcess
from host.activation.pool_supervisor import PoolSupervisor
from host.activation.site_states import SiteStatus, shown
from host.activation.topology import Topology
from host.activation.worker_transitions import WorkerState
from host.admin import cache_messages, commands, filter_messages
from host.processes.console import site_urls
from host.processes.process_facts import ProcessFacts, facts_of
from host.wire.cache_messages import CacheContents, CacheRow
from host.wire.control_messages import Pong
from host.wire.message_rows import FilterRow, PluginRow, RequestRow

_COUNTERS_SECONDS: Final = 0.5
_MOST_CACHE_TEXT: Final = 10 * 1024 * 1024  # bytes; what else is in the rows comes beside


def site_row(status: SiteStatus) -> commands.SiteRow:
    """One site as it is now."""
    site = status.site
    applications = [
        commands.ApplicationRow(
            path=each.path, pool=each.pool_name, isolation=each.isolation.value, physical_path=each.physical_path
        )
        for each in site.applications
    ]
    root = next((each for each in site.applications if each.path == "/"), None)
    return commands.SiteRow(
        id=site.id,
        name=site.name,
        state=status.state.value,
        reason=status.reason,
        bindings=[shown(each) for each in site.bindings],
        urls=site_urls(site) if status.is_bound else [],
        applications=applications,
        physical_path=root.physical_path if root is not None else "",
    )


def pool_rows(topology: Topology, requests: Iterable[RequestRow]) -> list[commands.PoolRow]:
    """Every pool in use; `requests` are those under way."""
    queued = waiting_by_queue(requests)
    return [_pool_row(pool, queued[pool.slot.name]) for pool in topology.pools.values()]


def waiting_by_queue(requests: Iterable[RequestRow]) -> Counter[str]:
    """How many wait in each queue; whose body is still being collected is in none."""
    return Counter(row.queue for row in requests if row.pipeline_state == "Queued")


def _pool_row(pool: PoolSupervisor, queued: int) -> commands.PoolRow:
    return commands.PoolRow(
        name=pool.pool.name,
        state=pool.state.value,
        reason=pool.refuse_reason,
        workers=len(pool.workers),
        max_processes=pool.max_processes,
        requests_queued=queued,
        queue_length=pool.pool.queue_length,
        start_mode=pool.pool.start_mode,
        pipeline_mode=pool.pool.managed_pipeline_mode,
        failures=pool.failure_count,
        last_recycle=pool.last_recycle,
        last_recycle_seconds=pool.last_recycle_seconds,
    )


async def worker_rows(topology: Topology, requests: Iterable[RequestRow]) -> list[commands.WorkerRow]:
    """Every process that has requests, with counters of this moment; one that does not answer is shown as it was."""
    dllhosts = [process for dllhost in topology.dllhosts.values() for process in dllhost.processes]
    counters, _ = await asyncio.gather(_dllhost_counters(dllhosts), _ask_workers(topology))
    facts = await asyncio.to_thread(facts_of, list(topology.pids()))
    rows = list(_pool_workers(topology, facts))
    if topology.model.front_runs_plugins:
        front = topology.front
        in_hand = sum(1 for row in requests if row.worker)
        state = "Running" if front.is_ready else "Starting"
        rows.append(_iis5_row(front.slot.title, front.pids[0], state, facts, None, in_hand))
    for process in dllhosts:
        state = "Stopping" if process.is_leaving else "Running" if process.is_ready else "Starting"
        pong = counters.get(process.pid)
        served, in_hand_there = (None, None) if pong is None else (pong.requests_served, pong.requests_in_hand)
        rows.append(_iis5_row(process.slot.title, process.pid, state, facts, served, in_hand_there))
    return rows


def _pool_workers(topology: Topology, facts: Mapping[int, ProcessFacts]) -> Iterator[commands.WorkerRow]:
    for pool in topology.pools.values():
        for worker in (*pool.workers.values(), *pool.orphans.values()):
            known, process = worker.facts(pool.now), facts.get(worker.pid, ProcessFacts())
            is_orphan = worker.state is WorkerState.ORPHANED  # the pool's recycles have passed it by
            yield commands.WorkerRow(
                process_id=worker.pid,
                name=worker.name,
                pool=pool.pool.name,
                state=worker.state.value,
                requests_served=worker.requests_served,
                requests_in_hand=worker.requests_in_hand,
                age_seconds=known.now - known.started_at,
                idle_seconds=known.idle_seconds,
                memory_kilobytes=process.resident_kilobytes,
                private_kilobytes=process.private_kilobytes,
                address_space_kilobytes=process.address_space_kilobytes,
                processor_seconds=process.processor_seconds,
                why_started=worker.why_started,
                last_recycle="" if is_orphan else pool.last_recycle,
                last_recycle_seconds=None if is_orphan else pool.last_recycle_seconds,
            )


def _iis5_row(
    title: str, pid: int, state: str, facts: Mapping[int, ProcessFacts], served: int | None, in_hand: int | None
) -> commands.WorkerRow:
    """inetinfo or a dllhost, the workers of IIS 5 isolation mode: nothing recycles them, and they belong to no pool."""
    process = facts.get(pid, ProcessFacts())
    return commands.WorkerRow(
        process_id=pid,
        name=title,
        pool="",
        state=state,
        requests_served=served,
        requests_in_hand=in_hand,
        idle_seconds=None,
        age_seconds=process.age_seconds,
        memory_kilobytes=process.resident_kilobytes,
        private_kilobytes=process.private_kilobytes,
        address_space_kilobytes=process.address_space_kilobytes,
        processor_seconds=process.processor_seconds,
    )


async def _dllhost_counters(processes: Iterable[DllhostProcess]) -> dict[int, Pong]:
    """By process id; nobody pings a dllhost otherwise."""
    ready = [process for process in processes if process.is_ready]
    answers = await asyncio.gather(*(process.counters(_COUNTERS_SECONDS) for process in ready), return_exceptions=True)
    return {process.pid: pong for process, pong in zip(ready, answers, strict=True) if isinstance(pong, Pong)}


async def _ask_workers(topology: Topology) -> None:
    """Have every worker tell its counters now."""
    waiting = []
    for pool in topology.pools.values():
        for worker in pool.workers.values():
            if worker.state is WorkerState.RUNNING and not worker.is_lost:
                if worker.last_pong_at >= worker.last_ping_at:  # or a ping is on its way, and its time limit runs
                    worker.ping(pool.now)
                waiting.append(asyncio.ensure_future(worker.answered.wait()))
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=_COUNTERS_SECONDS)
        for wait in late:
            wait.cancel()


def plugin_rows(topology: Topology) -> list[commands.PluginRow]:
    """Every plugin of every pool or process, once: workers of one pool have loaded the same."""
    rows: dict[tuple[str, str, str], commands.PluginRow] = {}
    for pool, row in _loaded(topology):
        key = (pool, row.family, row.name)
        rows[key] = commands.PluginRow(
            name=row.name, family=row.family, path=row.path, state=row.state, detail=row.detail, pool=pool
        )
    return [rows[key] for key in sorted(rows)]


def fitting(rows: Sequence[CacheRow]) -> Iterator[CacheRow]:
    """Those that fit into one answer: clients choose what is long in them."""
    left = _MOST_CACHE_TEXT
    for row in rows:
        left -= len(row.url.encode()) + len(row.variant.encode())
        if left < 0:
            return
        yield row


def cache_reply(topology: Topology, contents: CacheContents) -> cache_messages.Cache:
    """What the front has said of its cache, with the sites' names."""
    names = {site.id: site.name for site in topology.snapshot.sites}
    rows = [
        cache_messages.CacheRow(
            url=row.url,
            site=names.get(row.site_id, ""),
            status=row.status,
            size=row.size,
            hits=row.hits,
            age=row.age,
            expires_in=row.expires_in,
            worker=row.worker,
            variant=row.variant,
        )
        for row in fitting(contents.rows)
    ]
    return cache_messages.Cache(rows=rows, entries=contents.entries, size=contents.size)


def filter_rows(topology: Topology) -> list[filter_messages.FilterRow]:
    """The filters of every site, once for each pool or process: its workers have the same."""
    rows = {
        (row.site, pool, row.place): filter_messages.FilterRow(
            pool=pool, **{name: getattr(row, name) for name in row.__struct_fields__}
        )
        for pool, filters in _filters(topology)
        for row in filters
    }
    return [rows[key] for key in sorted(rows)]


def _filters(topology: Topology) -> Iterator[tuple[str, list[FilterRow]]]:
    yield topology.front.slot.title, topology.front.plugins.filters
    for pool in topology.pools.values():
        for worker in pool.workers.values():
            yield pool.pool.name, worker.filters


def _loaded(topology: Topology) -> Iterator[tuple[str, PluginRow]]:
    """(pool or process, row) of every process that runs plugins."""
    for row in topology.front.plugins.rows:
        yield topology.front.slot.title, row
    for pool in topology.pools.values():
        for worker in pool.workers.values():
            for row in worker.plugins:
                yield pool.pool.name, row
    for dllhost in topology.dllhosts.values():
        for row in dllhost.current.plugins if dllhost.current is not None else ():
            yield dllhost.slot.title, row
