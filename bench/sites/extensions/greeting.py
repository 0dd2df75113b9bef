"""The answer of the hello scenario, for isapy: an asynchronous extension."""

# ruff: noqa: ARG001 - the arguments are the contract's

from host.api import HandlerMapping, Request, Response, hookimpl


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="Greeting", path="*.greeting", verbs="GET,HEAD")]


@hookimpl
async def handle(request: Request) -> Response:
    return Response.text("Hello, World!\n")
