"""list, status, start, stop, recycle: against a real control socket with a handler of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.admin.cache_messages import Cache, FlushCache, ListCache
from host.admin.commands import (
    Command,
    Done,
    Failed,
    GetStatus,
    ListPlugins,
    ListPools,
    ListRequests,
    ListSites,
    ListWorkers,
    Plugins,
    PoolRow,
    Pools,
    RecyclePool,
    Reply,
    RequestRow,
    Requests,
    Sites,
    StartPool,
    StartSite,
    Status,
    StopPool,
    StopService,
    StopSite,
    UnloadApplication,
    Upgrade,
    WorkerRow,
    Workers,
)
from host.admin.filter_messages import Filters, ListFilters
from host.admin.location import control_socket
from host.cli.service_commands import wait_for_end
from tests.admin.running_server import running_server
from tests.cli.command_line import CHECKOUT, isapy, typed

pytestmark = pytest.mark.slow

Running = tuple[Path, list[Command]]


def answer(command: Command) -> Reply:
    """A service with one pool called Shop."""
    match command:
        case GetStatus():
            return Status(
                version="0.1.0",
                pid=os.getpid(),
                config_path="/srv/conf/applicationHost.config",
                isolation_mode="WorkerProcess",
                started_at=0.0,
                urls=["http://localhost:8080/"],
                processes=[],
            )
        case ListSites():
            return Sites(rows=[])
        case ListPools():
            return Pools(rows=[PoolRow(name="Shop", state="Started")])
        case ListWorkers():
            return Workers(rows=[WorkerRow(process_id=1, name="Shop#1", pool="Shop", state="Running")])
        case ListRequests():
            return Requests(rows=[])
        case ListPlugins():
            return Plugins(rows=[])
        case ListFilters() | ListCache():
            return Filters(rows=[]) if isinstance(command, ListFilters) else Cache(rows=[], entries=0, size=0)
        case (
            StartPool(name="Shop")
            | StopPool(name="Shop")
            | RecyclePool(name="Shop")
            | StartSite(name="Shop")
            | StopSite(name="Shop")
            | UnloadApplication(name="/shop")
            | Upgrade()
            | FlushCache()
        ):
            return Done(text=f"{type(command).__name__} Shop")
        case StopService():
            return Done(text="ending")
        case _:
            return Failed(message="there is no such pool", remedy="pools in use: Shop")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of control sockets, for this process and its children."""
    monkeypatch.setenv("ISAPY_CONTROL", str(tmp_path / "run"))
    return tmp_path


@pytest.fixture
def service(folder: Path) -> Iterator[Running]:
    """A running service: its configuration file and the commands it gets."""
    config = folder / "a" / "conf" / "applicationHost.config"
    with running_server(control_socket(config), answer) as commands:
        yield config, commands


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["list", "sites"], ListSites()),
        (["list", "pools"], ListPools()),
        (["list", "workers"], ListWorkers()),
        (["list", "requests"], ListRequests()),
        (["list", "requests", "--elapsed", "5000"], ListRequests(time_elapsed_filter=5000)),
        (["list", "plugins"], ListPlugins()),
        (["list", "filters"], ListFilters()),
        (["list", "cache"], ListCache()),
        (["cache", "flush"], FlushCache()),
        (["cache", "flush", "/a/*", "--site", "Shop"], FlushCache(site="Shop", url="/a/*")),
        (["status"], GetStatus()),
        (["start", "pool", "Shop"], StartPool(name="Shop")),
        (["recycle", "pool", "Shop"], RecyclePool(name="Shop")),
        (["stop", "pool", "Shop"], StopPool(name="Shop")),
        (["start", "site", "Shop"], StartSite(name="Shop")),
        (["stop", "site", "Shop"], StopSite(name="Shop")),
        (["unload", "/shop"], UnloadApplication(name="/shop")),
        (["upgrade"], Upgrade()),
        (["stop", "--no-wait"], StopService()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_each_command_says_what_was_typed(service: Running, arguments: list[str], command: Command) -> None:
    """The one running service is found by itself; nothing is shown on standard error but notes."""
    result = typed(*arguments)
    assert result.returncode == 0, result
    assert service[1][-1] == command


def test_tables_and_json(service: Running) -> None:
    """The same rows for people and for programs."""
    assert "Shop#1" in typed("list", "workers").stdout
    assert json.loads(typed("list", "workers", "--json").stdout)[0]["process_id"] == 1
    assert json.loads(typed("list", "sites", "--json").stdout) == []
    assert json.loads(typed("status", "--json").stdout)["isolation_mode"] == "WorkerProcess"


def test_a_refusal_shows_message_and_remedy(service: Running) -> None:
    """On standard error, with status 1."""
    result = typed("recycle", "pool", "Nope")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "isapy: there is no such pool\n       pools in use: Shop\n"


def test_no_service(folder: Path) -> None:
    """Status 3 and what to type."""
    result = typed("list", "pools")
    assert (result.returncode, result.stdout) == (3, "")
    assert "no isapy service is running" in result.stderr
    assert "isapy run" in result.stderr
    result = typed("stop", "--config", folder / "x.config")
    assert result.returncode == 3
    assert f"isapy run --config {folder / 'x.config'}" in result.stderr


def test_several_services_need_a_name(service: Running, folder: Path) -> None:
    """The error lists them; --config chooses, and so does the folder of a site, as for `isapy run`."""
    other = folder / "b" / "conf" / "applicationHost.config"
    with running_server(control_socket(other), answer) as commands:
        result = typed("list", "pools")
        assert result.returncode == 2
        assert result.stderr.count("--config /srv/conf/applicationHost.config") == 2
        assert typed("list", "pools", "--config", other).returncode == 0
        assert commands.pop() == ListPools()
        site = other.parent.parent
        site.joinpath("conf").mkdir(parents=True)
        other.touch()
        here = {"ISAPY_CONTROL": os.environ["ISAPY_CONTROL"]}
        assert isapy("list", "pools", environment=here, folder=site).returncode == 0
        assert commands[-1] == ListPools()


@pytest.mark.parametrize("arguments", [["stop", "pool"], ["stop", "app", "x"], ["stop", "site"]])
def test_stop_what(service: Running, arguments: list[str]) -> None:
    """A half-typed `stop pool` never stops the service."""
    result = typed(*arguments)
    assert result.returncode == 2
    assert "isapy stop pool NAME" in result.stderr
    assert service[1] == []


def test_the_news_of_the_service_do_not_go_into_a_pipe(folder: Path) -> None:
    """What a long command waits for is for a terminal (tests/cli/test_patience.py); a program gets the answer alone."""
    config = folder / "a" / "conf" / "applicationHost.config"
    with running_server(control_socket(config), answer, news=["waiting for GET /slow"]):
        result = typed("recycle", "pool", "Shop", "--config", config)
    assert (result.returncode, result.stdout, result.stderr) == (0, "RecyclePool Shop\n", "")


def test_stop_waits_until_the_service_has_ended(folder: Path) -> None:
    """The process is gone when the command returns."""
    config = folder / "a" / "conf" / "applicationHost.config"
    program = (
        "import asyncio, sys\n"
        "from host.admin.commands import *\n"
        "from host.admin.server import ControlServer\n"
        "async def serve():\n"
        "    ended = asyncio.Event()\n"
        "    async def handle(command, tell):\n"
        "        asyncio.get_running_loop().call_later(0.2, ended.set)\n"
        "        return Done(text='ending')\n"
        "    server = ControlServer(sys.argv[1], handle)\n"
        "    await server.start()\n"
        "    print('ready', flush=True)\n"
        "    await ended.wait()\n"
        "    await server.close()\n"
        "    print('closed', flush=True)\n"
        "asyncio.run(serve())"
    )
    service = subprocess.Popen(
        [sys.executable, "-c", program, control_socket(config)], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    with service:
        assert service.stdout is not None
        assert service.stdout.readline() == "ready\n"
        result = typed("stop", "--config", config)
        assert (result.returncode, result.stdout) == (0, "ending\n"), result
        assert service.stdout.read() == "closed\n"
        assert service.wait(60) == 0


def test_while_the_service_ends_its_requests_are_named(folder: Path) -> None:
    """Whoever stops it sees what holds it up, until its process is gone."""
    row = RequestRow(
        request_id="r",
        connection_id=1,
        verb="GET",
        url="/slow",
        site_id=1,
        host_name="h",
        client_ip_address="10.0.0.7",
        local_port=80,
        time_elapsed=12000,
        pipeline_state="ExecuteRequestHandler",
        worker="Shop#1",
        queue="Shop",
    )
    news: list[str] = []
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as service:
        assert service.stdin is not None
        handle = os.pidfd_open(service.pid)

        def tell(text: str) -> None:
            news.append(text)
            assert service.stdin is not None
            service.stdin.close()  # it ends now

        with running_server(folder / "run.sock", lambda _command: Requests(rows=[row])):
            assert wait_for_end(handle, folder / "run.sock", tell)
        os.close(handle)
    assert news[0] == "waiting for GET /slow of 10.0.0.7 (12 s)"
