"""IIS's FastCGI process manager in a worker: a pool of processes for each application, and one coarse timer for all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from functools import lru_cache
from typing import Any, Final

from host.api import Headers, HostedProcess, PendingResult, ProgramLauncher, Request
from host.fastcgi import failures
from host.fastcgi.call import FastCgiCall
from host.fastcgi.process_pool import ProcessPool, WorkerParts
from host.fastcgi.settings import ApplicationSettings, ServerSettings
from host.gateway.environment import KNOWN_BLOCKS, LONGEST_KNOWN_BLOCK, variable_groups
from host.gateway.inherited import inherited_variables
from host.gateway.server_address import is_address
from host.gateway.variable_group import pairs_of
from host.programs.gateway_answer import answers_for_a_folder
from host.programs.request_pieces import RequestPieces

LOOK_SECONDS: Final = 0.5
"""The shared timer's period: the precision of all limits here."""


class ProcessManager:
    """Everything that a worker has of FastCGI. To be made on the event loop."""

    def __init__(
        self,
        launcher: ProgramLauncher,
        report_event: Callable[[str, str], None],
        new_pending: Callable[[], PendingResult],
        mount_length: Callable[[Request], int],
    ) -> None:
        """`new_pending` gives each request what it waits for; `mount_length` says how much of its path belongs to an
        application that answers for a folder."""
        self._loop = asyncio.get_running_loop()
        self._new_pending = new_pending
        self._mount_length = mount_length
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

    def answer(self, request: Request, source: RequestPieces) -> FastCgiCall:
        """The request's answer by a process of its application, to be awaited. `source` is opened. Raises HttpError for
        what cannot be begun with."""
        settings, mapping = request.settings, request.mapping
        application = application_of(mapping.script_processor if mapping is not None else "", settings.fastcgi)
        groups = variable_groups(
            request,
            content_length=source.length,
            pass_authorization=settings.cgi.pass_authorization,
            mount_length=self._mount_length(request) if answers_for_a_folder(request) else -1,
        )
        pool = self._pool_for(request, application)
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        return FastCgiCall(pool, request, pairs_of(groups), source, self._new_pending())

    def announces_length(self, request: Request) -> bool:
        """Whether the client has sent a Content-Length, if only 0."""
        if request.has_raw_headers and len(request.raw_headers) <= LONGEST_KNOWN_BLOCK:
            return _names_length(request.raw_headers)
        return bool(request.first_header("Content-Length"))

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

    def _look(self) -> None:
        now = self._loop.time()
        pools = [*self._pools.values(), *self._outgoing]
        for pool in pools:
            pool.look(now)
        self._outgoing = [pool for pool in self._outgoing if pool.needs_looks]
        needs_more = any(pool.needs_looks for pool in pools)
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look) if needs_more else None


@lru_cache(maxsize=KNOWN_BLOCKS)
def _names_length(raw_headers: bytes) -> bool:
    if b"content-length" not in raw_headers.lower():
        return False
    return bool(Headers.from_raw(raw_headers).get("Content-Length"))


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
