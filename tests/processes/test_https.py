"""Https on a running service: certificates by name and renewed, clients' certificates, what URLs demand, strangers."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.processes.test_changes import save
from tests.running_service import Answer, free_port, read_answer, running
from tests.sample_site import write_site
from tests.tls import Pair, authority, client_context, client_pair, connect, server_pair

pytestmark = pytest.mark.slow

BINDING = '<binding protocol="https" bindingInformation="127.0.0.1:{port}:{host}" {attributes} />'
HARMLESS = ("OK", "INFO", "DEBUG", "WARN")
"""What testssl says without a complaint; WARN is what the openssl beside it cannot try."""

NOT_OURS = ("cert_chain_of_trust", "cert_trust", "cert_revocation", "DNS_CAArecord", "security_headers")
"""Findings about a certificate that nobody has issued, about DNS, and about the pages of a site."""

LOCATIONS = """
<location path="Default Web Site/shop"><system.webServer><security><access sslFlags="Ssl" /></security>
</system.webServer></location>
<location path="Default Web Site/media"><system.webServer><security><access sslFlags="Ssl, SslRequireCert" /></security>
</system.webServer></location>
</configuration>"""
WHO_CGI = """\
#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "$HTTPS $SERVER_PORT_SECURE $REQUEST_SCHEME $CERT_FLAGS $CERT_SUBJECT|$HTTPS_SERVER_SUBJECT|$CRYPT_PROTOCOL"
"""


def https(port: int, certificate: Pair, host: str = "", **attributes: object) -> str:
    """A binding as the configuration has it."""
    told = {"certificateFile": certificate.certificate, "certificateKeyFile": certificate.key, **attributes}
    attributes_text = " ".join(f'{name}="{value}"' for name, value in told.items())
    return BINDING.format(port=port, host=host, attributes=attributes_text)


def write_secure_site(folder: Path, bindings: str, mode: str) -> Path:
    """The usual site with further bindings and what some of its URLs demand."""
    config = write_site(folder, mode=mode)
    who = folder / "wwwroot" / "who.cgi"
    who.write_text(WHO_CGI)
    who.chmod(0o755)
    text = config.read_text().replace("</bindings>", bindings + "</bindings>")
    config.write_text(text.replace("</configuration>", LOCATIONS))
    return config


def ask(port: int, path: str, context: ssl.SSLContext, name: str = "localhost") -> Answer:
    """One request over TLS."""
    with connect(port, context, name) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        return read_answer(connection)


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_a_site_over_tls(tmp_path: Path, mode: str) -> None:
    """The certificate of the name, files whole, programs told of it, URLs that demand TLS or a client's certificate; a
    renewed certificate is shown without a restart, half a renewal changes nothing."""
    default, shop = server_pair(tmp_path, "localhost"), server_pair(tmp_path, "shop.example")
    clients = authority(tmp_path)
    alice = client_pair(tmp_path, clients)
    port = free_port()
    bindings = https(port, default, clientCertificateAuthorities=clients.certificate)
    bindings += https(port, shop, "shop.example", sslFlags=1)
    config = write_secure_site(tmp_path, bindings, mode)
    with running(tmp_path, config) as service:
        assert ask(port, "/who.cgi", client_context(default)).text.strip() == "on 1 https  |CN=localhost|1000"
        told = ask(port, "/who.cgi", client_context(shop), "shop.example").text
        assert told.strip() == "on 1 https  |CN=shop.example|1000"
        told = ask(port, "/who.cgi", client_context(default, alice)).text
        assert told.strip() == "on 1 https 1 C=DE, O=Example, CN=alice|CN=localhost|1000"
        assert ask(port, "/big.bin", client_context(default)).body == (tmp_path / "wwwroot" / "big.bin").read_bytes()
        assert service.get("/shop/a.where").status == 403
        assert json.loads(ask(port, "/shop/a.where", client_context(default)).text)["application"] == "/shop"
        assert ask(port, "/media/note.txt", client_context(default)).status == 403
        assert ask(port, "/media/note.txt", client_context(default, alice)).text == "a note\n"

        renewed = server_pair(make(tmp_path / "renewed"), "localhost")
        shutil.copy(renewed.certificate, default.certificate)
        service.wait_for_event("certificate-refused", "the one before it is shown on")
        assert ask(port, "/index.html", client_context(None)).status == 200
        shutil.copy(renewed.key, default.key)
        service.wait_for_event("certificate-loaded", "CN=localhost")
        assert ask(port, "/index.html", client_context(renewed)).status == 200


def test_an_address_becomes_secure_and_a_bad_certificate_is_refused(tmp_path: Path) -> None:
    """A saved file: first with a certificate that is none (the old configuration serves on), then with a good one."""
    good = server_pair(tmp_path, "localhost")
    (tmp_path / "bad.pem").write_text("not a certificate")
    config = write_site(tmp_path)
    port = free_port()
    with running(tmp_path, config) as service:
        bad = https(port, Pair(tmp_path / "bad.pem", good.key))
        save(config, lambda text: text.replace("</bindings>", bad + "</bindings>"))
        event = service.wait_for_event("configuration-refused")
        assert "applicationHost.config:24: binding/@certificateFile: " in event
        assert "bad.pem" in event
        save(config, lambda text: text.replace(str(tmp_path / "bad.pem"), str(good.certificate)))
        service.wait_for_event("configuration-applied")
        assert ask(port, "/index.html", client_context(good)).status == 200
        assert service.get("/index.html").status == 200


def test_testssl_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    """Debian's testssl.sh, everything that it knows; what it says of any self-signed certificate aside."""
    pair = server_pair(tmp_path, "localhost")
    port = free_port()
    config = write_secure_site(tmp_path, https(port, pair), "WorkerProcess")
    hsts = '<hsts enabled="true" max-age="31536000" />'
    config.write_text(config.read_text().replace("</bindings>", "</bindings>" + hsts))
    findings = tmp_path / "findings.json"
    with running(tmp_path, config):
        command = ["testssl", "--quiet", "--color", "0", "--fast", "--ip", "127.0.0.1", "--warnings", "off"]
        command += ["--protocols", "--std", "--fs", "--vulnerable", "--headers"]
        command += ["--jsonfile", str(findings), f"https://localhost:{port}/"]
        subprocess.run(command, capture_output=True, timeout=360, check=False)
    complaints = [
        f"{row['id']}: {row['severity']}: {row['finding']}"
        for row in json.loads(findings.read_text())
        if row["severity"] not in HARMLESS and not row["id"].startswith(NOT_OURS)
    ]
    assert complaints == []
    assert len(json.loads(findings.read_text())) > 40


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder
