"""The client's connection, as REQUEST frames name it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from host.api import ClientCertificate, Connection, Tls

_PLAIN_PARTS: Final = 5  # two addresses with their ports, and the connection's number


def _setter(field: str) -> Callable[[Connection, Any], None]:
    return cast(Callable[[Connection, Any], None], Connection.__dict__[field].__set__)


# A client that connects for each request has a Connection made for each. The constructor of a frozen dataclass asks
# for every field whether it may be set, which takes three times as long as this.
_new: Final = object.__new__
_set_remote_address: Final = _setter("remote_address")
_set_remote_port: Final = _setter("remote_port")
_set_local_address: Final = _setter("local_address")
_set_local_port: Final = _setter("local_port")
_set_number: Final = _setter("number")
_set_is_secure: Final = _setter("is_secure")
_set_tls: Final = _setter("tls")
_set_state: Final = _setter("state")


def connection_of(raw: bytes, *, is_secure: bool) -> Connection:
    """The connection that a REQUEST frame names. Raises ValueError when it is malformed."""
    parts = raw.split(b"\0")
    if len(parts) == _PLAIN_PARTS:
        tls = None
    elif len(parts) < _PLAIN_PARTS:
        raise ValueError("a connection has two addresses, two ports and a number")
    else:
        tls = _tls_of([part.decode("utf-8", "replace") for part in parts[_PLAIN_PARTS:]])
    connection = _new(Connection)
    _set_remote_address(connection, parts[0].decode("latin-1"))
    _set_remote_port(connection, int(parts[1]))
    _set_local_address(connection, parts[2].decode("latin-1"))
    _set_local_port(connection, int(parts[3]))
    _set_number(connection, int(parts[4]))
    _set_is_secure(connection, is_secure)
    _set_tls(connection, tls)
    _set_state(connection, {})
    return connection


def facts_of(connection: Connection) -> bytes:
    """What a REQUEST frame says of it; the opposite of `connection_of`."""
    remote, local = connection.remote_address, connection.local_address
    parts = [remote, str(connection.remote_port), local, str(connection.local_port), str(connection.number)]
    tls = connection.tls
    if tls is not None:
        parts += [tls.protocol, tls.cipher, str(tls.cipher_bits)]
        parts += [str(tls.server_key_bits), tls.server_subject, tls.server_issuer]
        client = tls.client_certificate
        if client is None:
            parts += ["", "", "", ""]
        else:
            der = base64.b64encode(client.der).decode("ascii")
            parts += [client.subject, client.issuer, client.serial_number, der]
    return "\0".join(parts).encode()


def _tls_of(parts: Sequence[str]) -> Tls:
    protocol, cipher, bits, key_bits, subject, issuer, client_subject, client_issuer, serial, der = parts
    client = None
    if der:
        client = ClientCertificate(client_subject, client_issuer, serial, base64.b64decode(der, validate=True))
    return Tls(protocol, cipher, int(bits), int(key_bits), subject, issuer, client)
