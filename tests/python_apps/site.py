"""A site of Python applications for a test: each in a folder, a pool and an isolation of its own."""

from __future__ import annotations

import http.client
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

from tests.running_service import RunningService, wait_until

DATA = Path(__file__).parent / "data"


@dataclass
class Application:
    """An application of the site: its URL path, its sample (a folder of data/), its callable."""

    path: str
    sample: str
    processor: str
    modules: str = "WsgiModule"
    pool: str = "DefaultAppPool"
    isolation: str = "Low"
    pattern: str = "*"
    settings: str = ""  # attributes of pythonApplication
    further_handlers: str = ""


@dataclass
class PythonSite:
    """Writes the applications' folders and the configuration."""

    folder: Path
    applications: list[Application] = field(default_factory=list)

    def folder_of(self, path: str) -> Path:
        """The folder of the application at that URL path."""
        return self.folder / ("root" if path == "/" else path.strip("/").replace("/", "_"))

    def write(self) -> Path:
        """Copy the samples and write applicationHost.config; gives its path."""
        (self.folder / "conf").mkdir(parents=True, exist_ok=True)
        for application in self.applications:
            sample, target = DATA / application.sample, self.folder_of(application.path)
            if application.sample and not target.exists():
                shutil.copytree(sample, target, ignore=shutil.ignore_patterns("__pycache__"))
            target.mkdir(exist_ok=True)
            (target / "web.config").write_text(_web_config(application))
        pools = "".join(f'<add name="{name}" />' for name in dict.fromkeys(one.pool for one in self.applications))
        applications = "".join(
            f'<application path="{one.path}" applicationPool="{one.pool}" isolation="{one.isolation}">'
            f'<virtualDirectory path="/" physicalPath="{self.folder_of(one.path)}" /></application>'
            for one in self.applications
        )
        config = self.folder / "conf" / "applicationHost.config"
        config.write_text(
            f"""<configuration><system.applicationHost><applicationPools>{pools}</applicationPools>
            <sites><site name="Site" id="1">{applications}
            <bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:" /></bindings></site></sites>
            </system.applicationHost></configuration>"""
        )
        return config


def _web_config(one: Application) -> str:
    return (
        '<configuration><location path="." inheritInChildApplications="false"><system.webServer>'
        f"<pythonApplication {one.settings} /><handlers>{one.further_handlers}"
        f'<add name="Python" path="{one.pattern}" verb="*" modules="{one.modules}" '
        f"scriptProcessor={quoteattr(one.processor)} />"
        "</handlers></system.webServer></location></configuration>"
    )


def leave_in_the_middle(service: RunningService, path: str) -> None:
    """Ask, take the beginning of the answer, and close the connection."""
    with service.connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connection.recv(1000)


def send_chunked(service: RunningService, path: str, pieces: list[bytes]) -> tuple[int, bytes]:
    """A POST whose body comes in chunks; status and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=90)
    try:
        connection.request(
            "POST", path, body=iter(pieces), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def first_line(connection: socket.socket, path: str) -> tuple[http.client.HTTPResponse, bytes]:
    """Ask for a stream and read its first line."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response, response.readline()


def wait_for_text(service: RunningService, path: str, wanted: str) -> str:
    """Ask for the path until the answer holds the text."""

    def asked() -> str:
        text = service.get(path).text
        return text if wanted in text else ""

    return wait_until(asked, service.folder, f"{wanted} in {path}")
