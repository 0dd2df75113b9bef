"""WSGI applications (PEP 3333) inside the worker: the successor of gunicorn or uWSGI behind a web server.

    <add name="Shop" path="*" verb="*" modules="WsgiModule" scriptProcessor="shop.wsgi:application" />

`<pythonApplication>` holds its virtual environment and working directory. The machinery is `host/python_apps`, imported
with the first request for such an application.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from host.api import HandlerInfo, PluginContext, Request, Response, hookimpl

if TYPE_CHECKING:
    from host.python_apps.wsgi import WsgiCall, WsgiHost

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
def handle(request: Request) -> Awaitable[Response]:
    host = _hosts[0] if _hosts else first_host()
    return host.answer(request)


def first_host() -> WsgiHost:
    """What runs the applications; made with the first request."""
    host: WsgiHost = importlib.import_module("host.python_apps.wsgi").WsgiHost(_contexts[0], on_thread)
    _hosts.append(host)
    return host


def on_thread(call: WsgiCall, request: Request) -> Response | None:
    """The frame by which a thread that hangs is found to be this plugin's, and whose request it has."""
    return call.run()
