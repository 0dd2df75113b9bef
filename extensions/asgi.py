"""ASGI applications inside the worker, on its event loop: the successor of uvicorn behind a web server.

    <add name="Api" path="*" verb="*" modules="AsgiModule" scriptProcessor="shop.asgi:app" />

`<pythonApplication>` holds its virtual environment, working directory and lifespan. The machinery is
`host/python_apps`, imported with the first request for such an application.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

from host.api import HandlerInfo, PluginContext, Request, Response, hookimpl

if TYPE_CHECKING:
    from host.python_apps.asgi import AsgiCall, AsgiHost

_contexts: list[PluginContext] = []
_hosts: list[AsgiHost] = []


@hookimpl
def module_names() -> Sequence[str]:
    return ("AsgiModule",)


@hookimpl
def handler_info() -> HandlerInfo:
    return HandlerInfo(quick=True, runs_programs=False)


@hookimpl
def load(context: PluginContext) -> None:
    _contexts.append(context)


@hookimpl
async def unload(context: PluginContext) -> None:
    _contexts.clear()
    while _hosts:
        await _hosts.pop().close()


@hookimpl
def handle(request: Request) -> Response | Awaitable[Response]:
    host = _hosts[0] if _hosts else first_host()
    return host.answer(request)


def first_host() -> AsgiHost:
    """What runs the applications; made with the first request."""
    host: AsgiHost = importlib.import_module("host.python_apps.asgi").AsgiHost(_contexts[0], call_application)
    _hosts.append(host)
    return host


async def call_application(application: Any, call: AsgiCall, request: Request) -> None:
    """The frame by which code that holds the loop is found to be this plugin's, and whose request it has."""
    await application(call.scope, call.receive, call.send)
