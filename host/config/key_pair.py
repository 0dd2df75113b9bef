"""Certificate and private key, given as texts, for a TLS context: the ssl module takes files, so they lie in memory."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from host.config.errors import ValueProblem


def load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes, where: str) -> None:
    """Give a context the PEM texts of certificate and key; `ssl` takes files only. Raises ValueProblem."""
    with _in_memory(certificate) as certificate_path, _in_memory(key) as key_path:
        try:
            context.load_cert_chain(certificate_path, key_path, password=_refuse_password)
        except _EncryptedKey as error:
            remedy = "take the password off: openssl pkey -in KEY.pem -out PLAIN.pem"
            raise ValueProblem(f"{where}: the key is encrypted, and nobody is there to ask", remedy) from error
        except (ssl.SSLError, OSError, ValueError) as error:
            remedy = "give PEM files: the certificate with its chain, and the private key that belongs to it"
            raise ValueProblem(f"{where}: {_reason(error)}", remedy) from error


class _EncryptedKey(Exception):
    pass


def _refuse_password() -> str:
    raise _EncryptedKey


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else str(error)


@contextmanager
def _in_memory(text: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("isapy-key", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, text)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
