"""Blocks the event loop until the test lets it go."""

import threading

from host.api import HandlerMapping, Request, Response, hookimpl

free = threading.Event()


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="Holds", path="*.hold")]


@hookimpl
async def handle(request: Request) -> Response:
    free.wait()
    return Response.text("free")
