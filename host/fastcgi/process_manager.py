"""IIS's FastCGI process manager in a worker: a pool of processes for each application, and one coarse timer for all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final

from host.api import HandlerMapping, HostedProcess, PendingResult, ProgramLauncher, Request, ResourceType, Response
from host.fastcgi import failures
from host.fastcgi.call import FastCgiCall
from host.fastcgi.process_pool import ProcessPool, WorkerParts
from host.fastcgi.settings import ApplicationSettings, ServerSettings
from host.gateway.inherited import inherited_variables
from host.gateway.server_address import is_address
from host.gateway.variable_pairs import announces_length, variable_pairs
from host.programs.gateway_answer import answers_for_a_folder
from host.programs.request_pieces import RequestPieces

LOOK_SECONDS: Final = 0.5
"""The shared timer's period: the precision of all limits here."""


_MOST_TARGETS: Final = 64


class _Target:
    """What a mapping and the settings of its requests say: which processes, and what those are told."""

    __slots__ = (
        "_application",
        "_mapping",
        "_settings",
        "is_for_a_folder",
        "passes_authorization",
        "pool",
        "takes_any_path",
    )

    def __init__(self, request: Request, pool: ProcessPool) -> None:
        self._application = request.application
        self._mapping = request.mapping  # kept: its identity is the key
        self._settings = request.settings
        self.pool = pool
        self.passes_authorization: bool = request.settings.cgi.pass_authorization
        self.is_for_a_folder = answers_for_a_folder(request)
        self.takes_any_path = _takes_any_path(request.mapping)

    def is_of(self, request: Request) -> bool:
        """Whether it still holds."""
        return (
            self._mapping is request.mapping
            and self._settings is request.settings
            and self._application is request.application
        )


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
        self._known: dict[int, _Target] = {}
        self._pools: dict[tuple[str, str, str], ProcessPool] = {}
        self._outgoing: list[ProcessPool] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def answer(self, request: Request) -> Awaitable[Response]:
        """The answer by a process of the request's application, to be awaited. Raises HttpError, also for what cannot
        be begun with."""
        source = RequestPieces(request.body)
        is_announced = announces_length(request)
        if source.open_at_once(announces_length=is_announced):
            return self._call(request, source)
        return self._collect(request, source, is_announced)

    async def _collect(self, request: Request, source: RequestPieces, is_announced: bool) -> Response:
        """The same for a body that is still to come, or is large."""
        pool = self._known_target(request).pool if source.is_to_come else None
        is_upload = pool is not None and pool.uploads.begin()
        try:
            await source.open(announces_length=is_announced, collects=not is_upload)
            return await self._call(request, source)
        except BaseException:
            source.close()
            raise
        finally:
            if pool is not None and is_upload:
                pool.uploads.end()

    def _call(self, request: Request, source: RequestPieces) -> FastCgiCall:
        known = self._known_target(request)
        if known.takes_any_path and leads_through_a_file(request.physical_path):
            raise failures.below_a_file(request.physical_path)
        pairs = variable_pairs(
            request,
            content_length=source.length,
            pass_authorization=known.passes_authorization,
            mount_length=self._mount_length(request) if known.is_for_a_folder else -1,
        )
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        return FastCgiCall(known.pool, request, pairs, source, self._new_pending())

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

    def _known_target(self, request: Request) -> _Target:
        known = self._known.get(id(request.mapping))
        return known if known is not None and known.is_of(request) else self._target_of(request)

    def _target_of(self, request: Request) -> _Target:
        """Where requests of that mapping go, for as long as their settings are these."""
        settings, mapping = request.settings, request.mapping
        application = application_of(mapping.script_processor if mapping is not None else "", settings.fastcgi)
        known = _Target(request, self._pool_for(request, application))
        if len(self._known) >= _MOST_TARGETS:
            self._known.clear()
        self._known[id(mapping)] = known
        return known

    def _pool_for(self, request: Request, settings: ApplicationSettings) -> ProcessPool:
        application = request.application
        key = (application.pool_name, settings.full_path, settings.arguments)
        pool = self._pools.get(key)
        if (
            pool is not None and pool.settings is not settings and pool.settings != settings
        ):  # configured anew meanwhile
            pool.replace_all("the configuration has changed")
            self._outgoing.append(pool)
            self._known.clear()
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


def _takes_any_path(mapping: HandlerMapping | None) -> bool:
    """Whether nobody has looked whether the script is there that the mapping names by its extension."""
    if mapping is None or mapping.resource_type is not ResourceType.UNSPECIFIED:
        return False
    patterns = [pattern.strip() for pattern in mapping.path.split(",")]
    return not all(pattern == "*" or pattern.endswith("/*") for pattern in patterns)


def leads_through_a_file(path: str) -> bool:
    """Whether a file stands on the way of that path, where a folder should be."""
    try:
        os.stat(path)
    except NotADirectoryError:
        return True
    except (OSError, ValueError):
        return False
    return False


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
