"""Never answers, until its client leaves; or cancels itself (`?self`)."""

import asyncio

from host.api import HandlerMapping, PluginContext, Request, Response, hookimpl

contexts: list[PluginContext] = []


@hookimpl
def load(context: PluginContext) -> None:
    contexts[:] = [context]


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="Hangs", path="*.hang")]


@hookimpl
async def handle(request: Request) -> Response:
    if request.raw_query == "self":
        raise asyncio.CancelledError
    contexts[0].report_event("plugin-warning", "hangs")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        contexts[0].report_event("plugin-warning", "cancelled")
        raise
    return Response.text("never")
