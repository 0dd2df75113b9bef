"""A request as ASGI's `http` scope (specification 3.0, HTTP message format 2.4)."""

from __future__ import annotations

from typing import Any, Final

from host.api import HttpError, Request
from host.python_apps.mount_point import mount_length

_MOST_NAMES: Final = 512  # a client that invents field names must not fill the memory
_names: Final[dict[str, bytes]] = {}

VERSIONS: Final = {"version": "3.0", "spec_version": "2.4"}
"""2.4: `send` raises an OSError once the client has left."""


def http_scope(request: Request, state: dict[str, Any] | None) -> dict[str, Any]:
    """The scope. `path` is the whole path, `root_path` its part up to the mount point.

    Raises HttpError 501.0 for a request that asks for a WebSocket: an application would answer it with a page.
    """
    connection = request.connection
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
        "headers": _fields(request),
        "client": (connection.remote_address, connection.remote_port),
        "server": (connection.local_address, connection.local_port),
        "extensions": {"http.response.pathsend": {}},
    }
    if state is not None:
        scope["state"] = state.copy()
    return scope


def _fields(request: Request) -> list[tuple[bytes, bytes]]:
    fields = []
    for name, value in request.fields():
        raw_name = _names.get(name) or _remember(name)
        if raw_name == b"upgrade" and value.lower() == "websocket":
            remedy = "Use another transport for now: server-sent events, or long polling."
            raise HttpError(501, 0, "the request asks for a WebSocket, which isapy does not serve", remedy=remedy)
        fields.append((raw_name, value.encode("latin-1", "replace")))
    return fields


def _remember(name: str) -> bytes:
    raw_name = name.lower().encode("latin-1")
    if len(_names) < _MOST_NAMES:
        _names[name] = raw_name
    return raw_name
