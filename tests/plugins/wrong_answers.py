"""Returns what no hook may return; the query says where."""

from collections.abc import Iterator
from typing import Any

from host.api import HandlerMapping, Request, Response, hookimpl


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="Wrong", path="*.wrong")]


@hookimpl
def on_preproc_headers(request: Request) -> Any:
    return "hello" if "filter" in request.raw_target else None


@hookimpl
def post_request_handler_execute(request: Request, response: Response) -> Any:
    return Response.text("too late") if "after" in request.raw_query else None


@hookimpl
def handle(request: Request) -> Any:
    def pieces() -> Iterator[Any]:
        yield b"begun "
        yield 42

    match request.raw_query:
        case "text":
            return "a text"
        case "body":
            return Response(body="a text")  # type: ignore[arg-type]
        case "fields":
            return Response(headers=[("A", "b")])  # type: ignore[arg-type]
        case "pieces":
            return Response(body=pieces())
        case "interim":
            return Response(status=103)
        case _:
            return Response.text("fine")
