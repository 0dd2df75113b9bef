"""FastCGI applications: IIS's FastCgiModule, with its process manager.

A request walks down this file: which application of `<fastCgi>`, which variables, a process that is free, what the head
of its output asks for. The handler names the application in scriptProcessor: a program (`/usr/bin/php-cgi`, with
arguments `/usr/bin/php-cgi|-d a=b`), or a server that somebody else runs (`unix:/run/php/php-fpm.sock`,
`tcp://127.0.0.1:9000`). Processes, limits and connections are `host/fastcgi`'s, which is imported with the first
request: a worker without FastCGI pays nothing for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from host.api import HttpError, PluginContext, Request, Response, hookimpl
from host.gateway.environment import meta_variables, mount
from host.programs.gateway_answer import answers_for_a_folder, respond
from host.programs.gateway_run import StaleRun
from host.programs.request_pieces import RequestPieces
from host.python_apps.mount_point import mount_length

if TYPE_CHECKING:
    from host.fastcgi.exchange import FastCgiExchange
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
async def handle(request: Request) -> Response:
    module = _loaded[-1]
    source = RequestPieces(request.body)
    try:
        await source.open(announces_length=bool(request.first_header("Content-Length")))
        while True:
            exchange = await module.begin(request, source)
            try:
                return await answer(request, exchange)
            except StaleRun:  # once for each idle process that ends just now
                if request.method not in ("GET", "HEAD") or source.length:
                    raise module.lost(request) from None
    except BaseException:
        source.close()
        raise


class FastCgiModule:
    """What all requests of a worker share."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._manager: ProcessManager | None = None

    async def begin(self, request: Request, source: RequestPieces) -> FastCgiExchange:
        """The request in the hands of a process. Raises HttpError."""
        if self._manager is None:
            room = importlib.import_module("host.fastcgi.process_manager")
            self._find = room.application_of
            self._manager = room.ProcessManager(self._context.launcher, self._context.report_event)
            self._context.show_processes(self._manager.hosted)
        processor = request.mapping.script_processor if request.mapping is not None else ""
        application = self._find(processor, request.settings.fastcgi)
        variables = meta_variables(
            request,
            content_length=source.length,
            pass_authorization=request.settings.cgi.pass_authorization,
        )
        if answers_for_a_folder(request):
            mount(variables, request.path, mount_length(request))
        return await self._manager.begin(request, application, variables, source)

    def lost(self, request: Request) -> HttpError:
        """500.0 for a request that nobody else may get: it may have been carried out."""
        detail = f"the FastCGI process went away when it was given {request.physical_path} (request {request.id})"
        self._context.report_event("fastcgi-failed", detail)
        return HttpError(500, 0, detail)

    async def close(self) -> None:
        """The worker ends."""
        if self._manager is not None:
            await self._manager.close()


_loaded: list[FastCgiModule] = []


async def answer(request: Request, exchange: FastCgiExchange) -> Response:
    """The response as soon as its head is there. Raises HttpError, and StaleRun before anything has come."""
    try:
        response = await respond(request, exchange)
    except HttpError as error:
        exchange.abandon(str(error))
        raise
    except BaseException:
        exchange.abandon("the client left")
        raise
    exchange.head_has_left()
    return response
