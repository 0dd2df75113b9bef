"""isapy upgraded while it runs: under load, by command and by signal, with successors that cannot start."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from host.admin.client import CommandFailed
from host.admin.commands import Done, ListPools, ListSites, Pools, Sites, StopPool, StopSite, Upgrade
from host.admin.location import control_socket
from host.admin.unix_socket import living_pid
from tests.processes.installed_version import InstalledVersion
from tests.processes.notification_socket import notification_socket
from tests.processes.test_changes import Load
from tests.processes.test_service_life import SLOW, let_go, read_all, send, takes_connections
from tests.running_service import WAIT_SECONDS, RunningService, start_service, started, wait_until
from tests.sample_site import write_site

MODES = ("workerprocess", "iis5")
PIECE = b"0123456789" * 2000  # three are more than the listener waits for before a worker is given the request


class KeptConnection:
    """Requests on one connection after the other, each used as long as the server lets it."""

    def __init__(self, service: RunningService) -> None:
        self._port = service.port
        self._stop = threading.Event()
        self.failures: list[str] = []
        self.answers = 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WAIT_SECONDS)
        while not self._stop.is_set():
            try:
                connection.request("GET", "/a.where")
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            self.answers += 1
            if response.status != 200:
                self.failures.append(str(response.status))
        connection.close()

    def __enter__(self) -> KeptConnection:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def upgraded(service: RunningService) -> int:
    """Upgrade by command; gives the new service's process id."""
    assert isinstance(service.ask(Upgrade()), Done)
    return service.status().pid


def is_waiter(pid: int) -> bool:
    """Whether that process has become the waiter; while it executes another program it has no command line."""
    return "".join(psutil.Process(pid).cmdline()[:1]).startswith("isapy: waiter")


def gone(pid: int, service: RunningService) -> None:
    """Wait until that process has ended."""
    wait_until(lambda: not psutil.pid_exists(pid), service.folder, f"the end of process {pid}")


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_an_upgrade_loses_nothing_and_the_first_process_stays(tmp_path: Path, mode: str) -> None:
    """By command to another version, then by signal; with new and kept connections, an answer that takes its time and
    a body in pieces. Whoever started isapy keeps its process: signals reach the service, and its end is seen."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "slow.py").write_text(SLOW)
    installed = InstalledVersion(tmp_path)
    service = installed.start(config, "--isolation", mode)
    first = service.process.pid
    service.get("/warm.where")
    head = b"POST /a.echo HTTP/1.0\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
    slow = send(service, b"GET /x.slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    with Load(service, "/a.where") as load, KeptConnection(service) as kept, send(service, head + PIECE) as post, slow:
        service.wait_for_requests(2)
        installed.install("9.8.7")
        second = upgraded(service)
        assert (second != first, service.status().version) == (True, "9.8.7")
        assert living_pid(control_socket(config, service.environment)) == second
        post.sendall(PIECE)
        let_go(service)
        assert b"slow but done" in read_all(slow)

        service.process.send_signal(signal.SIGUSR2)
        third = int(service.wait_for_event("service-upgraded", count=2).rpartition("pid=")[2])
        post.sendall(PIECE)
        assert read_all(post).endswith(PIECE * 3)
        assert service.status().pid == third
    assert load.failures == []
    assert kept.failures == []
    assert min(load.answers, kept.answers) > 10
    gone(second, service)
    wait_until(lambda: is_waiter(first), tmp_path, "the waiter")
    assert service.process.poll() is None

    service.process.send_signal(signal.SIGHUP)  # passed on: nothing has changed, and nobody ends
    assert json.loads(service.get("/a.where").body)["application"] == "/"
    assert service.stop() == 0
    service.wait_until_all_gone()
    assert not control_socket(config, service.environment).exists()


@pytest.mark.slow
def test_a_successor_that_cannot_start_changes_nothing(tmp_path: Path) -> None:
    """A broken configuration, a broken installation, one that dies at once, or that is found to be broken when it has
    the sockets already, or whose pools cannot start: the old service serves on, alone, and says why.
    One that never becomes ready ends with the old service, when that is told to stop."""
    config = write_site(tmp_path)
    installed = InstalledVersion(tmp_path)
    service = installed.start(config)
    with Load(service, "/a.where") as load:
        good = config.read_text()
        config.write_text(good.replace("requireAccess", "requireAcess", 1))
        with pytest.raises(CommandFailed, match=r"applicationHost\.config:.*requireAcess"):
            service.ask(Upgrade())
        service.wait_for_event("upgrade-failed", "requireAcess", "serves on")
        config.write_text(good)

        installed.install("1.1.1", main="import no_such_module")
        with pytest.raises(CommandFailed, match=r"exit code 1 .*ModuleNotFoundError: .*no_such_module"):
            service.ask(Upgrade())
        installed.install("1.1.2", main="import os; os.kill(os.getpid(), 9)")
        with pytest.raises(CommandFailed, match="SIGKILL"):
            service.ask(Upgrade())
        installed.install("1.1.4", main="import sys; sys.modules['host.processes.serving'] = None")
        with pytest.raises(CommandFailed, match=r"cannot start: ModuleNotFoundError: .*serving"):
            service.ask(Upgrade())
        installed.install("1.1.5", main="from host.processes import nursery; nursery.run_pool = lambda *_: 1 / 0")
        with pytest.raises(CommandFailed, match=r"pool \w+ can start no workers; the event log .*events\.log has more"):
            service.ask(Upgrade())
        assert service.status().pid == service.process.pid
    assert load.failures == []

    installed.install("1.1.3", main="import signal; print('asleep', file=__import__('sys').stderr); signal.pause()")
    service.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: "asleep" in service.output, tmp_path, "a successor that sleeps")
    with pytest.raises(CommandFailed, match="is being replaced"):
        service.ask(Upgrade())
    asleep = next(child for child in service.tree() if child.cmdline() and "host.processes" in child.cmdline())
    asleep.kill()
    service.wait_for_event("upgrade-failed", count=6)
    service.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: service.output.count("asleep") == 2, tmp_path, "another successor that sleeps")
    assert service.stop_at_once() == 0
    service.wait_until_all_gone()


@pytest.mark.slow
def test_what_was_stopped_by_hand_stays_stopped_over_an_upgrade(tmp_path: Path) -> None:
    """Run-time states are no configuration: they are handed over."""
    config = write_site(tmp_path)
    service = start_service(tmp_path, config)
    service.ask(StopPool(name="Shop"))
    service.ask(StopSite(name="Default Web Site"))
    upgraded(service)
    pools, sites = service.ask(ListPools()), service.ask(ListSites())
    assert isinstance(pools, Pools)
    assert isinstance(sites, Sites)
    assert {row.name: row.reason for row in pools.rows} == {"DefaultAppPool": "", "Shop": "Disabled", "Deep": ""}
    assert [row.state for row in sites.rows] == ["Stopped"]
    with pytest.raises(ConnectionRefusedError):
        service.connect()
    assert service.stop() == 0
    service.wait_until_all_gone()


@contextmanager
def children_come_here() -> Iterator[None]:
    """This process plays systemd: orphans become its children."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    try:
        yield
    finally:
        prctl(36, 0, 0, 0, 0)


@pytest.mark.slow
def test_a_service_manager_is_told_the_new_main_process_and_the_old_one_ends(tmp_path: Path) -> None:
    """MAINPID by the old one, then READY and the watchdog's food by the new one; the inherited socket goes on, too."""
    config = write_site(tmp_path)
    with children_come_here(), notification_socket(tmp_path) as manager:
        variables = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1000000"}
        service = start_service(tmp_path, config, environment=variables)
        manager.wait_for("READY=1")
        with Load(service, "/a.where") as load:
            second = upgraded(service)
            assert manager.wait_for("MAINPID=") == [f"MAINPID={second}"]
            manager.wait_for("READY=1")
            assert manager.senders[-1] == second
            assert service.process.wait(WAIT_SECONDS) == 0
            manager.wait_for("WATCHDOG=1")
            assert manager.senders[-1] == second
        assert load.failures == []
        os.kill(second, signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        assert os.waitpid(second, 0) == (second, 0)
    service.wait_until_all_gone()


IN_A_TERMINAL = """
import os, sys
os.setsid()
os.open(sys.argv[1], os.O_RDWR)  # a session without a terminal takes the first one that it opens
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.slow
def test_ctrl_c_in_the_terminal_reaches_the_new_service_once(tmp_path: Path) -> None:
    """A real terminal signals its foreground group. Once: a second signal would not let the request be finished."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "slow.py").write_text(SLOW)
    terminal, line = os.openpty()
    try:
        wrapper = [sys.executable, "-c", IN_A_TERMINAL, os.ttyname(line)]
        with started(tmp_path, config, wrapper=wrapper) as service:
            second = upgraded(service)
            first = service.process.pid
            wait_until(lambda: is_waiter(first), tmp_path, "the waiter")  # until then its front may take a connection
            service.get("/warm.where")
            with send(service, b"GET /x.slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as slow:
                service.wait_for_requests(1)
                os.write(terminal, b"\x03")
                service.wait_for_event("service-stopping", f"pid={second}")
                wait_until(lambda: not takes_connections(service), tmp_path, "the end of the listening socket")
                let_go(service)
                assert b"slow but done" in read_all(slow)
            assert service.process.wait(WAIT_SECONDS) == 0
            service.wait_until_all_gone()
            assert not service.has_event("process-killed")
    finally:
        os.close(terminal)
        os.close(line)


@pytest.mark.slow
def test_waiter_and_service_do_not_outlive_each_other(tmp_path: Path) -> None:
    """The service is killed: the first process ends by the same signal. The first process is killed: the service
    finishes what it has and ends; the next one starts at once on the same port."""
    config = write_site(tmp_path)
    service = start_service(tmp_path, config)
    os.kill(upgraded(service), signal.SIGKILL)
    assert service.process.wait(WAIT_SECONDS) == -signal.SIGKILL
    service.wait_until_all_gone()

    (tmp_path / "extensions" / "slow.py").write_text(SLOW)
    service = start_service(tmp_path, config, port=service.port)
    upgraded(service)
    # Until the old service has ended, its front may still take a connection.
    first = service.process.pid
    wait_until(lambda: is_waiter(first), tmp_path, "the waiter")
    service.get("/warm.where")
    with send(service, b"GET /x.slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as slow:
        service.wait_for_requests(1)
        service.process.kill()
        service.wait_for_event("service-stopping", "first process of this service is gone")
        let_go(service)
        assert b"slow but done" in read_all(slow)
    service.process.wait(WAIT_SECONDS)
    service.wait_until_all_gone()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", service.port)):
        pass
