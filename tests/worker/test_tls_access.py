"""`access/@sslFlags`: what each of them demands of a connection."""

from __future__ import annotations

import pytest

from host.api import ClientCertificate, Tls
from tests.worker.front import run
from tests.worker.site import Site

WEAK = Tls("TLSv1.2", "x", 56, 256, "CN=x", "CN=x")
STRONG = Tls("TLSv1.3", "x", 256, 256, "CN=x", "CN=x")
KNOWN = Tls("TLSv1.3", "x", 256, 256, "CN=x", "CN=x", ClientCertificate("CN=a", "CN=b", "1", b"der"))


@pytest.mark.parametrize(
    ("flags", "tls", "answer"),
    [
        ("None", None, (200, 0)),
        ("Ssl", None, (403, 4)),
        ("Ssl", WEAK, (200, 0)),
        ("Ssl, Ssl128", WEAK, (403, 5)),
        ("Ssl, Ssl128", STRONG, (200, 0)),
        ("SslNegotiateCert", None, (200, 0)),
        ("Ssl, SslRequireCert", None, (403, 4)),
        ("Ssl, SslRequireCert", STRONG, (403, 7)),
        ("Ssl, SslRequireCert", KNOWN, (200, 0)),
    ],
)
def test_a_connection_must_be_what_the_url_demands(
    site: Site, flags: str, tls: Tls | None, answer: tuple[int, int]
) -> None:
    """IIS's substatus for each: 403.4 TLS, 403.5 128 bits, 403.7 a client certificate."""
    site.further = f'<security><access sslFlags="{flags}" /></security>'
    site.write("a.txt")

    async def main() -> tuple[int, int]:
        front = await site.serve()
        got = await front.ask("/a.txt", tls=tls)
        return got.status, got.substatus

    assert run(main()) == answer
