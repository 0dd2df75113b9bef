"""A worker is killed with SIGKILL every second under load, and no GET fails in worker process isolation.

What cannot be saved is a response that had begun: a program's output is passed on as it comes, so its worker may die
between two pieces. Such a response is cut, and HTTPERR has a line without a status for each; nothing else may fail.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import psutil
import pytest

from tests.running_service import RunningService, running, wait_until
from tests.sample_site import write_site

SECONDS = 10
REPORT_LUA = """\
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("requests=%d connect=%d read=%d write=%d status=%d timeout=%d\\n",
           summary.requests, e.connect, e.read, e.write, e.status, e.timeout))
end
"""


def cut_responses(service: RunningService) -> int:
    """Lines of HTTPERR for responses that had begun when their worker died (a refusal's line has its status)."""
    lines = service.log_lines("HTTPERR/*.log")
    return len([line for line in lines if "Connection_Abandoned_By_ReqQueue" in line and line.split(" ")[9] == "-"])


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
    """Static page, extension and CGI: every answer is 200; of the first two no connection is cut."""
    pool = '<failure rapidFailProtection="false" />'
    script = tmp_path / "report.lua"
    script.write_text(REPORT_LUA)
    with running(tmp_path, write_site(tmp_path, default_pool=pool)) as service:
        assert service.get(url).status == 200
        command = [
            "wrk",
            "-t1",
            "-c8",
            f"-d{SECONDS}s",
            "--timeout",
            "90s",
            "-s",
            str(script),
            f"http://127.0.0.1:{service.port}{url}",
        ]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        pause, kills = threading.Event(), 0
        for _ in range(SECONDS - 1):
            pause.wait(1.0)  # the rhythm of the kills, not a wait for something
            for pid in worker_pids(service):
                os.kill(pid, signal.SIGKILL)
                kills += 1
            # A request is replayed once. What was replayed after this kill stands before this one in the queue: when
            # it is answered, none of them meets a second death, however slow this machine is.
            assert service.get(url).status == 200
            if load.poll() is not None:
                break
        output, _ = load.communicate(timeout=SECONDS + 90)
        counts = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", output)}
        assert kills >= 3
        assert counts["requests"] > 10 * kills
        failed = {name: number for name, number in counts.items() if name != "requests" and number}
        begun = failed.pop("read", 0) if url.endswith(".cgi") else 0
        assert not failed, f"{failed} of {counts['requests']} requests failed over {kills} kills"
        if begun:
            wait_until(lambda: cut_responses(service) >= begun, service.logs, f"{begun} lines of cut responses")
        service.wait_for_event("worker-died", "SIGKILL", count=kills // 2)
