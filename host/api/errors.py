"""How a request is refused: one exception, and the table of every status.substatus pair that isapy answers with.

`HttpError` is the only way a stage, a filter or a handler refuses a request. Nobody writes an error page by hand:
the worker's `error_pages.py` turns it into a response, and the pair ends as sc-status and sc-substatus in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

SUBSTATUS_MEANINGS: Final[Mapping[tuple[int, int], str]] = {
    (400, 0): "Bad request",
    (401, 0): "Unauthorized",
    (401, 1): "Logon failed",
    (401, 2): "Logon failed because of the server's configuration",
    (401, 3): "Permissions of the file deny access",
    (401, 4): "An ISAPI filter denied access",
    (401, 5): "An ISAPI extension or CGI program denied access",
    (403, 0): "Forbidden",
    (403, 1): "Execute access forbidden",
    (403, 2): "Read access forbidden",
    (403, 3): "Write access forbidden",
    (403, 4): "TLS required",
    (403, 6): "Address rejected",
    (403, 14): "Directory listing denied and no default document found",
    (403, 18): "The URL cannot run in this application pool",
    (404, 0): "Not found",
    (404, 2): "Refused by the ISAPI and CGI restriction list",
    (404, 3): "No MIME map for the file's extension",
    (404, 4): "No handler configured",
    (404, 5): "URL sequence denied",
    (404, 6): "Verb denied",
    (404, 7): "File extension denied",
    (404, 8): "Hidden segment",
    (404, 9): "File is hidden",
    (404, 10): "Request header too long",
    (404, 11): "Double escape sequence",
    (404, 12): "High-bit characters denied",
    (404, 13): "Content too long",
    (404, 14): "URL too long",
    (404, 15): "Query string too long",
    (404, 17): "Script content mapped to the static file handler",
    (404, 18): "Query string sequence denied",
    (404, 20): "Too many URL segments",
    (405, 0): "Method not allowed",
    (406, 0): "Not acceptable",
    (408, 0): "Request timed out",
    (411, 0): "Length required",
    (412, 0): "Precondition failed",
    (413, 0): "Request entity too large",
    (414, 0): "URL too long",
    (416, 0): "Range not satisfiable",
    (417, 0): "Expectation failed",
    (431, 0): "Request header fields too large",
    (500, 0): "Module or extension error",
    (500, 11): "Application is shutting down",
    (500, 12): "Application is restarting",
    (500, 13): "Server too busy",
    (500, 19): "Configuration data is invalid",
    (500, 21): "Module not recognized: a handler, filter or module could not be loaded",
    (500, 22): "httpModules is not obeyed in integrated pipeline mode",
    (500, 23): "httpHandlers is not obeyed in integrated pipeline mode",
    (500, 100): "Script error",
    (501, 0): "Not implemented",
    (502, 0): "Bad gateway",
    (502, 1): "CGI program timed out",
    (502, 2): "CGI program ended early or sent an incomplete set of headers",
    (502, 3): "The worker process ended before it answered",
    (503, 0): "Application pool unavailable",
    (503, 2): "Concurrent request limit exceeded",
    (503, 4): "FastCGI queue full",
    (504, 0): "Gateway timeout",
    (505, 0): "HTTP version not supported",
}
"""Every pair isapy answers with, and its one-line meaning. Names and numbers are IIS's where IIS has them."""


def reason_phrase(status: int) -> str:
    """The standard reason phrase of `status` (RFC 9110 section 15), or an empty text for an unregistered number."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def describe(status: int, substatus: int) -> str:
    """One line for people: what this status.substatus pair means."""
    return SUBSTATUS_MEANINGS.get((status, substatus)) or reason_phrase(status) or "Unknown status"


def check_codes(substatus: int, win32_status: int) -> None:
    """Raises ValueError for what no log line can hold: they are numbers of 16 and of 32 bits without sign."""
    if not (0 <= substatus <= 0xFFFF and 0 <= win32_status <= 0xFFFFFFFF):
        raise ValueError(
            f"a substatus is 0 to 65535 and a win32_status 0 to 4294967295, not {substatus} and {win32_status}"
        )


class HttpError(Exception):
    """Refuses the request in hand.

    `status` is 400 to 599; `substatus` 0 to 999 (it never goes over the wire, it ends in the log and chooses the error
    page). `detail` is for the operator and for a local client: what was found, where, and what to do about it; a remote
    client never sees it. `headers` are added to the error response (for example `Allow` with 405). `win32_status` ends
    in the log as sc-win32-status; `failure` is a traceback, shown as `detail` is. The worker sets `module` and
    `handler` when it knows them.
    """

    def __init__(
        self,
        status: int,
        substatus: int = 0,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        win32_status: int = 0,
        remedy: str = "",
        failure: str = "",
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"an HttpError needs a status of 400 to 599, not {status}")
        if substatus or win32_status:
            check_codes(substatus, win32_status)
        super().__init__(f"{status}.{substatus} {describe(status, substatus)}" + (f": {detail}" if detail else ""))
        self.status = status
        self.substatus = substatus
        self.detail = detail
        self.remedy = remedy
        self.headers: dict[str, str] = dict(headers or {})
        self.win32_status = win32_status
        self.failure = failure
        self.module = ""
        self.handler = ""


class ClientGone(Exception):  # an event in the life of a request, not a programming error
    """The client closed its connection; nothing more can be read from it or written to it."""


class BodyTooLarge(HttpError):
    """The request's body is larger than the reader allowed: 413.0."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(413, 0, f"the request body is larger than {limit_bytes} bytes")
