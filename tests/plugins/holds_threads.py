"""Keeps every thread that it is called on."""

import threading

from host.api import HandlerMapping, Request, Response, hookimpl


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="HoldsThreads", path="*.thread")]


@hookimpl
def handle(request: Request) -> Response:
    threading.Event().wait()
    return Response.text(f"never {request.id}")
