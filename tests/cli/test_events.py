"""`isapy events`: real files, with a running service's answer and without one."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host.admin.commands import Command, Reply, Status
from host.admin.location import control_socket, service_mark
from host.logs.event_log import EventLog
from tests.admin.running_server import running_server
from tests.cli.command_line import CHECKOUT, isapy

pytestmark = pytest.mark.slow


class Place:
    """A state folder with an event log, and where the command finds it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "site" / "conf" / "applicationHost.config"
        self.config.parent.mkdir(parents=True)
        self.config.write_text("<configuration />")
        self.environment = {"ISAPY_STATE": str(folder / "state"), "ISAPY_CONTROL": str(folder / "run")}
        self.path = folder / "state" / "logs" / "events.log"
        self.log = EventLog(self.path, time.time, size_limit=400)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return isapy("events", "--config", self.config, *arguments, environment=self.environment)

    @contextmanager
    def following(self, *arguments: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
        """`isapy events --follow`, ended afterwards."""
        # whoever runs the tests in the background of a script has Ctrl-C ignored by all that is started there
        command = ["env", "--default-signal=INT", sys.executable, "-m", "host", "events", "--follow"]
        command += ["--config", str(self.config), *arguments]
        environment = {**os.environ, **self.environment, "TERM": "xterm"}
        with subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, cwd=CHECKOUT, env=environment) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_events_are_shown_without_a_service(place: Place) -> None:
    """The lines of the log as they are; the last ones, of one kind (by id or number), of one pool."""
    place.log.write("service-started", "isapy serves")
    place.log.write("worker-died", "Shop#1 ended by SIGSEGV", {"pool": "Shop", "pid": "4711"})
    place.log.write("worker-died", "Web#1 ended by SIGKILL", {"pool": "Web", "pid": "4712"})
    place.log.write("service-stopping", "requests in hand are finished first")
    lines = place.path.read_text().splitlines()
    result = place.run()
    assert (result.returncode, result.stderr, result.stdout.splitlines()) == (0, "", lines)
    assert place.run("--last", "1").stdout.splitlines() == lines[-1:]
    assert place.run("--id", "worker-died").stdout.splitlines() == lines[1:3]
    assert place.run("--id", "5009", "--id", "6000").stdout.splitlines() == lines[:3]
    assert place.run("--pool", "shop").stdout.splitlines() == lines[1:2]
    (line,) = place.run("--pool", "Web", "--json").stdout.splitlines()
    event = json.loads(line)
    assert event.pop("time").endswith("Z")
    assert event == {
        "level": "warning",
        "number": 5009,
        "id": "worker-died",
        "text": "Web#1 ended by SIGKILL",
        "fields": {"pool": "Web", "pid": "4712"},
    }


def test_nothing_to_show_and_a_wrong_id(place: Place) -> None:
    """Both say what is the case."""
    result = place.run()
    assert (result.returncode, result.stdout) == (0, "")
    assert str(place.path) in result.stderr
    place.config.rename(place.config.with_name("elsewhere"))
    result = place.run()
    assert (result.returncode, result.stdout) == (1, "")
    assert f"there is no file {place.config}" in result.stderr
    result = place.run("--id", "worker-dyed")
    assert result.returncode == 2
    assert "there is no event worker-dyed" in result.stderr
    assert "worker-died" in result.stderr


def test_a_running_service_says_where_its_log_is(place: Place, tmp_path: Path) -> None:
    """Its state folder may be another one than this shell's."""

    def answer(_command: Command) -> Reply:
        return Status(
            version="1",
            pid=1,
            config_path=str(place.config),
            isolation_mode="IIS5",
            started_at=0.0,
            urls=[],
            processes=[],
            log_directory=str(tmp_path / "elsewhere"),
        )

    EventLog(tmp_path / "elsewhere" / "events.log").write("service-started", "from elsewhere")
    with running_server(control_socket(place.config, place.environment), answer):
        assert "from elsewhere" in place.run().stdout
        assert "from elsewhere" in isapy("events", environment=place.environment).stdout
    assert place.run().stdout == ""


def test_events_of_another_service_in_the_same_file_are_not_shown(place: Place, tmp_path: Path) -> None:
    """All services of one state folder write to one file; what names no service is anybody's."""
    for name in (str(place.config), str(tmp_path / "other.config")):
        EventLog(place.path, common={"service": service_mark(name)}).write("service-started", name)
    place.log.write("service-stopping", "of an older version")
    shown = place.run().stdout
    assert [word in shown for word in (str(place.config), "other.config", "older version")] == [True, False, True]


def test_following_goes_on_over_a_rollover_and_ends_with_ctrl_c(place: Place) -> None:
    """Every event once; no traceback, status 0."""
    place.log.write("service-started", "number 0")
    with place.following() as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith(b"number 0\n")
        for number in range(1, 25):
            place.log.write("worker-died", f"number {number}", {"pool": "Shop"})
            assert f"number {number} pool=Shop".encode() in process.stdout.readline()
        assert place.path.with_name("events.2.log").exists()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


def test_following_ends_when_nobody_reads_any_more(place: Place) -> None:
    """As `isapy events --follow | head -1` does, though nothing more is written."""
    place.log.write("service-started", "number 0")
    with place.following() as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith(b"number 0\n")
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


def test_a_terminal_gets_colours_and_lines_and_no_control_characters(place: Place) -> None:
    """A text of several lines is shown as such; what a client put into it cannot move the cursor."""
    place.log.write("worker-ping-failed", "it hangs\nin line 12\x1b[2J", {"pool": "Shop"})
    ours, theirs = pty.openpty()
    with place.following("--last", "1", stdout=theirs):
        os.close(theirs)
        shown = b""
        while b"in line 12" not in shown or not shown.endswith(b"\r\n"):
            shown += os.read(ours, 65536)
    os.close(ours)
    first, second = shown.decode().split("\r\n")[:2]
    assert "\x1b[33mwarning\x1b[0m 5010 \x1b[1mworker-ping-failed\x1b[0m it hangs" in first
    assert "pool=Shop" in first
    assert second == "    in line 12\ufffd[2J"
