"""The trace filter: notifications in order, for clients on this machine only."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from filters import trace
from host.api import Connection, Credentials, LogEntry, Response, UrlMap, hookspecs
from host.worker.hooks import GLOBAL_HOOKS
from tests.extensions.requests import LOCAL, REMOTE, make_request
from tests.filters.plugin_context import make_context


def run(root: Path, connection: Connection, log: list[tuple[str, str]], target: str = "/a?b") -> Response:
    trace.load(make_context(log))
    request, response = make_request(root, target, connection=connection), Response()
    trace.on_preproc_headers(request)
    trace.on_url_map(request, UrlMap("/a", "/srv/a"))
    trace.on_authentication(request, Credentials("", ""))
    trace.on_auth_complete(request)
    trace.on_send_response(request, response)
    trace.on_end_of_request(request)
    trace.on_log(request, LogEntry())
    return response


def test_the_field_lists_the_notifications_with_rising_offsets(tmp_path: Path) -> None:
    """Up to the one in which the head leaves."""
    notes = run(tmp_path, LOCAL, []).headers["X-Isapy-Trace"].split(" ")
    names = [note.partition("+")[0] for note in notes]
    offsets = [float(note.partition("+")[2]) for note in notes]
    assert names == ["on_preproc_headers", "on_url_map", "on_authentication", "on_auth_complete", "on_send_response"]
    assert offsets[0] == 0
    assert offsets == sorted(offsets)


def test_a_client_elsewhere_sees_nothing(tmp_path: Path) -> None:
    """And cannot fill the event log."""
    events: list[tuple[str, str]] = []
    assert trace.HEADER not in run(tmp_path, REMOTE, events, "/a?isapy-trace=1").headers
    assert events == []


def test_the_event_log_gets_the_whole_walk_when_asked_to(tmp_path: Path) -> None:
    """One line, with what came after the head; nothing by default."""
    events: list[tuple[str, str]] = []
    run(tmp_path, LOCAL, events)
    assert events == []
    run(tmp_path, LOCAL, events, "/a?b&isapy-trace=1")
    [(event, text)] = events
    assert event == "plugin-message"
    assert re.fullmatch(
        r"GET /a\?b&isapy-trace=1: on_preproc_headers\+0\.00 .* on_end_of_request\+\S+ on_log\+\S+", text
    )


SPECIFIED = [name for name, value in vars(hookspecs).items() if inspect.isfunction(value)]
LEFT_OUT = {
    "module_names",
    "open_filter",
    "handler_mappings",
    "in_process_only",
    "handler_info",
    "handle",
    "get_extension_version",
    "http_extension_proc",
    "terminate_extension",
    "unload",
    "module_info",
    *GLOBAL_HOOKS,  # belong to the worker and its applications
} | {
    "on_read_raw_data",
    "on_send_raw_data",
    "on_end_of_net_session",  # belongs to a connection, not to a request
}


@pytest.mark.parametrize("name", [name for name in SPECIFIED if not name.startswith("post_") and name not in LEFT_OUT])
def test_every_notification_of_a_request_is_traced(name: str) -> None:
    """With the arguments that cost nothing; the post- events add nothing to what their event shows."""
    ours = inspect.signature(getattr(trace, name)).parameters
    specified = inspect.signature(getattr(hookspecs, name)).parameters
    assert list(ours) == [name for name in specified if name != "filter_context"]


def test_every_implementation_notes_its_own_name(tmp_path: Path) -> None:
    """A copied line with the wrong name would teach the wrong order."""
    for name in SPECIFIED:
        function = getattr(trace, name, None)
        if function is None or name in ("load", "filter_info"):
            continue
        request = make_request(tmp_path)
        arguments = {"request": request, "response": Response()}
        function(*(arguments.get(parameter) for parameter in inspect.signature(function).parameters))
        assert [noted for noted, _ in request.context[trace.KEY]] == [name]
