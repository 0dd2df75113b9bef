"""IIS's FastCGI process manager in a worker: a pool of processes for each application, and one coarse timer for all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from host.api import HostedProcess, PendingResult, ProgramLauncher, Request
from host.fastcgi import failures
from host.fastcgi.call import FastCgiCall
from host.fastcgi.process_pool import ProcessPool, WorkerParts
from host.fastcgi.settings import ApplicationSettings, ServerSettings
from host.gateway.inherited import inherited_variables
from host.gateway.server_address import is_address
from host.programs.request_pieces import RequestPieces

LOOK_SECONDS: Final = 0.5
"""The shared timer's period: the precision of all limits here."""


class ProcessManager:
    """Everything that a worker has of FastCGI. To be made on the event loop."""

    def __init__(self, launcher: ProgramLauncher, report_event: Callable[[str, str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._parts = WorkerParts(
            launcher=launcher,
            report_event=report_event,
            spawn=self._spawn,
            inherited=inherited_variables(os.environb),
        )
        self._pools: dict[tuple[str, str, str], ProcessPool] = {}
        self._outgoing: list[ProcessPool] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def answer(
        self,
        request: Request,
        settings: ApplicationSettings,
        pairs: bytes,
        source: RequestPieces,
        pending: PendingResult,
    ) -> FastCgiCall:
        """The request's answer by a process of that application, to be awaited. `source` is opened; `pairs` are the
        variables. Raises HttpError for what cannot be begun with."""
        pool = self._pool_for(request, settings)
        self._watch()
        return FastCgiCall(pool, request, pairs, source, pending)

    def hosted(self) -> list[HostedProcess]:
        """The processes of every application that has been asked, and of those that are being replaced."""
        now = self._loop.time()
        return [row for pool in (*self._pools.values(), *self._outgoing) for row in pool.hosted(now)]

    async def close(self) -> None:
        """The worker ends: its processes end, too."""
        if self._timer is not None:
            self._timer.cancel()
        for pool in (*self._pools.values(), *self._outgoing):
            await pool.close()

    def _pool_for(self, request: Request, settings: ApplicationSettings) -> ProcessPool:
        application = request.application
        key = (application.pool_name, settings.full_path, settings.arguments)
        pool = self._pools.get(key)
        if (
            pool is not None and pool.settings is not settings and pool.settings != settings
        ):  # configured anew meanwhile
            pool.replace_all("the configuration has changed")
            self._outgoing.append(pool)
            pool = None
        if pool is None:
            pool = self._pools[key] = ProcessPool(self._parts, settings, application.environment)
        return pool

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        pools = [*self._pools.values(), *self._outgoing]
        for pool in pools:
            pool.look(now)
        self._outgoing = [pool for pool in self._outgoing if pool.needs_looks]
        needs_more = any(pool.needs_looks for pool in pools)
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look) if needs_more else None


def application_of(processor: str, applications: Iterable[ApplicationSettings]) -> ApplicationSettings:
    """The entry of fastCgi that a scriptProcessor names: `program`, `program|arguments` or a server's address.

    A server needs no entry, a program does: web.config may name in a handler only what the server's file has allowed.
    Raises HttpError 500.0.
    """
    path, _, arguments = processor.partition("|")
    for one in applications:
        if one.full_path == path and one.arguments == arguments:
            return one
    if is_address(path):
        return ServerSettings(full_path=path)
    raise failures.not_configured(processor)
