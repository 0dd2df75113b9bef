"""Declares a mapping as a plain text."""

from host.api import Request, Response, hookimpl


@hookimpl
def handler_mappings() -> str:
    return "*.wrong"


@hookimpl
def handle(request: Request) -> Response:
    return Response.text("never reached")
