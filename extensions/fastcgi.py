"""FastCGI applications: IIS's FastCgiModule, with its process manager.

A request begins here with its body; which application of `<fastCgi>`, which variables, a process that is free, and what
the head of its output asks for are `host/fastcgi`'s. The handler names the application in scriptProcessor: a program
(`/usr/bin/php-cgi`, with arguments `/usr/bin/php-cgi|-d a=b`), or a server that somebody else runs
(`unix:/run/php/php-fpm.sock`, `tcp://127.0.0.1:9000`). `host/fastcgi` is imported with the first request: a worker
without FastCGI pays nothing for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from host.api import HandlerInfo, PluginContext, Request, Response, hookimpl
from host.python_apps.mount_point import mount_length

if TYPE_CHECKING:
    from host.fastcgi.process_manager import ProcessManager


@hookimpl
def module_names() -> Sequence[str]:
    return ("FastCgiModule",)


@hookimpl
def in_process_only() -> bool:
    return True


@hookimpl
def load(context: PluginContext) -> None:
    _loaded.append(FastCgiModule(context))


@hookimpl
async def unload(context: PluginContext) -> None:
    while _loaded:
        await _loaded.pop().close()


@hookimpl
def handler_info() -> HandlerInfo:
    return HandlerInfo(quick=True)


@hookimpl
def handle(request: Request) -> Awaitable[Response]:
    return _loaded[-1].answer(request)


class FastCgiModule:
    """What all requests of a worker share."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._manager: ProcessManager | None = None

    def answer(self, request: Request) -> Awaitable[Response]:
        """The response, to be awaited. Raises HttpError."""
        return (self._manager or self._begin()).answer(request)

    def _begin(self) -> ProcessManager:
        context = self._context
        room = importlib.import_module("host.fastcgi.process_manager")
        manager: ProcessManager = room.ProcessManager(
            context.launcher, context.report_event, context.threads.pending_result, mount_length
        )
        context.show_processes(manager.hosted)
        self._manager = manager
        return manager

    async def close(self) -> None:
        """The worker ends."""
        if self._manager is not None:
            await self._manager.close()


_loaded: list[FastCgiModule] = []
