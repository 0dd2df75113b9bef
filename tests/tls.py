"""Certificates for tests: servers', an authority's and its clients', made by isapy and by openssl."""

from __future__ import annotations

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from host.cli.cert import make_certificate
from tests.running_service import WAIT_SECONDS


@dataclass(frozen=True, slots=True)
class Pair:
    """Paths of a certificate and its key."""

    certificate: Path
    key: Path


def server_pair(folder: Path, *hosts: str) -> Pair:
    """A self-signed certificate for these names."""
    certificate, key = make_certificate(list(hosts), 90)
    pair = Pair(folder / f"{hosts[0]}.crt", folder / f"{hosts[0]}.key")
    pair.certificate.write_bytes(certificate)
    pair.key.write_bytes(key)
    return pair


def authority(folder: Path, name: str = "Authority") -> Pair:
    """A certificate that may issue others."""
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    extensions = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    subject = ("-days", "90", "-subj", f"/CN={name}")
    _openssl("req", "-x509", *_new_key(pair.key), *subject, "-out", pair.certificate, *extensions)
    return pair


def client_pair(folder: Path, issuer: Pair, name: str = "alice") -> Pair:
    """A client's certificate, issued by that authority."""
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    request = folder / f"{name}.csr"
    _openssl("req", "-new", *_new_key(pair.key), "-subj", f"/C=DE/O=Example/CN={name}", "-out", request)
    signing = ("-CA", issuer.certificate, "-CAkey", issuer.key, "-CAcreateserial", "-days", "90")
    _openssl("x509", "-req", "-in", request, *signing, "-out", pair.certificate)
    return pair


def client_context(trusted: Pair | None, own: Pair | None = None) -> ssl.SSLContext:
    """What a client trusts and shows; without `trusted` it trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusted is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(trusted.certificate)
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


def connect(
    port: int,
    context: ssl.SSLContext,
    name: str = "localhost",
    *,
    hears_goodbyes: bool = False,
    session: ssl.SSLSession | None = None,
) -> ssl.SSLSocket:
    """A connection to 127.0.0.1 that names this host; the handshake is done. `hears_goodbyes`: an end without
    close_notify raises ssl.SSLEOFError. `session`: one of the same context that is to go on."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
    return context.wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=not hears_goodbyes, session=session)


def _new_key(path: Path) -> tuple[str | Path, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=WAIT_SECONDS)
