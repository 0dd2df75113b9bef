"""Which sockets a front accepts on, and which sites count: the service tells its fronts."""

from __future__ import annotations

from host.wire.message import Message


class Accept(Message, frozen=True, kw_only=True):
    """Service: accept on this socket. Descriptor: the listening socket. `endpoint` is `address:port` or `unix:/path`;
    `place` tells the sockets of one endpoint apart, where several listeners share the work."""

    endpoint: str
    place: int = 0


class Unlisten(Message, frozen=True, kw_only=True):
    """Service: stop accepting there; connections that are open stay."""

    endpoint: str
    place: int = 0


class SetSites(Message, frozen=True, kw_only=True):
    """Service: the bindings of these sites count from now on, and no others. Requests in hand are finished."""

    number: int
    started: list[int]


class SitesSet(Message, frozen=True, kw_only=True):
    """Front: SetSites of that number is in force, and so is every Unlisten before it."""

    number: int


ListeningMessage = Accept | Unlisten | SetSites | SitesSet
