"""`httpErrors`: which page a refusal gets. IIS's flow, run when a status of 400 or above is about to be sent.

A local client and DetailedLocalOnly, or Detailed: the detailed page. Otherwise the matching entry: a file, a URL of the
same site that is run, or a redirect; the exact substatus goes before any. Nothing matches: a short page.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Awaitable, Callable
from typing import Final

from host.api import Denial, DenialReason, Headers, HttpError, Request, Response
from host.config.model import CustomError, HttpErrors
from host.config.names import ResponseMode
from host.worker.error_pages import error_page

RunTarget = Callable[[Request, str, int], Awaitable[Response]]
"""Answer another URL of the site on behalf of a request, with REDIRECT_STATUS set. Raises HttpError."""

_DEFAULTS: Final = HttpErrors()
_MOST_PAGE_BYTES: Final = 1024 * 1024
_REASONS: Final = {
    1: DenialReason.LOGON,
    2: DenialReason.LOGON | DenialReason.BY_CONFIG,
    3: DenialReason.RESOURCE,
    4: DenialReason.FILTER,
    5: DenialReason.APPLICATION,
}
_ABOUT_THE_BODY: Final = (
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Content-Range",
    "ETag",
    "Last-Modified",
)


class RefusedElsewhere(HttpError):
    """A dllhost has refused the request: the stages that its handler's refusal skips are skipped here, too.

    `response` is the page that it made, where the refusal's cause is known.
    """

    def __init__(self, response: Response) -> None:
        status = response.status if response.status >= 400 else 500  # the page may be a redirect
        super().__init__(min(status, 599), response.substatus, win32_status=response.win32_status)
        self.response = response


async def answer_refusal(request: Request, error: HttpError, run_target: RunTarget) -> Response:
    """The response for a refusal."""
    if isinstance(error, RefusedElsewhere):
        return error.response
    section: HttpErrors = request.settings.http_errors if request.settings is not None else _DEFAULTS
    mode = section.error_mode
    if mode == "Detailed" or (mode == "DetailedLocalOnly" and request.connection.is_local):
        return error_page(request, error, is_detailed=True)
    response = await configured_page(request, error, run_target)
    return response if response is not None else error_page(request, error, is_detailed=False)


async def configured_page(request: Request, error: HttpError, run_target: RunTarget) -> Response | None:
    """The page that `httpErrors` names for this refusal; None when it names none, or one that cannot be had."""
    section: HttpErrors = request.settings.http_errors if request.settings is not None else _DEFAULTS
    chosen = _entry_for(section, error)
    return None if chosen is None else await _custom_page(request, error, chosen, run_target)


def denial_of(request: Request, substatus: int) -> Denial:
    """What on_access_denied is told of a 401 of that substatus."""
    return Denial(request.path, request.physical_path, _REASONS.get(substatus, DenialReason.LOGON))


def needs_page(response: Response, request: Request) -> bool:
    """Whether a handler's own response of 400 or above gets a page (httpErrors/@existingResponse)."""
    if response.status < 400 or response.raw:
        return False
    section: HttpErrors = request.settings.http_errors if request.settings is not None else _DEFAULTS
    if section.existing_response == "Auto":
        return response.body == b""
    return section.existing_response == "Replace"


def refusal_of(response: Response, handler: str) -> HttpError:
    """The refusal that a handler expressed by a response; fields that do not speak of its body are kept."""
    headers = response.headers.copy()
    for name in _ABOUT_THE_BODY:
        headers.remove(name)
    detail = f"the handler answered {response.status} without a body of its own"
    error = HttpError(
        min(response.status, 599),
        response.substatus,
        detail,
        remedy="`isapy events` has what it wrote to its error stream, if it did." if response.status >= 500 else "",
        headers=dict(headers.items()),
        win32_status=response.win32_status,
    )
    error.handler = handler
    return error


def _entry_for(section: HttpErrors, error: HttpError) -> CustomError | None:
    fitting = [one for one in section.errors if one.status == error.status and one.sub_status in (-1, error.substatus)]
    return max(fitting, key=lambda one: one.sub_status, default=None)


async def _custom_page(
    request: Request, error: HttpError, chosen: CustomError, run_target: RunTarget
) -> Response | None:
    """The configured page, or None when it cannot be had (the short page stands in)."""
    if chosen.response_mode is ResponseMode.REDIRECT:
        return Response.redirect(chosen.path)
    if chosen.response_mode is ResponseMode.FILE:
        return _file_page(request, error, chosen.path)
    try:
        response = await run_target(request, f"{chosen.path}?{error.status};{request.url}", error.status)
    except HttpError:
        return None
    if response.status == 200:  # a page that knows nothing of the error must not hide it
        response.status, response.reason, response.substatus = error.status, "", error.substatus
    return response


def _file_page(request: Request, error: HttpError, path: str) -> Response | None:
    full_path = os.path.join(request.application.physical_path, path)
    try:
        with open(full_path, "rb") as page:
            content = page.read(_MOST_PAGE_BYTES)
    except OSError:
        return None
    headers = Headers(error.headers)
    headers.set("Content-Type", mimetypes.guess_type(path)[0] or "text/html")
    return Response(
        status=error.status,
        substatus=error.substatus,
        win32_status=error.win32_status,
        headers=headers,
        body=content,
    )
