"""The smallest useful extension: answers every `*.hello` URL."""

from host.api import HandlerMapping, Request, Response, hookimpl


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="Hello", path="*.hello", verbs="GET,HEAD")]


@hookimpl
def handle(request: Request) -> Response:
    return Response.text(f"Hello {request.query.get('name', 'world')}\n")
