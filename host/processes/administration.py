"""Answers the administrator's commands from what the supervisor knows."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from host import __version__
from host.activation.dllhost_supervisor import UNLOAD_SECONDS
from host.activation.pool_supervisor import PoolSupervisor
from host.activation.pool_transitions import PoolEvent, PoolState
from host.activation.recycling import RecycleReason
from host.activation.supervisor import Supervisor
from host.activation.topology import Topology
from host.admin import cache_messages, commands, fastcgi_messages, filter_messages, script_messages
from host.admin.commands import Command, Failed, Reply, described
from host.admin.server import Tell
from host.config.application_names import applications_named
from host.config.model import Snapshot
from host.processes.admin_rows import cache_reply, filter_rows, plugin_rows, pool_rows, site_row, worker_rows
from host.processes.console import processes, site_urls
from host.processes.fastcgi_rows import fastcgi_rows
from host.processes.process_facts import parent_of
from host.processes.request_rows import MOST_REQUESTS, request_rows
from host.processes.script_rows import script_rows
from host.processes.site_control import SiteControl, SiteRefused
from host.processes.traces import Traces
from host.wire.message_rows import RequestRow

_NO_POOLS: Final = "isapy runs in IIS 5 isolation mode, which has no application pools"
_SWITCH_REMEDY: Final = 'switch with <isolation mode="WorkerProcess" /> or --isolation workerprocess'
_PATIENCE_SECONDS: Final = 10.0  # beyond the limits after which a process is killed
_TELL_SECONDS: Final = 1.0


class Administration:
    """One method a command. `stop` ends the service; `snapshot` gives the configuration in force."""

    def __init__(
        self,
        supervisor: Supervisor,
        sites: SiteControl,
        snapshot: Callable[[], Snapshot],
        stop: Callable[[], None],
        traces: Traces,
        nursery_pid: Callable[[], int],
    ) -> None:
        self._supervisor = supervisor
        self._site_control = sites
        self._snapshot = snapshot
        self._stop = stop
        self._nursery_pid = nursery_pid
        self._started_at = time.time()
        self._answers: dict[type[Any], Callable[[Any], Awaitable[Reply]]] = {
            commands.GetStatus: self._status,
            commands.ListSites: self._sites,
            commands.ListPools: self._pools,
            commands.ListWorkers: self._workers,
            commands.ListRequests: self._requests,
            commands.ListPlugins: self._plugins,
            filter_messages.ListFilters: self._filters,
            script_messages.ListScripts: self._scripts,
            fastcgi_messages.ListFastCgi: self._fastcgi,
            cache_messages.ListCache: self._cache,
            cache_messages.FlushCache: self._flush_cache,
            commands.StartPool: self._start_pool,
            commands.StartSite: self._start_site,
            commands.StopSite: self._stop_site,
            commands.StopService: self._stop_service,
            commands.BeginTrace: lambda _command: traces.begin(self._topology),
            commands.GetTrace: traces.tell,
        }
        self._slow_answers: dict[type[Any], Callable[[Any, Tell], Awaitable[Reply]]] = {
            commands.StopPool: self._stop_pool,
            commands.RecyclePool: self._recycle_pool,
            commands.UnloadApplication: self._unload,
        }

    async def handle(self, command: Command, tell: Tell) -> Reply:
        """The reply to a command; `tell` is given what is waited for."""
        if type(command) in self._slow_answers:
            return await self._slow_answers[type(command)](command, tell)
        return await self._answers[type(command)](command)

    @property
    def _topology(self) -> Topology:
        return self._supervisor.topology

    async def _status(self, _command: commands.GetStatus) -> Reply:
        snapshot = self._snapshot()
        rows = [
            commands.ProcessRow(pid=pid, title=title, parent_pid=parent_of(pid))
            for title, pid in (*processes(self._topology), ("nursery", self._nursery_pid()))
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
        return commands.Sites(rows=[site_row(status) for status in self._site_control.states.statuses])

    async def _pools(self, _command: commands.ListPools) -> Reply:
        if not self._topology.model.has_pool_policies:
            return Failed(message=_NO_POOLS, remedy=_SWITCH_REMEDY)
        return commands.Pools(rows=pool_rows(self._topology, await self._in_front()))

    async def _workers(self, _command: commands.ListWorkers) -> Reply:
        return commands.Workers(rows=await worker_rows(self._topology, await self._in_front()))

    async def _requests(self, command: commands.ListRequests) -> Reply:
        try:
            rows = await request_rows(self._topology)
        except TimeoutError:
            return self._no_answer()
        asked_for = [row for row in rows if row.time_elapsed >= command.time_elapsed_filter]
        return commands.Requests(rows=asked_for[:MOST_REQUESTS], more=max(0, len(asked_for) - MOST_REQUESTS))

    async def _plugins(self, _command: commands.ListPlugins) -> Reply:
        return commands.Plugins(rows=plugin_rows(self._topology))

    async def _filters(self, _command: filter_messages.ListFilters) -> Reply:
        return filter_messages.Filters(rows=filter_rows(self._topology))

    async def _scripts(self, _command: script_messages.ListScripts) -> Reply:
        return script_messages.Scripts(rows=script_rows(self._supervisor.scripts, time.time()))

    async def _fastcgi(self, _command: fastcgi_messages.ListFastCgi) -> Reply:
        return fastcgi_messages.FastCgi(rows=await fastcgi_rows(self._topology))

    async def _cache(self, _command: cache_messages.ListCache) -> Reply:
        try:
            return cache_reply(self._topology, await self._topology.front.cache())
        except TimeoutError:
            return self._no_answer()

    async def _flush_cache(self, command: cache_messages.FlushCache) -> Reply:
        sites = [status.site for status in self._site_control.states.statuses]
        named = [site.id for site in sites if command.site in (site.name, str(site.id))]
        if command.site and not named:
            return self._no_such_site(command.site)
        try:
            count = await self._topology.front.flush_cache(named[0] if command.site else 0, command.url)
        except TimeoutError:
            return self._no_answer()
        return commands.Done(text=f"{count} answer{'' if count == 1 else 's'} taken out of the cache")

    def _no_answer(self) -> Failed:
        message = f"{self._topology.front.slot.title} does not answer"
        return Failed(message=message, remedy="isapy events says what happened to it")

    async def _start_pool(self, command: commands.StartPool) -> Reply:
        pool = self._topology.pools.get(command.name)
        if pool is None:
            return self._no_such_pool(command.name)
        pool.handle(PoolEvent.START)
        return commands.Done(text=f"pool {command.name} takes requests")

    async def _stop_pool(self, command: commands.StopPool, tell: Tell) -> Reply:
        pool = self._topology.pools.get(command.name)
        if pool is None:
            return self._no_such_pool(command.name)
        pool.handle(PoolEvent.STOP)
        await self._without(pool, set(pool.workers), tell)
        if not pool.refuse_reason:
            return commands.Done(text=f"pool {command.name} was stopped, and has been started again meanwhile")
        return commands.Done(text=f"pool {command.name} is stopped: its URLs answer 503")

    async def _recycle_pool(self, command: commands.RecyclePool, tell: Tell) -> Reply:
        pool = self._topology.pools.get(command.name)
        if pool is None:
            return self._no_such_pool(command.name)
        if pool.state in (PoolState.STOPPING, PoolState.STOPPED):
            return Failed(message=f"pool {command.name} is stopped", remedy=f"isapy start pool {command.name}")
        old = set(pool.workers)
        pool.recycle(RecycleReason("recycle-on-demand", "asked for by the administrator"))

        def has_failed() -> bool:
            return any(worker.failed_replacements for name, worker in pool.workers.items() if name in old)

        await self._without(pool, old, tell, has_failed)
        if has_failed():
            message = f"a new worker of pool {command.name} did not start: the old one goes on serving"
            return Failed(message=message, remedy=f"isapy events --pool {command.name} says why; it is tried again")
        if pool.refuse_reason:
            return Failed(message=f"pool {command.name} has been stopped", remedy=f"isapy start pool {command.name}")
        workers = f"{len(old)} worker{'' if len(old) == 1 else 's'}"
        now = f"{workers} replaced" if pool.workers else f"{workers} ended; the next request starts another"
        return commands.Done(text=f"pool {command.name} is recycled ({now if old else 'it has no workers now'})")

    async def _unload(self, command: commands.UnloadApplication, tell: Tell) -> Reply:
        snapshot, topology = self._topology.snapshot, self._topology
        named = applications_named(snapshot, command.name)
        if len(named) != 1:
            known = ", ".join(each.key for site in snapshot.sites for each in site.applications)
            if not named:
                return Failed(message=f"there is no application {command.name}", remedy=f"applications: {known}")
            meant = " or ".join(each.key for each in named)
            return Failed(message=f"several sites have an application {command.name}", remedy=f"say {meant}")
        application = named[0]
        if topology.model.has_pool_policies:
            return Failed(
                message=f"in worker process isolation mode application {application.key} runs in pool "
                f"{application.pool_name}; only IIS 5 isolation mode has applications that can be unloaded",
                remedy=f"isapy recycle pool {application.pool_name}",
            )
        dllhost = topology.dllhosts.get(topology.model.place(application).handler_slot)
        if dllhost is None:
            return Failed(
                message=f"application {application.key} runs inside inetinfo (isolation Low), which cannot be unloaded",
                remedy='isolation="Medium" or "High" in the configuration gives it a process outside',
            )
        others = [key for key in dllhost.slot.applications if key != application.key]
        process = dllhost.unload(f"asked for by the administrator ({application.key})")
        if process is None:
            return commands.Done(text=f"{dllhost.slot.title} does not run; the next request starts it")
        async with asyncio.timeout(UNLOAD_SECONDS + _PATIENCE_SECONDS):
            await self._telling(asyncio.shield(process.ended), tell, dllhost.slot.title, {dllhost.slot.title})
        shared = f"; it was shared with {', '.join(others)}" if others else ""
        return commands.Done(text=f"{dllhost.slot.title} has ended, the next request starts it again{shared}")

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

    async def _in_front(self) -> list[RequestRow]:
        """The requests under way as the front has them; none when it does not answer."""
        try:
            return await self._topology.front.requests()
        except TimeoutError:
            return []

    async def _without(
        self, pool: PoolSupervisor, workers: set[str], tell: Tell, has_failed: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait for workers to end, one after the other; what bounds it are the pool's own limits."""
        limits = pool.pool.startup_time_limit_seconds + pool.pool.shutdown_time_limit_seconds
        async with asyncio.timeout(limits * max(1, len(workers)) + _PATIENCE_SECONDS):
            await self._telling(pool.until_gone(workers), tell, f"pool {pool.pool.name}", workers, has_failed)

    async def _telling(
        self,
        end: Awaitable[None],
        tell: Tell,
        whose: str,
        workers: set[str],
        has_failed: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait for that end; once a second say which requests of these workers hold it up."""
        waiting = asyncio.ensure_future(end)
        try:
            while not (await asyncio.wait({waiting}, timeout=_TELL_SECONDS))[0]:
                if has_failed():
                    return
                tell(await self._what_holds(whose, workers))
            await waiting
        finally:
            waiting.cancel()

    async def _what_holds(self, whose: str, workers: set[str]) -> str:
        try:
            holding = [row for row in await request_rows(self._topology) if row.worker in workers]
        except TimeoutError:
            holding = []
        return f"{whose} finishes {described(holding)}" if holding else f"waiting for {whose}"

    def _no_such_pool(self, name: str) -> Failed:
        if not self._topology.model.has_pool_policies:
            return Failed(message=_NO_POOLS, remedy=_SWITCH_REMEDY)
        known = ", ".join(sorted(self._topology.pools)) or "none"
        return Failed(message=f"there is no pool {name} in use", remedy=f"pools in use: {known}")
