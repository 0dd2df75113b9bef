"""What a binding says about TLS, and what a site says about its clients, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SNI: Final = 1
"""sslFlags of a binding: the certificate is for clients that name this host (Server Name Indication)."""

NO_TLS_1_3: Final = 32
WITHOUT_MEANING: Final = 4 | 8 | 16 | 64
"""No HTTP/2, no OCSP stapling, no QUIC, no legacy TLS: so it is here in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingTls:
    """The TLS half of an https binding; files are absolute paths of PEM files."""

    certificate_file: str
    key_file: str  # the certificate's own file may hold it
    client_authorities_file: str = ""  # whose client certificates are believed; empty: nobody's
    uses_sni: bool = False
    allows_tls_1_3: bool = True

    @property
    def files(self) -> tuple[str, ...]:
        """What is read for it."""
        return tuple(file for file in (self.certificate_file, self.key_file, self.client_authorities_file) if file)

    @property
    def name(self) -> str:
        """What names the certificate between processes: the same files, the same certificate."""
        return "\0".join((self.certificate_file, self.key_file, self.client_authorities_file))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hsts:
    """`site/hsts`: HTTP strict transport security (RFC 6797); `max_age` in seconds."""

    enabled: bool = False
    max_age: int = 0
    include_sub_domains: bool = False
    preload: bool = False
    redirect_http_to_https: bool = False

    @property
    def field(self) -> bytes:
        """The response field with its line end; empty when it is off."""
        if not self.enabled:
            return b""
        parts = [f"max-age={self.max_age}"]
        parts += ["includeSubDomains"] if self.include_sub_domains else []
        parts += ["preload"] if self.preload else []
        return f"Strict-Transport-Security: {'; '.join(parts)}\r\n".encode("ascii")
