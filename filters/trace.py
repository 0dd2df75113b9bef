"""Shows the notifications of a request in the order in which they come: for learning, not for production.

List it: `<isapiFilters><filter name="trace" />`. A client on this machine then finds in every response

    X-Isapy-Trace: on_preproc_headers+0.00 on_url_map+0.04 ... on_send_response+0.61

each with the milliseconds since the first. What comes after the head was sent (on_end_of_request, on_log) can only be
told elsewhere: put `isapy-trace=1` into the query, and the whole walk ends as one line in the event log.

Two notifications are left out on purpose: on_send_raw_data would make every byte of every file pass through Python, and
on_read_raw_data exists in IIS 5 isolation mode only.
"""

from __future__ import annotations

import time
from typing import Final

from host.api import (
    Credentials,
    Denial,
    FilterInfo,
    FilterPriority,
    LogEntry,
    PluginContext,
    Request,
    Response,
    UrlMap,
    hookimpl,
)

HEADER: Final = "X-Isapy-Trace"
QUERY: Final = "isapy-trace=1"
KEY: Final = "trace.notifications"

_contexts: list[PluginContext] = []


@hookimpl
def load(context: PluginContext) -> None:
    _contexts[:] = [context]


@hookimpl
def filter_info() -> FilterInfo:
    # HIGH: it sees a notification before a later filter keeps it to itself. Not cache-aware: each answer is traced.
    return FilterInfo(description="Trace of notifications", priority=FilterPriority.HIGH, cache_aware=False)


def note(request: Request, name: str) -> None:
    """Append a notification with its moment."""
    request.context.setdefault(KEY, []).append((name, time.perf_counter()))


def told(request: Request) -> str:
    """What has been noted so far, as one line; offsets in milliseconds."""
    notes: list[tuple[str, float]] = request.context.get(KEY, [])
    return " ".join(f"{name}+{(moment - notes[0][1]) * 1000:.2f}" for name, moment in notes)


# --- filter notifications ----------------------------------------------------------------------------------------


@hookimpl
def on_preproc_headers(request: Request) -> None:
    note(request, "on_preproc_headers")


@hookimpl
def on_url_map(request: Request, url_map: UrlMap) -> None:
    note(request, "on_url_map")


@hookimpl
def on_authentication(request: Request, credentials: Credentials) -> None:
    note(request, "on_authentication")


@hookimpl
def on_auth_complete(request: Request) -> None:
    note(request, "on_auth_complete")


@hookimpl
def on_access_denied(request: Request, denial: Denial) -> None:
    note(request, "on_access_denied")


@hookimpl
def on_send_response(request: Request, response: Response) -> None:
    note(request, "on_send_response")
    if request.connection.is_local:
        response.headers.set(HEADER, told(request))


@hookimpl
def on_end_of_request(request: Request) -> None:
    note(request, "on_end_of_request")
    report(request)


@hookimpl
def on_log(request: Request, entry: LogEntry) -> None:
    note(request, "on_log")
    report(request)


def report(request: Request) -> None:
    """The line in the event log, once both of the last notifications have come."""
    if QUERY not in request.raw_target or not request.connection.is_local:
        return
    noted = {name for name, _ in request.context[KEY]}
    if noted >= {"on_end_of_request", "on_log"}:
        for context in _contexts:
            context.report_event("plugin-message", f"{request.method} {request.raw_target}: {told(request)}")


# --- pipeline events ---------------------------------------------------------------------------------------------


@hookimpl
def begin_request(request: Request) -> None:
    note(request, "begin_request")


@hookimpl
def authenticate_request(request: Request) -> None:
    note(request, "authenticate_request")


@hookimpl
def authorize_request(request: Request) -> None:
    note(request, "authorize_request")


@hookimpl
def resolve_request_cache(request: Request) -> None:
    note(request, "resolve_request_cache")


@hookimpl
def map_request_handler(request: Request) -> None:
    note(request, "map_request_handler")


@hookimpl
def acquire_request_state(request: Request) -> None:
    note(request, "acquire_request_state")


@hookimpl
def pre_request_handler_execute(request: Request) -> None:
    note(request, "pre_request_handler_execute")


@hookimpl
def post_request_handler_execute(request: Request, response: Response) -> None:
    note(request, "post_request_handler_execute")


@hookimpl
def release_request_state(request: Request, response: Response) -> None:
    note(request, "release_request_state")


@hookimpl
def update_request_cache(request: Request, response: Response) -> None:
    note(request, "update_request_cache")


@hookimpl
def log_request(request: Request, response: Response) -> None:
    note(request, "log_request")


@hookimpl
def end_request(request: Request, response: Response) -> None:
    note(request, "end_request")
