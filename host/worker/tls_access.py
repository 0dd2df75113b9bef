"""What a connection must be before a URL is looked at: IIS's `access/@sslFlags`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from host.api import HttpError, Request

STRONG_BITS: Final = 128


def check_tls(request: Request, flags: Collection[str]) -> None:
    """Raises HttpError 403.4 (TLS needed), 403.5 (128 bits needed) or 403.7 (client certificate needed)."""
    connection = request.connection
    if "Ssl" in flags and not connection.is_secure:
        raise HttpError(403, 4, "this URL is served over TLS only", remedy="Ask for it with https://.")
    tls = connection.tls
    if "Ssl128" in flags and (tls.cipher_bits if tls is not None else 0) < STRONG_BITS:
        raise HttpError(403, 5, "this URL needs a connection with a key of 128 bits")
    if "SslRequireCert" in flags and (tls is None or tls.client_certificate is None):
        remedy = "The https binding needs clientCertificateAuthorities, and the client a certificate of one of them."
        raise HttpError(403, 7, "this URL needs a client certificate", remedy=remedy)
