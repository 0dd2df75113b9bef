"""Answers in every way there is, and tells the event log what happens to it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

from host.api import ClientGone, HandlerMapping, Headers, PluginContext, Request, Response, hookimpl

SUFFIX = "!"
contexts: list[PluginContext] = []
reads = threading.Semaphore(0)  # one more each time that a thread begins to read a body


@hookimpl
def load(context: PluginContext) -> None:
    contexts[:] = [context]
    context.report_event("plugin-message", f"loaded in {context.pool_name}, {context.isolation_mode}")


@hookimpl
def unload(context: PluginContext) -> None:
    context.report_event("plugin-message", "unloaded")


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="ManyWays", path="*.way")]


async def forever() -> AsyncIterator[bytes]:
    number = 0
    while True:
        yield b"%08d" % number * 8192
        number += 1


def told() -> Iterator[bytes]:
    try:
        yield b"first"
        while True:
            yield b"more" * 16384
    finally:
        contexts[0].report_event("plugin-message", "the body was closed")


async def wait_for_ever() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        contexts[0].report_event("plugin-message", "cancelled")
        raise


def echoed(request: Request) -> Iterator[bytes]:
    try:
        while True:
            reads.release()
            if not (piece := request.body.read_some_blocking()):
                return
            yield piece
    except ClientGone:
        contexts[0].report_event("plugin-message", "the client is gone")
        raise


@hookimpl
async def handle(request: Request) -> Response:
    match request.query.get("how", ""):
        case "text":
            return Response.text(f"{request.method} {request.user} {request.connection.remote_address}{SUFFIX}")
        case "echo":
            return Response(body=echoed(request))
        case "ignore":
            return Response.text("not read")
        case "forever":
            return Response(body=forever())
        case "told":
            return Response(body=told())
        case "wait":
            await wait_for_ever()
        case "unhealthy":
            contexts[0].report_unhealthy("tired")
        case "raise":
            raise LookupError("no such thing")
        case "less":
            return Response(headers=Headers([("Content-Length", "10")]), body=iter([b"123"]))
        case "secure":
            return Response.json({"secure": request.connection.is_secure, "length": request.body.length})
        case _:
            pass
    return Response.text("fine")


@hookimpl
async def end_request(request: Request, response: Response) -> None:
    if request.raw_query == "how=late":
        await asyncio.sleep(0)
        contexts[0].report_event("plugin-message", "told of the end")
