"""Calls C code that sleeps and does not let go of the interpreter: no other thread of the process runs any more."""

import ctypes

from host.api import HandlerMapping, Request, Response, hookimpl


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="HoldsInterpreter", path="*.native")]


@hookimpl
def handle(request: Request) -> Response:
    ctypes.PyDLL(None).sleep(600)
    return Response.text(f"late {request.id}")
