"""The client's connection, as REQUEST frames name it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from host.api import ClientCertificate, Connection, Tls


def connection_of(raw: bytes, *, is_secure: bool) -> Connection:
    """The connection that a REQUEST frame names. Raises ValueError when it is malformed."""
    remote, remote_port, local, local_port, number, *tls = raw.split(b"\0")
    return Connection(
        remote.decode("latin-1"),
        int(remote_port),
        local.decode("latin-1"),
        int(local_port),
        int(number),
        is_secure,
        _tls_of([part.decode("utf-8", "replace") for part in tls]) if tls else None,
    )


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
