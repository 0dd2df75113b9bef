"""Requests that a request leads to inside the server: local redirects, default documents, pages for errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from host.api import HttpError, Request
from host.worker.request_body import ArrivedBody

MOST_REDIRECTS: Final = 10
"""Apache's and lighttpd's limit for local redirects, and IIS's nesting limit of child requests."""

_OF_THE_BODY: Final = ("Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Expect")


def follow(request: Request, target: str, *, status: int = 200, keeps_request: bool = False) -> Request:
    """The request for `target` that `request` leads to.

    A GET without a body that knows where it comes from by REDIRECT_ variables (as Apache passes them), or, with
    `keeps_request`, the same method and body under another URL. Raises HttpError 500.0 after ten steps.
    """
    if request.redirect_count >= MOST_REDIRECTS:
        raise HttpError(
            500,
            0,
            f"more than {MOST_REDIRECTS} local redirects, the last from {request.raw_target} to {target}",
            remedy="Find the loop: a script, a default document or an error page leads back to itself.",
        )
    inner = replace(
        request,
        raw_target=target,
        redirect_count=request.redirect_count + 1,
        mapping=None,
        path_info="",
        script_name="",
    )
    if not keeps_request:
        inner.method = "GET"
        inner.body = ArrivedBody(b"")
        inner.redirect_variables = redirect_variables(request, status)
        headers = request.headers.copy()
        for name in _OF_THE_BODY:
            headers.remove(name)
        inner.raw_headers, inner._headers = headers.to_raw(), headers
    return inner


def redirect_variables(request: Request, status: int) -> Mapping[str, str]:
    """What the next request is told of this one; what this one was told itself gets the prefix once more."""
    told = {f"REDIRECT_{name}": value for name, value in request.redirect_variables.items()}
    own = {
        "REDIRECT_STATUS": str(status),
        "REDIRECT_URL": request.path,
        "REDIRECT_QUERY_STRING": request.raw_query,
        "REDIRECT_REQUEST_METHOD": request.method,
        "REDIRECT_SCRIPT_NAME": request.script_name,
        "REDIRECT_PATH_INFO": request.path_info,
        "REDIRECT_REMOTE_USER": request.user,
    }
    return told | {name: value for name, value in own.items() if value}
