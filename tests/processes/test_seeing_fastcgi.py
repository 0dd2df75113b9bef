"""`isapy list fastcgi` on a running service, in both isolation modes."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from host.admin.fastcgi_messages import FastCgi, FastCgiRow, ListFastCgi
from tests.running_service import RunningService, read_answer, running, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

APPLICATION = Path(__file__).resolve().parents[1] / "fastcgi_programs" / "application.py"
ARGUMENTS = f"-IS {shlex.quote(str(APPLICATION))}"
SETTINGS = f"""<fastCgi>
  <application fullPath="{sys.executable}" arguments="{ARGUMENTS}" maxInstances="1" queueLength="5">
    <environmentVariables><environmentVariable name="NOTES" value="{{notes}}" /></environmentVariables>
  </application></fastCgi>"""
HANDLER = f"""<add name="Test" path="*.fc" verb="*" modules="FastCgiModule" resourceType="File"
           scriptProcessor="{sys.executable}|{ARGUMENTS}" />"""


@pytest.fixture(params=["WorkerProcess", "IIS5"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningService]:
    """A site with one FastCGI application, of which one process may run."""
    notes = tmp_path / "notes"
    notes.touch()
    config = write_site(tmp_path, mode=request.param, web_server_extra=SETTINGS.format(notes=notes))
    config.write_text(config.read_text().replace('<add name="CGI-cgi"', HANDLER + '<add name="CGI-cgi"'))
    (tmp_path / "wwwroot" / "app.fc").touch()
    with running(tmp_path, config) as service:
        yield service


def rows_of(service: RunningService) -> list[FastCgiRow]:
    reply = service.ask(ListFastCgi())
    assert isinstance(reply, FastCgi)
    return reply.rows


def test_processes_of_fastcgi_applications_are_listed(service: RunningService) -> None:
    """Nothing before the first request; then whose process it is and what it does; that one waits, and that it has
    been replaced."""
    assert rows_of(service) == []
    pid, served = (int(word) for word in service.get("/app.fc?process").text.split())
    assert served == 1
    (row,) = rows_of(service)
    is_iis5 = service.status().isolation_mode == "IIS5"
    assert (row.pool, row.worker) == (("inetinfo",) * 2 if is_iis5 else ("DefaultAppPool", "DefaultAppPool#1"))
    assert (row.pid, row.state, row.requests_served, row.requests_in_hand) == (pid, "idle", 1, 0)
    assert row.command == f"{sys.executable} {ARGUMENTS}"
    assert (row.most_processes, row.restarts, row.failures, row.waiting, row.queue_length) == (1, 0, 0, 0, 5)
    assert 0 <= row.idle_seconds <= row.age_seconds
    with closing(service.connect()) as held, closing(service.connect()) as waits:
        held.sendall(b"GET /app.fc?drip HTTP/1.1\r\nHost: x\r\n\r\n")
        assert held.recv(65536).startswith(b"HTTP/1.1 200 ")  # the process is at work on it
        waits.sendall(b"GET /app.fc?process HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: rows_of(service)[0].waiting, service.folder, "the next one waits")
        (row,) = rows_of(service)
        assert (row.pid, row.requests_served, row.requests_in_hand, row.waiting) == (pid, 1, 1, 1)
        os.kill(pid, signal.SIGKILL)
        new_pid = int(read_answer(waits).text.split()[0])
    (row,) = rows_of(service)
    assert new_pid != pid
    assert (row.pid, row.state, row.requests_served) == (new_pid, "idle", 1)
    assert (row.restarts, row.failures, row.waiting) == (1, 1, 0)


def test_an_application_without_a_process_is_listed_by_itself(service: RunningService) -> None:
    """What has become of its processes can still be seen."""
    pid = int(service.get("/app.fc?process").text.split()[0])
    os.kill(pid, signal.SIGTERM)
    rows = wait_until(lambda: [row for row in rows_of(service) if row.state == "none"], service.folder, "it has ended")
    assert [(row.pid, row.requests_served, row.requests_in_hand, row.restarts) for row in rows] == [(0, 0, 0, 1)]
