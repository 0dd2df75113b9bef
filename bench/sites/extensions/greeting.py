"""The answer of the hello scenario, for isapy: an extension that never blocks."""

# ruff: noqa: ARG001 - the arguments are the contract's

from host.api import HandlerInfo, HandlerMapping, Request, Response, hookimpl


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="Greeting", path="*.greeting", verbs="GET,HEAD")]


@hookimpl
def handler_info() -> HandlerInfo:
    return HandlerInfo(quick=True)


@hookimpl
def handle(request: Request) -> Response:
    return Response.text("Hello, World!\n")
