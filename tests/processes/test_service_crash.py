"""The service is killed: what is in hand is finished, nothing is left, and the next start works at once."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path

import psutil
import pytest

from host.admin.location import control_socket
from host.admin.unix_socket import living_pid
from tests.processes.test_changes import save
from tests.processes.test_service_life import SLOW, let_go, read_all, send
from tests.running_service import ROOT, WAIT_SECONDS, RunningService, running, start_service, wait_until
from tests.sample_site import write_program, write_site

FRONTS = {"workerprocess": "listener", "iis5": "inetinfo"}

WAITING_CGI = """\
#!/bin/sh
while [ ! -e waiting.go ]; do sleep 0.05; done
echo "Content-Type: text/plain"
echo
echo "the program is done"
"""


def kill(service: RunningService) -> None:
    """SIGKILL for the service alone."""
    service.process.kill()
    assert service.process.wait(WAIT_SECONDS) == -signal.SIGKILL


def assert_next_start_works(service: RunningService, *arguments: str) -> None:
    """Whatever of the killed one still runs: the same configuration on the same port."""
    with running(service.folder, service.config, *arguments, port=service.port) as following:
        assert following.get("/a.where").status == 200
        control = service.folder / "control"
        assert [file.suffix for file in control.iterdir()] == [".sock"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", FRONTS)
def test_what_a_killed_service_has_in_hand_is_finished_while_the_next_one_serves(tmp_path: Path, mode: str) -> None:
    """A handler and a CGI program are under way; the next service starts on the same port before they have ended. It
    waits for a front that still has the port: here that one is stopped for a while, so that it notices late."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "slow.py").write_text(SLOW)
    programs = tmp_path / "wwwroot" / "cgi-bin"
    write_program(programs / "waiting.cgi", WAITING_CGI)
    service = start_service(tmp_path, config, "--isolation", mode)
    leftover = tmp_path / "control" / ".1.new"  # a service that was killed while it made its control socket
    leftover.touch()
    request = "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with (
        send(service, request.format("/x.slow").encode()) as handler,
        send(service, request.format("/cgi-bin/waiting.cgi").encode()) as program,
    ):
        service.wait_for_requests(2)
        front, killed = service.pid_of(FRONTS[mode]), service.process.pid
        os.kill(front, signal.SIGSTOP)
        kill(service)
        following: list[RunningService] = []
        start = threading.Thread(
            target=lambda: following.append(start_service(tmp_path, config, "--isolation", mode, port=service.port))
        )
        start.start()
        control = control_socket(config, service.environment)
        try:  # it comes before the ports, which the front of the killed one has still
            wait_until(lambda: living_pid(control) not in (0, killed), tmp_path, "the next service's control socket")
        finally:
            os.kill(front, signal.SIGCONT)
        start.join()
        assert following[0].get("/a.where").status == 200
        let_go(service)
        (programs / "waiting.go").touch()
        assert b"slow but done" in read_all(handler)
        assert b"the program is done" in read_all(program)
        service.wait_until_all_gone()
        assert following[0].get("/a.where").status == 200
        assert following[0].stop() == 0
    assert not leftover.exists()


@pytest.mark.slow
@pytest.mark.parametrize("mode", FRONTS)
def test_what_never_ends_is_ended_within_the_shutdown_limit(tmp_path: Path, mode: str) -> None:
    """Applications that block their process's event loop, a CGI program that sleeps, clients that wait: a second after
    the service nothing of it is to be left (shutdownTimeLimit)."""
    limit = '<processModel shutdownTimeLimit="00:00:01" />'
    config = write_site(tmp_path, default_pool=limit)
    text = config.read_text()
    for pool in ("Shop", "Deep"):
        text = text.replace(f'<add name="{pool}" />', f'<add name="{pool}">{limit}</add>')
    config.write_text(text)
    shutil.copy(ROOT / "tests" / "plugins" / "holds_loop.py", tmp_path / "extensions" / "holds_loop.py")
    write_program(tmp_path / "wwwroot" / "cgi-bin" / "sleep.cgi", "#!/bin/sh\nexec sleep 1000\n")
    service = start_service(tmp_path, config, "--isolation", mode)
    assert service.get("/shop/x.loop?free").status == 200
    with send(service, b"GET /cgi-bin/sleep.cgi HTTP/1.1\r\nHost: x\r\n\r\n"):
        sleeping = service.wait_for_process("sleep")
        with (
            send(service, b"GET /shop/x.loop HTTP/1.1\r\nHost: x\r\n\r\n"),
            send(service, b"GET /x.loop HTTP/1.1\r\nHost: x\r\n\r\n"),
        ):
            processes = service.tree()
            kill(service)
            service.wait_until_all_gone()
    _, alive = psutil.wait_procs([sleeping, *processes], timeout=WAIT_SECONDS)
    assert not alive


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["a reload", "a mode switch", "an upgrade"])
def test_a_service_killed_in_the_middle_of_a_change_leaves_nothing(tmp_path: Path, moment: str) -> None:
    """Old and new processes are there, and nobody is in charge: the request in hand is answered, all end, and the next
    start finds the port and the file as they should be."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "slow.py").write_text(SLOW)
    service = start_service(tmp_path, config)
    service.get("/warm.where")
    with send(service, b"GET /x.slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as slow:
        service.wait_for_requests(1)
        if moment == "a reload":
            save(config, lambda text: text.replace("../media", "../deep"))
            service.wait_for_event("recycle-config-change")
        elif moment == "a mode switch":
            save(config, lambda text: text.replace('mode="WorkerProcess"', 'mode="IIS5"'))
            service.wait_for_event("process-started", "inetinfo")
        else:
            service.process.send_signal(signal.SIGUSR2)
            service.wait_for_event("process-started", "listener", count=2)
        kill(service)
        let_go(service)
        assert b"slow but done" in read_all(slow)
    if moment != "a reload":  # there the front is the same, and the next start as after any other death
        assert_next_start_works(service)
    service.wait_until_all_gone()
