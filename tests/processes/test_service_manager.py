"""The service and its manager: sd_notify, watchdog, SIGHUP, SIGTERM; a test plays systemd with real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from configparser import RawConfigParser
from pathlib import Path

import pytest

from host.admin.location import service_mark
from host.processes.service_manager import ServiceManager, Watchdog
from tests.processes.notification_socket import NotificationSocket, notification_socket
from tests.processes.test_service_life import SLOW, read_all, send
from tests.running_service import ROOT, WAIT_SECONDS, start_service, wait_until
from tests.sample_site import write_program, write_site

VARIABLES_CGI = """\
#!/bin/sh
echo "Content-Type: text/plain"
echo
env
"""

VARIABLES_EXTENSION = """\
import os
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Variables", path="*.variables")]

@hookimpl
async def handle(request):
    return Response.json(dict(os.environ))
"""


def test_the_variables_are_taken_out_and_say_where_and_how_often() -> None:
    """What a child inherits does not tempt it to speak for the service; the successor gets them again."""
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid()), "A": "b"}
    manager = ServiceManager.from_environment(environment)
    assert environment == {"A": "b"}
    assert (manager.address, manager.watchdog_seconds, manager.is_there) == ("/run/x", 3.0, True)
    assert manager.variables() == {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "3000000"}


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "1000"}, 0.0),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}, 0.0),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}, 0.0),
        ({"NOTIFY_SOCKET": "relative", "WATCHDOG_USEC": "1000"}, 0.0),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000"}, 0.001),
    ],
)
def test_a_watchdog_counts_only_for_the_process_that_is_meant(environment: dict[str, str], seconds: float) -> None:
    """No address, another process, nonsense: no watchdog."""
    assert ServiceManager.from_environment(environment).watchdog_seconds == seconds


def test_an_abstract_address_is_reached_and_a_sentence_stays_on_its_line() -> None:
    """`@name` is a name without a file; a line end in a sentence would be another variable."""
    manager = NotificationSocket(f"@isapy-test-{os.getpid()}")
    ServiceManager(manager.address).ready("well\nMAINPID=1")
    assert manager.receive() == ["READY=1", "STATUS=well MAINPID=1"]
    manager.close()
    ServiceManager(manager.address).ready("nobody is there any more, and nobody minds")


def test_the_watchdog_is_fed_only_while_all_is_well(tmp_path: Path) -> None:
    """Four looks, two of them good: two datagrams."""
    with notification_socket(tmp_path) as manager:
        looks = iter([True, False, False, True])
        ended = asyncio.Event()

        def is_well() -> bool:
            look = next(looks, None)
            if look is None:
                ended.set()
            return bool(look)

        async def watch() -> None:
            watchdog = Watchdog(asyncio.get_running_loop(), ServiceManager(manager.address, 0.02), is_well)
            watchdog.start()
            await asyncio.wait_for(ended.wait(), WAIT_SECONDS)
            watchdog.stop()

        asyncio.run(watch())
        ServiceManager(manager.address).alive()
        ServiceManager(manager.address).status("that was all")
        manager.wait_for("STATUS=that was all")
        assert manager.messages == [["WATCHDOG=1"]] * 3 + [["STATUS=that was all"]]


@pytest.mark.slow
def test_the_manager_hears_of_start_reload_and_end(tmp_path: Path) -> None:
    """READY with a sentence, the watchdog's food, good and broken reloads by SIGHUP, STOPPING; children hear none."""
    config = write_site(tmp_path)
    write_program(tmp_path / "wwwroot" / "cgi-bin" / "variables.cgi", VARIABLES_CGI)
    (tmp_path / "extensions" / "variables.py").write_text(VARIABLES_EXTENSION)
    with notification_socket(tmp_path) as manager:
        variables = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1000000"}
        service = start_service(tmp_path, config, environment=variables)
        ready = manager.wait_for("READY=1")
        assert any(line.startswith("STATUS=serves 1 site in WorkerProcess isolation, version 1 of ") for line in ready)
        manager.wait_for("WATCHDOG=1")
        assert set(manager.senders) == {service.process.pid}
        assert "NOTIFY_SOCKET" not in service.get("/cgi-bin/variables.cgi").text
        inside = json.loads(service.get("/a.variables").body)
        assert not [name for name in inside if name.startswith(("NOTIFY_", "WATCHDOG_", "LISTEN_"))]

        good = config.read_text()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        service.process.send_signal(signal.SIGHUP)
        reloading = manager.wait_for("RELOADING=1", "MONOTONIC_USEC=")
        assert before <= int(reloading[1].partition("=")[2]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert "version 1 of" in manager.wait_for("READY=1")[1]  # nothing had changed

        config.write_text(good.replace("requireAccess", "requireAcess", 1))
        service.process.send_signal(signal.SIGHUP)
        manager.wait_for("RELOADING=1")
        assert "requireAcess" in manager.wait_for("READY=1", "STATUS=serves")[1]
        service.wait_for_event("configuration-refused", "requireAcess")

        config.write_text(good.replace("../media", "../deep"))
        service.process.send_signal(signal.SIGHUP)
        manager.wait_for("READY=1", "STATUS=serves 1 site in WorkerProcess isolation, version 2 of ")
        assert wait_until(lambda: service.get("/media/index.html").text == "the deep\n", tmp_path, "the new folder")

        service.tree()
        service.process.send_signal(signal.SIGTERM)
        assert manager.wait_for("STOPPING=1") == [
            "STOPPING=1",
            "STATUS=finishes the requests in hand",
            "EXTEND_TIMEOUT_USEC=100000000",
        ]
        assert service.stop() == 0


HANGS_UP = """\
import os, signal, sys, time
pid, title, is_held = int(sys.argv[1]), b"", False
while not title.startswith(b"isapy: service") and not is_held:
    with open(f"/proc/{pid}/cmdline", "rb") as line, open(f"/proc/{pid}/status") as status:
        title = line.read()
        is_held = any(int(field.split()[1], 16) & 1 for field in status if field.startswith("SigBlk"))
os.kill(pid, signal.SIGHUP)
os.kill(pid, signal.SIGHUP)
"""


def test_signals_before_the_start_is_done_are_obeyed_behind_it(tmp_path: Path) -> None:
    """`isapy run`, as typed, gets SIGHUP while it starts: it must not end by it, nor say RELOADING before READY. Its
    children get it as ever."""
    hangs_up = tmp_path / "hangs_up.py"
    hangs_up.write_text(HANGS_UP)
    config = write_site(tmp_path)
    write_program(tmp_path / "wwwroot" / "cgi-bin" / "mask.cgi", "#!/bin/sh\nprintf '\\n'; cat /proc/self/status\n")
    with notification_socket(tmp_path) as manager:
        wrapper = ["/bin/sh", "-c", f'{sys.executable} {hangs_up} $$ & exec "$@"', "sh"]
        variables = {"NOTIFY_SOCKET": manager.address}
        service = start_service(tmp_path, config, "command", wrapper=wrapper, environment=variables)
        manager.wait_for("RELOADING=1")
        assert manager.messages[0][0] == "READY=1"
        manager.wait_for("READY=1")
        status = service.get("/cgi-bin/mask.cgi").text
        assert "SigBlk:\t0000000000000000" in status
        service.stop_at_once()
        service.wait_until_all_gone()


def test_the_units_say_what_the_service_does(tmp_path: Path) -> None:
    """The unit files speak the protocol that the service speaks, and systemd, where it is installed, accepts them."""
    units = {}
    for name in ("isapy.service", "isapy.socket"):
        units[name] = RawConfigParser(strict=False)
        units[name].optionxform = str  # type: ignore[assignment,method-assign]
        units[name].read(ROOT / "conf" / name)
    service = units["isapy.service"]["Service"]
    assert (service["Type"], service["NotifyAccess"], service["KillMode"]) == ("notify", "main", "mixed")
    assert "/isapy run --quiet --config " in service["ExecStart"]
    assert units["isapy.socket"]["Socket"]["ListenStream"]
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    for name in units:
        text = (ROOT / "conf" / name).read_text()
        (tmp_path / name).write_text(text.replace(service["ExecStart"].split()[0], "/bin/true"))
    found = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / "isapy.service"), str(tmp_path / "isapy.socket")],
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    )
    assert "isapy" not in found.stderr, found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["workerprocess", "iis5"])
def test_a_second_signal_ends_everything_at_once(tmp_path: Path, mode: str) -> None:
    """The first one waits for a request in hand that never ends; the second one does not."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "slow.py").write_text(SLOW)
    service = start_service(tmp_path, config, "--isolation", mode)
    service.get("/warm.where")
    with send(service, b"GET /x.slow HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        service.wait_for_requests(1)
        service.process.send_signal(signal.SIGTERM)
        service.wait_for_event("service-stopping")
        assert service.process.poll() is None
        assert service.stop_at_once() == 0
        with contextlib.suppress(ConnectionResetError):
            assert read_all(connection) == b""
    service.wait_until_all_gone()
    service.wait_for_event("process-killed", "was to end at once", f"service={service_mark(config)}")
