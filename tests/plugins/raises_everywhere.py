"""Raises in the hook that the query names, as filter, module and handler."""

from typing import Any

from host.api import HandlerMapping, Request, Response, hookimpl


def maybe_raise(request: Request, hook: str) -> None:
    if f"raise={hook}&" in request.raw_target + "&":
        raise LookupError(f"{hook} does not work")


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="Raises", path="*.raises")]


@hookimpl
def on_preproc_headers(request: Request) -> None:
    maybe_raise(request, "on_preproc_headers")


@hookimpl
def begin_request(request: Request) -> None:
    maybe_raise(request, "begin_request")


@hookimpl
def on_url_map(request: Request) -> None:
    maybe_raise(request, "on_url_map")


@hookimpl
def on_authentication(request: Request) -> None:
    maybe_raise(request, "on_authentication")


@hookimpl
async def authorize_request(request: Request) -> None:
    maybe_raise(request, "authorize_request")


@hookimpl
def pre_request_handler_execute(request: Request) -> None:
    maybe_raise(request, "pre_request_handler_execute")


@hookimpl
def handle(request: Request) -> Response:
    maybe_raise(request, "handle")
    if "raise=exit" in request.raw_query:
        raise SystemExit(1)
    if "raise=interrupt" in request.raw_query:
        raise KeyboardInterrupt
    return Response.text("fine")


@hookimpl
def post_request_handler_execute(request: Request) -> None:
    maybe_raise(request, "post_request_handler_execute")


@hookimpl
def on_send_response(request: Request) -> None:
    maybe_raise(request, "on_send_response")


@hookimpl
def log_request(request: Request) -> None:
    maybe_raise(request, "log_request")


@hookimpl
def on_log(request: Request, entry: Any) -> None:
    maybe_raise(request, "on_log")


@hookimpl
def end_request(request: Request) -> None:
    maybe_raise(request, "end_request")


@hookimpl
def on_end_of_request(request: Request) -> None:
    maybe_raise(request, "on_end_of_request")
