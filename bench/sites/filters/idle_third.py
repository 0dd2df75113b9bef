"""A filter that sees every request three times and changes nothing: what it costs to have one."""

# ruff: noqa: ARG001 - the arguments are the contract's

from host.api import FilterInfo, Request, Response, hookimpl


@hookimpl
def filter_info() -> FilterInfo:
    return FilterInfo(description="does nothing", cache_aware=True)


@hookimpl
def on_preproc_headers(request: Request) -> None:
    return None


@hookimpl
def on_send_response(request: Request, response: Response) -> None:
    return None


@hookimpl
def on_end_of_request(request: Request) -> None:
    return None
