"""Sites started and stopped on the running service, in both process models: what a client gets, and what stays."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from host.admin.client import CommandFailed
from host.admin.commands import ListSites, SiteRow, Sites, StartSite, StopSite
from tests.processes.test_changes import save
from tests.running_service import WAIT_SECONDS, RunningService, free_port, read_answer, running
from tests.sample_site import WHERE

pytestmark = pytest.mark.slow

SITE = """
<site name="{name}" id="{id}" serverAutoStart="{auto_start}">
  <application path="/"><virtualDirectory path="/" physicalPath="../{folder}" /></application>
  <bindings>{bindings}</bindings>
</site>"""

CONFIG = """\
<configuration>
  <system.applicationHost>
    <isolation mode="{mode}" />
    <applicationPools><add name="DefaultAppPool" /></applicationPools>
    <sites>{sites}</sites>
  </system.applicationHost>
</configuration>
"""

GATE = """\
import asyncio, os
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Gate", path="*.gate")]

@hookimpl
async def handle(request):
    while not os.path.exists(os.environ["TEST_GATE"]):
        await asyncio.sleep(0.01)
    return Response.text("through the gate")
"""


def site(name: str, number: int, *bindings: str, auto_start: str = "true") -> str:
    lines = "".join(f'<binding protocol="http" bindingInformation="127.0.0.1:{each}" />' for each in bindings)
    return SITE.format(name=name, id=number, auto_start=auto_start, folder=name.lower(), bindings=lines)


def write_sites(folder: Path, mode: str, shared: int, own: int) -> Path:
    """Main and Side share a port by host name; Alone and Twin have the same binding."""
    sites = [
        site("Main", 1, f"{shared}:main.test"),
        site("Side", 2, f"{shared}:side.test"),
        site("Alone", 3, f"{own}:"),
        site("Twin", 4, f"{own}:"),
        site("Later", 5, f"{shared}:later.test", auto_start="false"),
    ]
    for name in ("main", "side", "alone", "twin", "later"):
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(f"{name}\n")
    for name, text in (("where", WHERE), ("gate", GATE)):
        (folder / "extensions").mkdir(exist_ok=True)
        (folder / "extensions" / f"{name}.py").write_text(text)
    (folder / "conf").mkdir()
    config = folder / "conf" / "applicationHost.config"
    config.write_text(CONFIG.format(mode=mode, sites="".join(sites)))
    return config


def sites_of(service: RunningService) -> dict[str, SiteRow]:
    reply = service.ask(ListSites())
    assert isinstance(reply, Sites)
    return {row.name: row for row in reply.rows}


def page(service: RunningService, host: str) -> tuple[int, str]:
    answer = service.get("/", {"Host": host})
    return answer.status, answer.text.strip()


def other_port(port: int) -> str:
    """What the first bytes of an answer on that port say, or `refused`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: any.test\r\n\r\n")
            whole = b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionRefusedError:
        return "refused"
    return whole.decode().split("\r\n\r\n")[1].strip()


def send(connection: socket.socket, path: str, host: str) -> None:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_a_stopped_site_loses_its_bindings_and_nothing_else(tmp_path: Path, mode: str) -> None:
    """400 where another site listens, a refused connection where none does; requests in hand finish, workers stay."""
    shared, own = free_port(), free_port()
    config = write_sites(tmp_path, mode, shared, own)
    gate = tmp_path / "gate"
    with running(tmp_path, config, port=shared, environment={"TEST_GATE": str(gate)}) as service:
        _identical_bindings(service, own)
        assert (page(service, "main.test"), page(service, "side.test")) == ((200, "main"), (200, "side"))
        pid = json.loads(service.get("/a.where", {"Host": "side.test"}).body)["pid"]
        with service.connect() as idle, service.connect() as busy:
            assert service.get_on(idle, "/", "side.test").status == 200
            send(busy, "/x.gate", "side.test")
            service.wait_for_requests(1)
            service.ask(StopSite(name="side"))  # compared without case
            assert (sites_of(service)["Side"].state, sites_of(service)["Side"].urls) == ("Stopped", [])
            send(idle, "/", "side.test")
            answer = b"".join(iter(lambda: idle.recv(65536), b""))  # to the end: the connection is closed
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"The request hostname is invalid." in answer
            assert page(service, "side.test")[0] == 400
            assert page(service, "main.test") == (200, "main")
            gate.touch()
            assert read_answer(busy).text == "through the gate"
        assert json.loads(service.get("/a.where", {"Host": "main.test"}).body)["pid"] == pid
        service.httperr("Hostname")
        service.wait_for_event("site-stopped", "Side")
        _state_survives_changes(service, config)
        service.ask(StartSite(name="Later"))
        assert page(service, "later.test") == (200, "later")
    _server_auto_start_decides_again(tmp_path, config, shared)


def _identical_bindings(service: RunningService, own: int) -> None:
    """The second site with a binding stays stopped until the first is stopped."""
    rows = sites_of(service)
    assert {name: row.state for name, row in rows.items()} == {
        "Main": "Started",
        "Side": "Started",
        "Alone": "Started",
        "Twin": "Stopped",
        "Later": "Stopped",
    }
    assert "site Alone" in rows["Twin"].reason
    service.wait_for_event("site-not-started", "Twin", "Alone")
    with pytest.raises(CommandFailed, match="site Twin cannot start: site Alone") as caught:
        service.ask(StartSite(name="Twin"))
    assert "stop the other site" in caught.value.remedy
    assert other_port(own) == "alone"
    service.ask(StopSite(name="Alone"))
    assert other_port(own) == "refused"
    service.ask(StartSite(name="4"))
    assert other_port(own) == "twin"
    with pytest.raises(CommandFailed, match="site Alone cannot start: site Twin"):
        service.ask(StartSite(name="Alone"))
    with pytest.raises(CommandFailed, match="no site Nowhere") as caught:
        service.ask(StopSite(name="Nowhere"))
    assert "Main, Side" in caught.value.remedy


def _state_survives_changes(service: RunningService, config: Path) -> None:
    """A dead front, a saved configuration, the isolation switch: what was stopped by hand stays stopped."""
    service.kill(service.pid_of(service.titles()[1]))
    service.wait_for_event("process-started", "the one before it died")
    new = site("New", 6, f"{service.port}:new.test")
    (config.parent.parent / "new").mkdir()
    save(config, lambda text: text.replace("</sites>", f"{new}</sites>"))
    service.wait_for_event("site-started", "New")
    other = "IIS5" if "WorkerProcess" in config.read_text() else "WorkerProcess"
    save(
        config,
        lambda text: text.replace('mode="WorkerProcess"', f'mode="{other}"').replace('mode="IIS5"', f'mode="{other}"'),
    )
    service.wait_for_event("configuration-applied", count=2)
    assert (page(service, "side.test")[0], page(service, "main.test")[0]) == (400, 200)
    assert {name: row.state for name, row in sites_of(service).items() if row.state == "Stopped"} == {
        "Side": "Stopped",
        "Alone": "Stopped",
        "Later": "Stopped",
    }
    service.ask(StartSite(name="Side"))
    assert page(service, "side.test") == (200, "side")
    service.ask(StopSite(name="Side"))


def _server_auto_start_decides_again(folder: Path, config: Path, port: int) -> None:
    """Start and stop are no configuration."""
    with running(folder, config, port=port) as service:
        assert page(service, "side.test") == (200, "side")
        assert page(service, "later.test")[0] == 400
        assert sites_of(service)["Alone"].state == "Started"
