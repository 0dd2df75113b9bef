"""Means `on_preproc_headers`."""

from host.api import Request, hookimpl


@hookimpl
def on_preproc_header(request: Request) -> None:
    request.headers.set("X-Never", "1")
