"""Adds two fields to every response: who serves, and a number by which the request is found in the logs.

List it: `<isapiFilters><filter name="custom_headers" />`. For fields that never change, `<httpProtocol><customHeaders>`
in the configuration needs no filter; copy this file when a field depends on the request, as X-Request-Id does.
"""

from __future__ import annotations

from typing import Final

from host.api import FilterInfo, Request, Response, hookimpl

POWERED_BY: Final = "isapy"
REQUEST_ID_HEADER: Final = "X-Request-Id"


@hookimpl
def filter_info() -> FilterInfo:
    # Not cache-aware: a response from the listener's cache would carry another request's number.
    return FilterInfo(description="X-Powered-By and X-Request-Id", cache_aware=False)


@hookimpl
def on_send_response(request: Request, response: Response) -> None:
    response.headers.setdefault("X-Powered-By", POWERED_BY)
    response.headers.set(REQUEST_ID_HEADER, request.id)
