"""Requests that a request leads to inside the server: local redirects, default documents, pages for errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from host.api import Headers, HttpError, Request, RequestBody
from host.api.request import ORIGINAL_TARGET
from host.api.whole_body import WholeBody

MOST_REDIRECTS: Final = 10
"""Apache's and lighttpd's limit for local redirects, and IIS's nesting limit of child requests."""

_OF_THE_BODY: Final = ("Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Expect")
_OF_THE_CONTENT: Final = ("Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
"""Which part the client wants of what it asked for, and whether it has it: a refusal is sent whole, whatever they say
(RFC 9110 sections 13.2.1 and 14.2)."""


def follow(request: Request, target: str, *, status: int = 200, keeps_request: bool = False) -> Request:
    """The request for `target` that `request` leads to.

    A GET without a body that knows where it comes from by REDIRECT_ variables (as Apache passes them), or, with
    `keeps_request`, the same method and body under another URL. Raises HttpError 500.0 after ten steps.
    """
    inner = _inner(request, target)
    inner.context.setdefault(ORIGINAL_TARGET, request.raw_target)
    if not keeps_request:
        inner.method = "GET"
        inner.body = WholeBody(b"")
        inner.redirect_variables = redirect_variables(request, status)
        headers = request.headers.copy()
        for name in _OF_THE_BODY if status < 400 else (*_OF_THE_BODY, *_OF_THE_CONTENT):
            headers.remove(name)
        inner.raw_headers, inner._headers = headers.to_raw(), headers
    return inner


def child_of(
    request: Request,
    target: str,
    *,
    method: str = "",
    headers: Headers | None = None,
    body: bytes | RequestBody | None = None,
) -> Request:
    """The request for `target` whose response the handler of `request` wants (HSE_REQ_EXEC_URL).

    What is not given is inherited, the body that is still coming included. Its `context` is a copy. Raises HttpError
    500.0 after ten steps, ValueError for a target that is no absolute path.
    """
    inner = _inner(request, target)
    inner.set_url(target)
    inner.context = dict(request.context)
    if method:
        inner.method = method
    if body is not None and not isinstance(body, bytes):
        inner.body = body
    if headers is not None or isinstance(body, bytes):
        fields = (request.headers if headers is None else headers).copy()
        if isinstance(body, bytes):
            inner.body = WholeBody(body)
            fields.remove("Transfer-Encoding")
            fields.set("Content-Length", str(len(body)))
        inner.raw_headers, inner._headers = fields.to_raw(), fields
    return inner


def _inner(request: Request, target: str) -> Request:
    if request.redirect_count >= MOST_REDIRECTS:
        raise HttpError(
            500,
            0,
            f"more than {MOST_REDIRECTS} local redirects, the last from {request.raw_target} to {target}",
            remedy="Find the loop: a script, a default document or an error page leads back to itself.",
        )
    return replace(
        request,
        raw_target=target,
        redirect_count=request.redirect_count + 1,
        mapping=None,
        path_info="",
        script_name="",
        _host=None,
    )


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
