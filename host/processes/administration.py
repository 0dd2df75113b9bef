"""Answers the administrator's commands from what the supervisor knows."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import psutil

from host import __version__
from host.activation.pool_supervisor import PoolSupervisor
from host.activation.pool_transitions import PoolEvent, PoolState
from host.activation.recycling import RecycleReason
from host.activation.site_states import SiteStatus, shown
from host.activation.supervisor import Supervisor
from host.activation.topology import Topology
from host.activation.worker_transitions import WorkerState
from host.admin import commands
from host.admin.commands import Command, Failed, Reply
from host.config.model import Snapshot
from host.processes.console import processes, site_urls
from host.processes.site_control import SiteControl, SiteRefused
from host.wire.message_rows import PluginRow, RequestRow

_NO_POOLS: Final = "isapy runs in IIS 5 isolation mode, which has no application pools"
_SWITCH_REMEDY: Final = 'switch with <isolation mode="WorkerProcess" /> or --isolation workerprocess'
_END_WAIT_SECONDS: Final = 100.0
_COUNTERS_SECONDS: Final = 0.5


class Administration:
    """One method a command. `stop` ends the service; `snapshot` gives the configuration in force."""

    def __init__(
        self, supervisor: Supervisor, sites: SiteControl, snapshot: Callable[[], Snapshot], stop: Callable[[], None]
    ) -> None:
        self._supervisor = supervisor
        self._site_control = sites
        self._snapshot = snapshot
        self._stop = stop
        self._started_at = time.time()
        self._answers: dict[type[Any], Callable[[Any], Awaitable[Reply]]] = {
            commands.GetStatus: self._status,
            commands.ListSites: self._sites,
            commands.ListPools: self._pools,
            commands.ListWorkers: self._workers,
            commands.ListRequests: self._requests,
            commands.ListPlugins: self._plugins,
            commands.StartPool: self._start_pool,
            commands.StopPool: self._stop_pool,
            commands.RecyclePool: self._recycle_pool,
            commands.StartSite: self._start_site,
            commands.StopSite: self._stop_site,
            commands.StopService: self._stop_service,
        }

    async def handle(self, command: Command) -> Reply:
        """The reply to a command."""
        return await self._answers[type(command)](command)

    @property
    def _topology(self) -> Topology:
        return self._supervisor.topology

    async def _status(self, _command: commands.GetStatus) -> Reply:
        snapshot = self._snapshot()
        rows = [
            commands.ProcessRow(pid=pid, title=title, parent_pid=_parent_of(pid))
            for title, pid in processes(self._topology)
            if pid
        ]
        return commands.Status(
            version=__version__,
            pid=os.getpid(),
            config_path=snapshot.path,
            isolation_mode=snapshot.isolation_mode.value,
            started_at=self._started_at,
            urls=[url for site in self._site_control.states.bound_sites for url in site_urls(site)],
            processes=rows,
            log_directory=snapshot.log_directory,
            configuration_version=snapshot.version,
            warnings=list(snapshot.warnings),
        )

    async def _sites(self, _command: commands.ListSites) -> Reply:
        return commands.Sites(rows=[_site_row(status) for status in self._site_control.states.statuses])

    async def _pools(self, _command: commands.ListPools) -> Reply:
        if not self._topology.model.has_pool_policies:
            return Failed(message=_NO_POOLS, remedy=_SWITCH_REMEDY)
        queued: dict[str, int] = {}
        for row in (await self._under_way())[0]:
            if not row.worker:
                queued[row.queue] = queued.get(row.queue, 0) + 1
        return commands.Pools(rows=[_pool_row(pool, queued) for pool in self._topology.pools.values()])

    async def _workers(self, _command: commands.ListWorkers) -> Reply:
        await _ask_workers(self._topology)
        return commands.Workers(rows=[*_worker_rows(self._topology), *_iis5_rows(self._topology)])

    async def _requests(self, command: commands.ListRequests) -> Reply:
        rows, problem = await self._under_way()
        if problem:
            return Failed(message=problem, remedy="the event log says what happened to it")
        older = [row for row in rows if row.time_elapsed >= command.time_elapsed_filter]
        older.sort(key=lambda row: -row.time_elapsed)
        return commands.Requests(rows=[_request_row(row) for row in older])

    async def _plugins(self, _command: commands.ListPlugins) -> Reply:
        rows: dict[tuple[str, str, str], commands.PluginRow] = {}
        for pool, row in _plugin_rows(self._topology):
            key = (pool, row.family, row.name)
            rows[key] = commands.PluginRow(
                name=row.name, family=row.family, path=row.path, state=row.state, detail=row.detail, pool=pool
            )
        return commands.Plugins(rows=[rows[key] for key in sorted(rows)])

    async def _start_pool(self, command: commands.StartPool) -> Reply:
        pool = self._topology.pools.get(command.name)
        if pool is None:
            return self._no_such_pool(command.name)
        pool.handle(PoolEvent.START)
        return commands.Done(text=f"pool {command.name} takes requests")

    async def _stop_pool(self, command: commands.StopPool) -> Reply:
        pool = self._topology.pools.get(command.name)
        if pool is None:
            return self._no_such_pool(command.name)
        pool.handle(PoolEvent.STOP)
        await self._without(pool, set(pool.workers))
        return commands.Done(text=f"pool {command.name} is stopped: its URLs answer 503")

    async def _recycle_pool(self, command: commands.RecyclePool) -> Reply:
        pool = self._topology.pools.get(command.name)
        if pool is None:
            return self._no_such_pool(command.name)
        if pool.state is not PoolState.STARTED:
            return Failed(message=f"pool {command.name} is stopped", remedy=f"isapy start pool {command.name}")
        old = set(pool.workers)
        pool.recycle(RecycleReason("recycle-on-demand", "asked for by the administrator"))
        await self._without(pool, old)
        replaced = f"{len(old)} worker{'' if len(old) == 1 else 's'} replaced" if old else "it has no workers now"
        return commands.Done(text=f"pool {command.name} is recycled ({replaced})")

    async def _start_site(self, command: commands.StartSite) -> Reply:
        try:
            return commands.Done(text=await self._site_control.start(command.name))
        except SiteRefused as error:
            return Failed(message=str(error), remedy=error.remedy)
        except KeyError:
            return self._no_such_site(command.name)

    async def _stop_site(self, command: commands.StopSite) -> Reply:
        try:
            return commands.Done(text=await self._site_control.stop(command.name))
        except KeyError:
            return self._no_such_site(command.name)

    def _no_such_site(self, name: str) -> Failed:
        known = ", ".join(status.site.name for status in self._site_control.states.statuses)
        return Failed(message=f"there is no site {name}", remedy=f"sites: {known}")

    async def _stop_service(self, _command: commands.StopService) -> Reply:
        asyncio.get_running_loop().call_later(0.05, self._stop)  # the answer goes out first
        return commands.Done(text="isapy finishes the requests in hand and ends")

    async def _under_way(self) -> tuple[list[RequestRow], str]:
        try:
            return (await self._topology.front.requests()).rows, ""
        except TimeoutError:
            return [], f"{self._topology.front.slot.title} does not answer"

    async def _without(self, pool: PoolSupervisor, workers: set[str]) -> None:
        """Wait for workers to end; what bounds it are the pool's own limits."""
        async with asyncio.timeout(_END_WAIT_SECONDS):
            await pool.until_gone(workers)

    def _no_such_pool(self, name: str) -> Failed:
        if not self._topology.model.has_pool_policies:
            return Failed(message=_NO_POOLS, remedy=_SWITCH_REMEDY)
        known = ", ".join(sorted(self._topology.pools)) or "none"
        return Failed(message=f"there is no pool {name} in use", remedy=f"pools in use: {known}")


def _site_row(status: SiteStatus) -> commands.SiteRow:
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
        bindings=[shown(each) for each in site.bindings],
        urls=site_urls(site) if status.is_bound else [],
        applications=applications,
        physical_path=root.physical_path if root is not None else "",
        reason=status.reason,
    )


def _pool_row(pool: PoolSupervisor, queued: dict[str, int]) -> commands.PoolRow:
    return commands.PoolRow(
        name=pool.pool.name,
        state=pool.state.value,
        reason=pool.refuse_reason,
        workers=len(pool.workers),
        max_processes=pool.max_processes,
        requests_queued=queued.get(pool.slot.name, 0),
        queue_length=pool.pool.queue_length,
        start_mode=pool.pool.start_mode,
        pipeline_mode=pool.pool.managed_pipeline_mode,
        failures=pool.failure_count,
    )


async def _ask_workers(topology: Topology) -> None:
    """Have every worker tell its counters now; one that does not answer at once is shown as it was."""
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


def _worker_rows(topology: Topology) -> Iterator[commands.WorkerRow]:
    for pool in topology.pools.values():
        for worker in (*pool.workers.values(), *pool.orphans.values()):
            facts = worker.facts(pool.now)
            yield commands.WorkerRow(
                process_id=worker.pid,
                name=worker.name,
                pool=pool.pool.name,
                state=worker.state.value,
                requests_served=worker.requests_served,
                requests_in_hand=worker.requests_in_hand,
                age_seconds=facts.now - facts.started_at,
                idle_seconds=facts.idle_seconds,
                memory_kilobytes=_memory_of(worker.pid),
            )


def _iis5_rows(topology: Topology) -> Iterator[commands.WorkerRow]:
    """inetinfo and the dllhosts, the workers of IIS 5 isolation mode. Nobody pings them: they tell no counters."""
    hosts = [(dllhost.slot.title, dllhost.pid) for dllhost in topology.dllhosts.values() if dllhost.pid]
    if topology.model.front_runs_plugins:
        hosts.insert(0, (topology.front.slot.title, topology.front.pid))
    for title, pid in hosts:
        yield commands.WorkerRow(
            process_id=pid,
            name=title,
            pool="",
            state="Running",
            requests_served=None,
            requests_in_hand=None,
            idle_seconds=None,
            age_seconds=_age_of(pid),
            memory_kilobytes=_memory_of(pid),
        )


def _request_row(row: RequestRow) -> commands.RequestRow:
    return commands.RequestRow(
        request_id=row.request_id,
        connection_id=row.connection_id,
        verb=row.verb,
        url=row.url,
        site_id=row.site_id,
        host_name=row.host_name,
        client_ip_address=row.client_ip_address,
        local_port=row.local_port,
        time_elapsed=row.time_elapsed,
        pipeline_state=row.pipeline_state,
        worker=row.worker,
        queue=row.queue,
    )


def _plugin_rows(topology: Topology) -> Iterator[tuple[str, PluginRow]]:
    """(pool or process, row) of every worker; workers of one pool have loaded the same."""
    for row in topology.front.plugins.rows:
        yield topology.front.slot.title, row
    for pool in topology.pools.values():
        for worker in pool.workers.values():
            for row in worker.plugins:
                yield pool.pool.name, row
    for dllhost in topology.dllhosts.values():
        for row in dllhost.plugins:
            yield dllhost.slot.title, row


def _parent_of(pid: int) -> int:
    try:
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return 0


def _memory_of(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss // 1024)
    except psutil.Error:
        return 0


def _age_of(pid: int) -> float:
    try:
        return time.time() - psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0
