"""Promises a Content-Length and gives more, less, or an exception; changes a response that has been sent."""

from collections.abc import AsyncIterator, Iterator

from host.api import HandlerMapping, Headers, Request, Response, hookimpl


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="Promises", path="*.promise")]


def too_much() -> Iterator[bytes]:
    yield b"12345"
    yield b"67890"
    yield b"beyond"


async def too_little() -> AsyncIterator[bytes]:
    yield b"123"


def failing() -> Iterator[bytes]:
    yield b"123"
    raise LookupError("the rest is lost")


@hookimpl
def handle(request: Request) -> Response:
    ten = Headers([("Content-Length", "10")])
    match request.raw_query:
        case "more":
            return Response(headers=ten, body=too_much())
        case "less":
            return Response(headers=ten, body=too_little())
        case _:
            return Response(headers=ten, body=failing())


@hookimpl
def end_request(request: Request, response: Response) -> None:
    response.status = 500
    response.body = b"written after the end"
