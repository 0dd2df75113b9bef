"""FastCGI applications: IIS's FastCgiModule, with its process manager.

A request walks down this file: which application of `<fastCgi>`, which variables, a process that is free, what the head
of its output asks for. The handler names the application in scriptProcessor: a program (`/usr/bin/php-cgi`, with
arguments `/usr/bin/php-cgi|-d a=b`), or a server that somebody else runs (`unix:/run/php/php-fpm.sock`,
`tcp://127.0.0.1:9000`). Processes, limits and connections are `host/fastcgi`'s, which is imported with the first
request: a worker without FastCGI pays nothing for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from host.api import HandlerInfo, PluginContext, Request, Response, hookimpl
from host.gateway.environment import variable_groups
from host.gateway.variable_group import pairs_of
from host.programs.gateway_answer import answers_for_a_folder
from host.programs.request_pieces import RequestPieces
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
        source = RequestPieces(request.body)
        if source.open_at_once(announces_length=bool(request.first_header("Content-Length"))):
            return self._ask(request, source)
        return self._collect(request, source)

    async def _collect(self, request: Request, source: RequestPieces) -> Response:
        """The same for a body that is still to come, or is large."""
        try:
            await source.open(announces_length=bool(request.first_header("Content-Length")))
            return await self._ask(request, source)
        except BaseException:
            source.close()
            raise

    def _ask(self, request: Request, source: RequestPieces) -> Awaitable[Response]:
        manager = self._manager
        if manager is None:
            room = importlib.import_module("host.fastcgi.process_manager")
            self._find = room.application_of
            manager = self._manager = room.ProcessManager(self._context.launcher, self._context.report_event)
            self._context.show_processes(manager.hosted)
        processor = request.mapping.script_processor if request.mapping is not None else ""
        application = self._find(processor, request.settings.fastcgi)
        pairs = pairs_of(
            variable_groups(
                request,
                content_length=source.length,
                pass_authorization=request.settings.cgi.pass_authorization,
                mount_length=mount_length(request) if answers_for_a_folder(request) else -1,
            )
        )
        return manager.answer(request, application, pairs, source, self._context.threads.pending_result())

    async def close(self) -> None:
        """The worker ends."""
        if self._manager is not None:
            await self._manager.close()


_loaded: list[FastCgiModule] = []
