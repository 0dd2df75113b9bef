"""Where a running service listens, and who its clients are: unix sockets, IPv6, believed proxies, no Server field."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from tests.listener.running_listener import free_unix_path
from tests.processes.test_changes import save
from tests.processes.test_service_upgrade import upgraded
from tests.running_service import WAIT_SECONDS, Answer, free_port, read_answer, running
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

LISTENER = """<listener><forwardedHeaders><add ipAddress="127.0.0.1" /><add ipAddress="unix" /></forwardedHeaders>
  </listener>"""
NO_SERVER = (
    '<location path="Default Web Site/media"><system.webServer><security><requestFiltering removeServerHeader="true" />'
)
NO_SERVER += "</security></system.webServer></location>"
OWN_SERVER = (
    '<location path="Default Web Site/who.cgi"><system.webServer><httpProtocol><customHeaders>'
    '<add name="Server" value="Own/1.0" /></customHeaders></httpProtocol></system.webServer></location>'
)
WHO_CGI = """\
#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "$REMOTE_ADDR $HTTPS $SERVER_NAME:$SERVER_PORT"
"""


def ask(address: tuple[str, int] | str, path: str, extra: str = "") -> Answer:
    """One request over TCP (either family) or a unix socket."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(WAIT_SECONDS)
        client.connect(address)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{extra}\r\n".encode())
        return read_answer(client)


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_one_site_at_three_kinds_of_address(tmp_path: Path, mode: str) -> None:
    """IPv4, IPv6 and a unix socket lead to the same site; a proxy speaks for its clients; a saved binding takes a new
    socket and takes the old file away; an upgrade keeps the socket; at the end nothing of it is left."""
    with free_unix_path() as path:
        config = write_site(tmp_path, mode=mode)
        who = tmp_path / "wwwroot" / "who.cgi"
        who.write_text(WHO_CGI)
        who.chmod(0o755)
        sixth = free_port()
        bindings = f"""
          <binding protocol="http" bindingInformation="[::1]:{sixth}:" />
          <binding protocol="http" bindingInformation="unix:{path}:" socketMode="600" />
        </bindings>"""
        text = (
            config.read_text()
            .replace("</bindings>", bindings)
            .replace("<applicationPools>", LISTENER + "<applicationPools>")
        )
        config.write_text(text.replace("</configuration>", NO_SERVER + OWN_SERVER + "</configuration>"))
        with running(tmp_path, config) as service:
            addresses = ("127.0.0.1", service.port), ("::1", sixth), path
            assert [ask(each, "/index.html").status for each in addresses] == [200, 200, 200]
            assert os.stat(path).st_mode & 0o777 == 0o600
            client = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
            told = [ask(each, "/who.cgi", client).text.strip() for each in addresses]
            assert told == [
                f"203.0.113.9 on shop.example:{service.port}",
                f"::1 off shop.example:{sixth}",  # nobody has said that ::1 is a proxy
                "203.0.113.9 on shop.example:443",
            ]
            assert ask(path, "/index.html").headers["server"] == "isapy"
            assert "server" not in ask(path, "/media/note.txt").headers
            assert ask(path, "/who.cgi").headers["server"] == "Own/1.0"
            missing = ask(path, "/nothing", client).text
            assert "wwwroot" not in missing  # its client is not on this machine

            moved = path + "2"
            save(config, lambda text: re.sub(r"unix:[^:]*:", f"unix:{moved}:", text))
            service.wait_for_event("configuration-applied")
            assert ask(moved, "/index.html").status == 200
            assert not os.path.exists(path)
            first = os.stat(moved).st_ino
            upgraded(service)
            assert ask(moved, "/index.html").status == 200
            assert os.stat(moved).st_ino == first
        assert not os.path.exists(moved)
