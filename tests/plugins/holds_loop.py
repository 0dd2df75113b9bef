"""Blocks its worker's event loop: an `async def` that waits the wrong way. A query lets it answer at once."""

import threading

from host.api import HandlerMapping, Request, Response, hookimpl


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="HoldsLoop", path="*.loop")]


@hookimpl
async def handle(request: Request) -> Response:
    if not request.raw_query:
        threading.Event().wait()
    return Response.text("free")
