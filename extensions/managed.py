"""ManagedEngine: `HttpApplication`, modules and handlers of ASP.NET's kind, written in Python (docs/pipeline.md).

    <modules><add name="Audit" type="audit:AuditModule" /></modules>
    <handlers><add name="Orders" path="*.ashx" verb="*" type="orders:OrderHandler" /></handlers>

Types lie in the application's folders App_Code and bin, or are installed. What carries them is imported when the first
application of the worker names one, or has a `global_asax.py`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any, Final

from host.api import ApplicationInfo, ModuleEntry, PluginContext, Request, Response, hookimpl

GLOBAL_FILES: Final = ("global_asax.py", "Global.py", "global.asax.py")

_contexts: list[PluginContext] = []
_engines: list[Any] = []


@hookimpl
def load(context: PluginContext) -> None:
    _contexts[:] = [context]
    _engines.clear()


@hookimpl
def unload(context: PluginContext) -> None:
    _contexts.clear()
    _engines.clear()


@hookimpl
def module_names() -> Sequence[str]:
    return ("ManagedPipelineHandler", "ManagedEngine")


def engine() -> Any:
    """host.managed.engine.ManagedEngine of this worker."""
    if not _engines:
        _engines.append(importlib.import_module("host.managed.engine").ManagedEngine(_contexts[0]))
    return _engines[0]


def is_managed(application: ApplicationInfo, settings: Any) -> bool:
    """Whether the application has managed code, as far as its root's configuration and folder say."""
    if any(one.is_managed for one in settings.modules) or settings.http_modules:
        return True
    if any(handler.type for handler in settings.handlers):
        return True
    return any(os.path.isfile(os.path.join(application.physical_path, name)) for name in GLOBAL_FILES)


@hookimpl
async def application_start(application: ApplicationInfo, settings: Any) -> None:
    if is_managed(application, settings):
        await engine().start(application, settings)


@hookimpl
def application_resolve_modules(application: ApplicationInfo, modules: list[ModuleEntry]) -> None:
    if _engines:
        engine().resolve(application, modules)


@hookimpl
async def application_stop(application: ApplicationInfo) -> None:
    if _engines:
        await engine().stop(application)


@hookimpl
async def handle(request: Request) -> Response:
    response: Response = await engine().handle(request)
    return response
