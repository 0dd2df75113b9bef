"""WSGI applications (PEP 3333) inside the worker: the successor of gunicorn or uWSGI behind a web server.

    <add name="Shop" path="*" verb="*" modules="WsgiModule" scriptProcessor="shop.wsgi:application" />

Each call has a thread of the worker, or its main thread where the mapping says threadingModel="Single".
`<pythonApplication>` holds its virtual environment and working directory. The machinery is `host/python_apps`, imported
with the first request for such an application.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

from host.api import HandlerInfo, PluginContext, Request, Response, hookimpl

if TYPE_CHECKING:
    from host.python_apps.wsgi import WsgiHost
    from host.python_apps.wsgi_call import Runnable

_contexts: list[PluginContext] = []
_hosts: list[WsgiHost] = []


@hookimpl
def module_names() -> Sequence[str]:
    return ("WsgiModule",)


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


def first_host() -> WsgiHost:
    """What runs the applications; made with the first request."""
    host: WsgiHost = importlib.import_module("host.python_apps.wsgi").WsgiHost(_contexts[0], run_code)
    _hosts.append(host)
    return host


def run_code(code: Runnable, request: Request) -> Any:
    """The frame by which a thread that hangs is found to be this plugin's, and whose request it has."""
    return code.run()
