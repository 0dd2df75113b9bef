"""Who may command the service: the user it runs as, and root. The kernel says who is calling (SO_PEERCRED)."""

from __future__ import annotations

import pwd
import socket
import struct
from typing import Final, NamedTuple

_CREDENTIALS: Final = struct.Struct("iII")  # struct ucred of unix(7): pid, uid, gid


class Peer(NamedTuple):
    """The process at the other end of a unix socket. For the connecting side it is the process that called listen."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end. Raises OSError for a socket that is not a connected unix socket."""
    raw_credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer(*_CREDENTIALS.unpack(raw_credentials))


def refusal(peer: Peer, service_uid: int) -> str:
    """Why this peer may not command a service of that user; empty when it may."""
    if peer.uid in (0, service_uid):
        return ""
    return (
        f"the service runs as {user_name(service_uid)}; you are {user_name(peer.uid)}, "
        f"and only {user_name(service_uid)} and root may command it"
    )


def user_name(uid: int) -> str:
    """`root (uid 0)`, or `uid 12345` when the machine has no name for it."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
