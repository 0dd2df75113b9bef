"""The client's connection, as REQUEST frames name it."""

from __future__ import annotations

from host.api import Connection


def connection_of(raw: bytes, *, is_secure: bool) -> Connection:
    """The connection that a REQUEST frame names. Raises ValueError when it is malformed."""
    remote, remote_port, local, local_port, number = raw.split(b"\0")
    return Connection(
        remote.decode("latin-1"),
        int(remote_port),
        local.decode("latin-1"),
        int(local_port),
        int(number),
        is_secure,
    )
