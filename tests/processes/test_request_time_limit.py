"""requestTimeLimit on a running service: a CGI program's tree is ended, a held thread costs its worker in the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import psutil

from tests.running_service import ROOT, WAIT_SECONDS, running
from tests.sample_site import write_program, write_site

POOL = '<processModel requestTimeLimit="00:00:01" shutdownTimeLimit="00:00:01" idleTimeout="00:00:00" />'
TREE = "#!/bin/sh\nsleep 317 &\nsleep 317\n"


def test_requests_that_take_too_long_are_ended_whatever_runs_them(tmp_path: Path) -> None:
    """504 in the site's log; the program and its child are gone; the worker with the held thread is replaced."""
    config = write_site(tmp_path, default_pool=POOL)
    shutil.copy(ROOT / "tests" / "plugins" / "holds_threads.py", tmp_path / "extensions")
    write_program(tmp_path / "wwwroot" / "cgi-bin" / "tree.cgi", TREE)
    with running(tmp_path, config) as service:
        pid = json.loads(service.get("/a.where").body)["pid"]
        answer = service.get("/cgi-bin/tree.cgi", {"Accept": "text/plain"})
        assert answer.status == 504
        assert "it is in extension cgi.py, line" in answer.text
        service.site_log("/cgi-bin/tree.cgi", " 504 0 ")
        sleeping = [process for process in service.tree() if process.name() == "sleep"]
        _, alive = psutil.wait_procs(sleeping, timeout=WAIT_SECONDS)
        assert not alive
        assert json.loads(service.get("/a.where").body)["pid"] == pid  # nothing is wrong with this worker
        held = service.get("/x.thread", {"Accept": "text/plain"})
        assert held.status == 504
        assert "in extension holds_threads.py, line 15: threading.Event().wait()" in held.text
        service.wait_for_event("request-time-limit", "GET /x.thread", "plugin=holds_threads")
        line = service.wait_for_event("recycle-unhealthy", f"pid={pid}")
        assert "GET /x.thread" in line
        assert "cannot be ended" in line
        service.wait_for_event("worker-shutdown-limit", f"pid={pid}")
        assert json.loads(service.get("/a.where").body)["pid"] != pid
