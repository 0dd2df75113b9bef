"""Asks for an argument that the hook does not have."""

from host.api import Request, Response, hookimpl


@hookimpl
def handle(request: Request, environ: dict[str, str]) -> Response:
    return Response.text(str(environ))
