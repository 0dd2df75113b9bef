"""What is known of a client's TLS, and the server variables that IIS makes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_PROTOCOLS: Final = {"TLSv1.2": "400", "TLSv1.3": "1000"}
_CIPHERS: Final = {"AES128": "660e", "AES_128": "660e", "AES256": "6610", "AES_256": "6610"}
_HASHES: Final = {"SHA256": "800c", "SHA384": "800d"}
_EPHEMERAL_ECDH: Final = "ae06"


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The certificate that the client has shown, issued by an authority that the binding believes.

    Names as IIS writes them (`C=DE, O=Example, CN=alice`), the serial number in hexadecimal digits."""

    subject: str
    issuer: str
    serial_number: str
    der: bytes


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS of a client's connection: protocol (`TLSv1.3`), cipher as OpenSSL names it, and who has shown what."""

    protocol: str
    cipher: str
    cipher_bits: int
    server_key_bits: int
    server_subject: str
    server_issuer: str
    client_certificate: ClientCertificate | None = None

    @property
    def variables(self) -> Mapping[str, str]:
        """IIS's server variables by name; those of the client's certificate only when there is one.

        CERT_FLAGS: 1, a certificate is there (one of an authority that is not believed ends the handshake). CRYPT_ ones
        hold SChannel's numbers in hexadecimal digits, empty for what SChannel does not have."""
        found = {
            "HTTPS_KEYSIZE": str(self.cipher_bits),
            "HTTPS_SECRETKEYSIZE": str(self.server_key_bits),
            "HTTPS_SERVER_ISSUER": self.server_issuer,
            "HTTPS_SERVER_SUBJECT": self.server_subject,
            "CERT_KEYSIZE": str(self.cipher_bits),
            "CERT_SECRETKEYSIZE": str(self.server_key_bits),
            "CERT_SERVER_ISSUER": self.server_issuer,
            "CERT_SERVER_SUBJECT": self.server_subject,
            "CRYPT_PROTOCOL": _PROTOCOLS.get(self.protocol, ""),
            "CRYPT_CIPHER_ALG_ID": next((number for name, number in _CIPHERS.items() if name in self.cipher), ""),
            "CRYPT_HASH_ALG_ID": next((number for name, number in _HASHES.items() if self.cipher.endswith(name)), ""),
            "CRYPT_KEYEXCHANGE_ALG_ID": _EPHEMERAL_ECDH,
        }
        client = self.client_certificate
        if client is not None:
            found |= {
                "CERT_COOKIE": hashlib.sha256(client.der).hexdigest(),
                "CERT_FLAGS": "1",
                "CERT_ISSUER": client.issuer,
                "CERT_SUBJECT": client.subject,
                "CERT_SERIALNUMBER": client.serial_number,
            }
        return found
