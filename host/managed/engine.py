"""ManagedEngine: which applications of this worker have managed code, and what the pipeline asks of them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from host.api import ApplicationInfo, HttpError, ModuleEntry, PluginContext, Request, Response
from host.api.managed import GLOBAL_ASAX
from host.managed.integrated import last_member, module_member
from host.managed.runtime import HttpRuntime

CLASSIC: Final = "Classic"


class ManagedEngine:
    """Of one worker. IIS 5 isolation mode has no integrated pipeline: its applications run as in classic mode."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._runtimes: dict[tuple[int, str], HttpRuntime] = {}
        self._members: dict[tuple[int, str, str], object] = {}
        self._starting: dict[tuple[int, str], asyncio.Lock] = {}

    async def start(self, application: ApplicationInfo, settings: Any) -> HttpRuntime:
        """The running application, started if it is not yet. Raises what its code raises."""
        key = (application.site_id, application.path)
        async with self._starting.setdefault(key, asyncio.Lock()):
            runtime = self._runtimes.get(key)
            if runtime is None:
                runtime = self._new_runtime(application, settings)
                await self._on_thread(runtime.start)
                self._runtimes[key] = runtime
            return runtime

    def resolve(self, application: ApplicationInfo, modules: list[ModuleEntry]) -> None:
        """Make members of the pipeline of an application's managed modules, and of its global.asax behind them."""
        runtime = self._runtimes.get((application.site_id, application.path))
        if runtime is None or not runtime.is_integrated:
            return
        for entry in modules:
            if ":" in entry.type:
                entry.implementation = self._member(runtime, application, entry.name)
        modules.append(ModuleEntry(name=GLOBAL_ASAX, implementation=self._member(runtime, application, GLOBAL_ASAX)))

    async def handle(self, request: Request) -> Response:
        """Answer a request whose mapping is managed."""
        runtime = self._runtimes.get((request.application.site_id, request.application.path))
        if runtime is None:
            runtime = await self.start(request.application, request.settings)
            runtime.releases_itself = True
        return await runtime.handle(request)

    async def stop(self, application: ApplicationInfo) -> None:
        """Application_End."""
        runtime = self._runtimes.pop((application.site_id, application.path), None)
        if runtime is not None:
            await self._on_thread(runtime.stop)

    def _new_runtime(self, application: ApplicationInfo, settings: Any) -> HttpRuntime:
        is_integrated = application.pipeline_mode != CLASSIC and self._context.isolation_mode != "IIS5"
        entries = settings.modules if is_integrated else (*settings.http_modules, *settings.modules)
        modules = [(one.name, one.type) for one in entries if one.is_managed]
        return HttpRuntime(application, modules, self._context, is_integrated=is_integrated)

    def _member(self, runtime: HttpRuntime, application: ApplicationInfo, name: str) -> object:
        key = (application.site_id, application.path, name)
        if key not in self._members:
            self._members[key] = last_member(runtime) if name == GLOBAL_ASAX else module_member(runtime, name)
        return self._members[key]

    async def _on_thread(self, function: Any) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._context.threads.submit(function, (), future)
        try:
            await future
        except HttpError as error:
            error.module = error.module or "ManagedEngine"
            raise
