"""The variables of a WSGI request that are not the fields'."""

from __future__ import annotations

from wsgiref.util import FileWrapper

from host.api import ClientCertificate, Connection, Tls
from host.python_apps.wsgi_environ import base_environ, request_environ
from tests.gateway.sample_request import sample_request
from tests.kept_memory import kept_bytes

SHOWN = ClientCertificate("C=DE, CN=Käte", "CN=Authority", "0A", b"der")


def environ_of(tls: Tls | None) -> dict[str, object]:
    connection = Connection("192.0.2.7", 40123, "127.0.0.1", 443, 1, tls is not None, tls)
    request = sample_request(connection=connection)
    base = base_environ(request, is_multithread=True, is_multiprocess=False, file_wrapper=FileWrapper)
    return request_environ(base, request)


def test_what_the_client_has_shown_is_told_as_to_other_programs() -> None:
    """IIS's variables of the connection and the certificate; text as PEP 3333 wants it; nothing without TLS."""
    environ = environ_of(Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, 2048, "CN=shop", "CN=x", SHOWN))
    assert (environ["wsgi.url_scheme"], environ["HTTPS"], environ["CRYPT_PROTOCOL"]) == ("https", "on", "1000")
    assert environ["CERT_SUBJECT"] == "C=DE, CN=Käte".encode().decode("latin-1")
    assert (environ["CERT_SERIALNUMBER"], environ["HTTPS_SERVER_SUBJECT"]) == ("0A", "CN=shop")
    assert [name for name in environ_of(None) if name.startswith(("CERT_", "HTTPS", "CRYPT_"))] == []


def test_long_names_of_fields_are_not_kept() -> None:
    """A client may invent them."""
    base = base_environ(sample_request(), is_multithread=True, is_multiprocess=False, file_wrapper=FileWrapper)
    assert kept_bytes(lambda text: request_environ(base, sample_request([(text, "1")]))) < 500_000
