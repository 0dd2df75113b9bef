"""A worker is killed with SIGKILL every second under load, and no GET fails in worker process isolation."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import psutil
import pytest

from tests.running_service import RunningService, running
from tests.sample_site import write_site

SECONDS = 10
REPORT_LUA = """\
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("requests=%d connect=%d read=%d write=%d status=%d timeout=%d\\n",
           summary.requests, e.connect, e.read, e.write, e.status, e.timeout))
end
"""


def worker_pids(service: RunningService) -> list[int]:
    """Workers as ps shows them."""
    found = []
    for process in psutil.Process(service.process.pid).children(recursive=True):
        try:
            if process.cmdline()[:1] and process.cmdline()[0].startswith("isapy: worker "):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, IndexError):
            continue
    return found


@pytest.mark.parametrize("url", ["/", "/any.hello", "/cgi-bin/hello.cgi"])
def test_no_get_fails_while_workers_are_killed(tmp_path: Path, url: str) -> None:
    """Static page, extension and CGI: every answer is 200, no connection is cut."""
    pool = '<failure rapidFailProtection="false" />'
    script = tmp_path / "report.lua"
    script.write_text(REPORT_LUA)
    with running(tmp_path, write_site(tmp_path, default_pool=pool)) as service:
        assert service.get(url).status == 200
        command = ["wrk", "-t1", "-c8", f"-d{SECONDS}s", "-s", str(script), f"http://127.0.0.1:{service.port}{url}"]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        pause, kills = threading.Event(), 0
        for _ in range(SECONDS - 1):
            pause.wait(1.0)  # the rhythm of the kills, not a wait for something
            for pid in worker_pids(service):
                os.kill(pid, signal.SIGKILL)
                kills += 1
        output, _ = load.communicate(timeout=SECONDS + 30)
        counts = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", output)}
        assert kills >= SECONDS // 2
        assert counts["requests"] > 100
        failed = {name: number for name, number in counts.items() if name != "requests" and number}
        assert not failed, f"{failed} of {counts['requests']} requests failed over {kills} kills"
        service.wait_for_event("worker-died", "SIGKILL", count=kills // 2)
