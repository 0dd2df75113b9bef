"""Certificates on their way from the service, which may read the files, to the front, which uses them."""

from __future__ import annotations

import msgspec

from host.wire.message import Message


class CertificateItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One certificate: `name` is what bindings call it; PEM texts; names as RFC 4514 writes them."""

    name: str
    certificate: bytes
    key: bytes
    client_authorities: bytes
    subject: str
    issuer: str
    key_bits: int


class Certificates(Message, frozen=True, kw_only=True):
    """Service to front, before the configuration that needs them, and again when a file has changed: all there are."""

    items: list[CertificateItem]
