"""Certificate files of https bindings, read and tried: PEM, the chain behind the certificate, the key not encrypted.

The service reads them, since it may read what the listener may not, and hands them on as bytes.
"""

from __future__ import annotations

import importlib
import os
import shlex
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from host.config.errors import ValueProblem
from host.config.key_pair import load_pair
from host.config.model import Binding, Site
from host.config.tls_settings import BindingTls


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A server certificate that can be used. Times are UTC without zone."""

    name: str
    certificate: bytes
    key: bytes
    client_authorities: bytes
    subject: str
    issuer: str
    key_bits: int
    not_after: datetime


def https_bindings(sites: Iterable[Site]) -> list[Binding]:
    """The bindings of these sites that speak TLS."""
    return [binding for site in sites for binding in site.bindings if binding.tls is not None]


def read_certificates(sites: Iterable[Site]) -> tuple[dict[str, Certificate], dict[str, ValueProblem]]:
    """Every certificate that these sites' bindings need, by name, and what is wrong with the others."""
    good: dict[str, Certificate] = {}
    problems: dict[str, ValueProblem] = {}
    for binding in https_bindings(sites):
        tls = binding.tls
        if tls is None or tls.name in good or tls.name in problems:
            continue
        try:
            good[tls.name] = read_certificate(tls)
        except ValueProblem as problem:
            problems[tls.name] = problem
    return good, problems


def read_certificate(tls: BindingTls) -> Certificate:
    """Read the files of a binding and try them. Raises ValueProblem that names the file and the remedy."""
    certificate, key = _read(tls.certificate_file), _read(tls.key_file)
    _demand_pem(certificate, b"CERTIFICATE-----", tls.certificate_file, "certificate")
    _demand_pem(key, b"PRIVATE KEY-----", tls.key_file, "private key")
    authorities = _read(tls.client_authorities_file) if tls.client_authorities_file else b""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(context, certificate, key, f"{tls.certificate_file} with {tls.key_file}")
    if authorities:
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii", "replace"))
        except (ssl.SSLError, ValueError) as error:
            message = f"{tls.client_authorities_file} holds no certificate of an authority: {error}"
            raise ValueProblem(message, "give a PEM file with one or more CA certificates") from error
    # A server without https does not pay for it: megabytes, and a twentieth of a second.
    leaf = importlib.import_module("cryptography.x509").load_pem_x509_certificate(certificate)
    return Certificate(
        name=tls.name,
        certificate=certificate,
        key=key,
        client_authorities=authorities,
        subject=leaf.subject.rfc4514_string(),
        issuer=leaf.issuer.rfc4514_string(),
        key_bits=int(getattr(leaf.public_key(), "key_size", 256)),
        not_after=leaf.not_valid_after_utc.replace(tzinfo=None),
    )


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ValueProblem(f"{path} cannot be read: {os.strerror(error.errno or 0)}", _remedy(path, error)) from error


def _remedy(path: str, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "the user that starts isapy must be able to read it"
    folder = shlex.quote(os.path.dirname(path))
    return f"correct the path, or make one for development with: isapy cert new --folder {folder}"


def _demand_pem(text: bytes, label: bytes, path: str, what: str) -> None:
    """OpenSSL says no more than `PEM lib` of a file that holds something else. Raises ValueProblem."""
    if label not in text:
        form = "openssl x509" if what == "certificate" else "openssl pkey"
        quoted = shlex.quote(path)
        remedy = f"name the right file; one in DER form becomes PEM with: {form} -inform DER -in {quoted} -out FILE.pem"
        raise ValueProblem(f"{path} holds no {what} in PEM form", remedy)
