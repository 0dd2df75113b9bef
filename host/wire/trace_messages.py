"""`isapy trace`: the service tells its workers to watch for one request."""

from __future__ import annotations

from typing import Final

from host.wire.message import Message

TRACE_FIELD: Final = "X-Isapy-Trace-Token"
"""The request field that carries the token; a worker that watches for it takes it out of the request."""

REQUEST_TRACED: Final = "request-traced"
"""The event by which a worker tells the walk: its text is JSON, its field `token` says whose."""


class WatchForTrace(Message, frozen=True, kw_only=True):
    """Service: for so many seconds, trace the request that carries this token, once."""

    token: str
    seconds: float
