"""A request as ASGI's `http` scope (specification 3.0, HTTP message format 2.4)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from host.api import HttpError, Request
from host.python_apps.mount_point import mount_length
from host.remembered import Remembered

VERSIONS: Final = {"version": "3.0", "spec_version": "2.4"}
"""2.4: `send` raises an OSError once the client has left."""


USER_EXTENSION: Final = "isapy.user"
"""Key in a scope's extensions, there when somebody has logged on: REMOTE_USER and AUTH_TYPE."""

_STATE: Final = "host.python_apps.asgi_scope"  # in the state of a connection


class _Facts(NamedTuple):
    """What most requests of a connection have in common: its addresses, and the fields that clients send each time."""

    raw_headers: bytes
    client: tuple[str, int]
    server: tuple[str, int]
    fields: list[tuple[bytes, bytes]]


def http_scope(request: Request, state: dict[str, Any] | None) -> dict[str, Any]:
    """The scope. `path` is the whole path, `root_path` its part up to the mount point.

    Raises HttpError 501.0 for a request that asks for a WebSocket: an application would answer it with a page.
    """
    connection = request.connection
    facts: _Facts | None = connection.state.get(_STATE)
    if (
        facts is None
        or facts.raw_headers != request.raw_headers
        or not request.has_raw_headers
        or facts.client != (connection.remote_address, connection.remote_port)  # a proxy brings another client
        or facts.server != (connection.local_address, connection.local_port)
    ):
        facts = _facts_of(request)
        if request.has_raw_headers:
            connection.state[_STATE] = facts
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": VERSIONS.copy(),
        "http_version": request.http_version,
        "method": request.method,
        "scheme": "https" if connection.is_secure else "http",
        "path": request.path,
        "raw_path": request.raw_target.partition("?")[0].encode("latin-1", "replace"),
        "query_string": request.raw_query.encode("latin-1", "replace"),
        "root_path": request.path[: mount_length(request)],
        "headers": facts.fields.copy(),
        "client": facts.client,
        "server": facts.server,
        "extensions": {"http.response.pathsend": {}},
    }
    if request.user:  # ASGI has no name for it
        scope["extensions"][USER_EXTENSION] = {"remote_user": request.user, "auth_type": request.auth_type}
    if state is not None:
        scope["state"] = state.copy()
    return scope


def _facts_of(request: Request) -> _Facts:
    connection = request.connection
    client = (connection.remote_address, connection.remote_port)
    server = (connection.local_address, connection.local_port)
    return _Facts(request.raw_headers, client, server, _fields(request))


def _fields(request: Request) -> list[tuple[bytes, bytes]]:
    fields = []
    for name, value in request.fields():
        raw_name = _names[name]
        if raw_name == b"upgrade" and value.lower() == "websocket":
            remedy = "Use another transport for now: server-sent events, or long polling."
            raise HttpError(501, 0, "the request asks for a WebSocket, which isapy does not serve", remedy=remedy)
        fields.append((raw_name, value.encode("latin-1", "replace")))
    return fields


def _raw_name(name: str) -> bytes:
    return name.lower().encode("latin-1")


_names: Final = Remembered(_raw_name, 512, 64)
