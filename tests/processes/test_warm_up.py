"""Warm-up on a running service: before the first client, and before a replacement takes over."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from host.admin.commands import Done, RecyclePool
from tests.running_service import ROOT, WAIT_SECONDS, running
from tests.sample_site import write_program, write_site

PAGES = """<applicationInitialization doAppInitAfterRestart="true">
  <add initializationPage="/cgi-bin/warm.cgi" /></applicationInitialization>"""
WARM_CGI = """#!/bin/sh
read word < '{gate}'
echo "$word $WARMUP_REQUEST $HTTP_USER_AGENT" >> '{seen}'
printf 'Content-Type: text/plain\\n\\nwarm\\n'
"""


def test_clients_meet_warm_workers_only(tmp_path: Path) -> None:
    """AlwaysRunning: warm without any request. A recycle: the old worker serves on until the new one is warm."""
    config = write_site(tmp_path, web_server_extra=PAGES)
    config.write_text(
        config.read_text().replace('name="DefaultAppPool"', 'name="DefaultAppPool" startMode="AlwaysRunning"')
    )
    gate, seen = tmp_path / "gate", tmp_path / "seen"
    os.mkfifo(gate)
    write_program(tmp_path / "wwwroot" / "cgi-bin" / "warm.cgi", WARM_CGI.format(gate=gate, seen=seen))
    with running(tmp_path, config) as service:
        gate.write_text("first\n")  # returns when the program reads
        service.wait_for_event("warm-up-page", "/cgi-bin/warm.cgi answered 200", "worker=DefaultAppPool#1")
        assert seen.read_text() == "first 1 IIS Application Initialization Warmup\n"
        old = json.loads(service.get("/a.where").body)["pid"]
        done = threading.Event()

        def recycle() -> None:
            assert isinstance(service.ask(RecyclePool(name="DefaultAppPool")), Done)
            done.set()

        thread = threading.Thread(target=recycle)
        thread.start()
        with gate.open("w") as opened:  # the new worker's program runs, and waits for a word
            assert [json.loads(service.get("/a.where").body)["pid"] for _ in range(3)] == [old] * 3
            opened.write("second\n")
        assert done.wait(WAIT_SECONDS)
        thread.join()
        assert json.loads(service.get("/a.where").body)["pid"] != old
        assert seen.read_text().splitlines()[1].startswith("second 1 ")


def test_the_start_up_limit_is_not_the_pings_affair(tmp_path: Path) -> None:
    """A worker that is held while it starts is ended by startupTimeLimit: no ping is sent before it is ready."""
    limits = 'startupTimeLimit="00:00:02" pingInterval="00:00:01" pingResponseTime="00:00:01"'
    page = '<applicationInitialization doAppInitAfterRestart="true"><add initializationPage="/x.loop" />'
    extra = f"{page}</applicationInitialization>"
    config = write_site(tmp_path, default_pool=f"<processModel {limits} />", web_server_extra=extra)
    shutil.copy(ROOT / "tests" / "plugins" / "holds_loop.py", tmp_path / "extensions")
    with running(tmp_path, config) as service, service.connect() as waiting:
        waiting.sendall(b"GET /a.where HTTP/1.1\r\nHost: x\r\n\r\n")
        line = service.wait_for_event("worker-startup-limit", "DefaultAppPool#1")
        assert "was not ready within 2 s" in line
        assert not service.has_event("worker-ping-failed")


def test_the_page_in_which_a_worker_dies_is_named(tmp_path: Path) -> None:
    """Nobody has asked for it, so no log has a line of it; and the pool goes off line for it."""
    page = '<applicationInitialization doAppInitAfterRestart="true"><add initializationPage="/x.crash" />'
    failure = '<failure rapidFailProtectionMaxCrashes="1" />'
    extra = f"{page}</applicationInitialization>"
    with running(tmp_path, write_site(tmp_path, default_pool=failure, web_server_extra=extra)) as service:
        assert service.get("/a.where").status == 503
        line = service.wait_for_event("worker-died", "signal 9 (SIGKILL) in applicationInitialization (warm-up)")
        assert "for GET /x.crash (warm-up-" in line
        assert "/x.crash" in service.wait_for_event("pool-rapid-fail")


@pytest.mark.parametrize("isolation", ["Low", "High"])
def test_warm_up_in_iis5_isolation(tmp_path: Path, isolation: str) -> None:
    """inetinfo warms up Low applications before it accepts, a dllhost its own before its first request."""
    page = '<applicationInitialization doAppInitAfterRestart="true"><add initializationPage="/warm.where" />'
    extra = f"{page}</applicationInitialization>"
    config = write_site(tmp_path, mode="IIS5", root_isolation=isolation, web_server_extra=extra)
    with running(tmp_path, config) as service:
        assert service.get("/a.where").status == 200
        service.wait_for_event("warm-up-page", "/warm.where answered 200")
