"""Adds two fields to every response: who serves, and a number by which the request is found in the logs.

List it: `<isapiFilters><filter name="custom_headers" />`. For fields that never change, `<httpProtocol><customHeaders>`
in the configuration needs no filter; copy this file when a field depends on the request, as X-Request-Id does.
"""

from __future__ import annotations

from typing import Final

from host.api import FilterInfo, PluginContext, Request, Response, hookimpl

SETTINGS: Final = {"poweredBy": "isapy", "requestIdHeader": "X-Request-Id"}
"""What the plugin's settings may say, and what holds when they do not; an empty value leaves the field out."""

_in_force: dict[str, str] = dict(SETTINGS)


@hookimpl
def load(context: PluginContext) -> None:
    _in_force.update({name: context.settings.get(name, value) for name, value in SETTINGS.items()})


@hookimpl
def filter_info() -> FilterInfo:
    # Not cache-aware: a response from the listener's cache would carry another request's number.
    return FilterInfo(description="X-Powered-By and X-Request-Id", cache_aware=False)


@hookimpl
def on_send_response(request: Request, response: Response) -> None:
    if _in_force["poweredBy"]:
        response.headers.setdefault("X-Powered-By", _in_force["poweredBy"])
    if _in_force["requestIdHeader"]:
        response.headers.set(_in_force["requestIdHeader"], request.id)
