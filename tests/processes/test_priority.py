"""A worker that takes another one's place starts behind the requests, and serves as everybody else does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from host.admin.commands import Done, RecyclePool
from host.processes.priority import STEP, may_step_back
from host.processes.time_slice import LONGEST_NANOSECONDS, time_slice
from tests.running_service import RunningService, running, start_service, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

LOAD = """\
import gc, os, subprocess, threading
import multiprocess.util
from host.api import HandlerMapping, Response, hookimpl
from host.processes.time_slice import time_slice

def mine():
    return os.getpriority(os.PRIO_PROCESS, 0)

at_import, slice_at_import, served = mine(), time_slice(), threading.Event()
thread = threading.Thread(target=served.wait, daemon=True)

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Priority", path="*.priority")]

@hookimpl
def load(context):
    global helper
    thread.start()
    helper = subprocess.Popen(["sleep", "1000"])

@hookimpl
def unload():
    helper.kill()
    helper.wait()

@hookimpl
async def handle(request):
    threads = [int(name) for name in os.listdir("/proc/self/task")]
    others = [os.getpriority(os.PRIO_PROCESS, each) for each in (*threads, helper.pid)]
    slices = [time_slice(each) for each in (*threads, helper.pid, os.getppid())]
    return Response.json({"pid": os.getpid(), "at_import": at_import, "now": mine(), "others": others,
        "settled": gc.get_threshold()[0] > 700, "slice_at_import": slice_at_import, "slices": slices})
"""


def ask(service: RunningService) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(service.get("/a.priority").body)
    return answer


@pytest.mark.parametrize("own", [0, 3])
def test_a_replacement_steps_back_while_it_starts_where_it_can_come_forward_again(tmp_path: Path, own: int) -> None:
    """With its threads, and with what a plugin has started meanwhile; its time slice does everywhere, and its parent,
    whose children CGI programs are, has its own again. One that a request waits for does not step back, and the nice
    value of a service that could not let it come forward stays."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "priority.py").write_text(LOAD)
    base = os.getpriority(os.PRIO_PROCESS, 0) + own
    service = start_service(tmp_path, config, wrapper=["nice", "-n", str(own)])
    try:
        first = ask(service)
        assert (first["at_import"], first["now"]) == (base, base)
        assert isinstance(service.ask(RecyclePool(name="DefaultAppPool")), Done)
        second = ask(service)
        assert second["pid"] != first["pid"]
        assert second["at_import"] == base + (STEP if may_step_back() else 0)
        assert second["now"] == base
        assert set(second["others"]) == {base}
        usual = time_slice(service.process.pid)
        assert {first["slice_at_import"], *first["slices"], *second["slices"]} == {usual}
        assert second["slice_at_import"] == (LONGEST_NANOSECONDS if usual else 0)
        assert second["settled"]  # its collector has done its work before the first request
    finally:
        assert service.stop() == 0


def test_a_replacement_that_starts_slowly_comes_forward_before_it_is_ready(tmp_path: Path) -> None:
    """A plugin that computes for a while as it is loaded is not held back for long: the pool's parent sees to it."""
    config = write_site(tmp_path)
    forward = tmp_path / "forward"
    waits = f"""
    while mine() > {os.getpriority(os.PRIO_PROCESS, 0)}:
        pass
    open({str(forward)!r}, "w").close()
"""
    (tmp_path / "extensions" / "priority.py").write_text(
        LOAD.replace("    thread.start()\n", f"    thread.start(){waits}")
    )
    with running(tmp_path, config) as service:
        ask(service)
        forward.unlink()
        assert isinstance(service.ask(RecyclePool(name="DefaultAppPool")), Done)
        wait_until(forward.exists, tmp_path, "a load that came forward")
        assert ask(service)["now"] == os.getpriority(os.PRIO_PROCESS, 0)


def test_a_worker_that_ends_lets_others_go_first(tmp_path: Path) -> None:
    """What it holds is taken down beside the requests of the one that has replaced it."""
    config, seen = write_site(tmp_path), tmp_path / "seen"
    tells = f"""
    def tell():
        open({str(seen)!r}, "w").write(f"{{time_slice()}} {{mine()}}\\n")
    multiprocess.util.Finalize(None, tell, exitpriority=1)
"""
    (tmp_path / "extensions" / "priority.py").write_text(
        LOAD.replace("    thread.start()\n", f"    thread.start(){tells}")
    )
    with running(tmp_path, config) as service:
        usual = time_slice(service.process.pid)
        ask(service)
        assert isinstance(service.ask(RecyclePool(name="DefaultAppPool")), Done)
        wait_until(lambda: seen.exists() and "\n" in seen.read_text(), tmp_path, "the end of a worker")
        slice_then, priority = map(int, seen.read_text().split())
        assert slice_then == (LONGEST_NANOSECONDS if usual else 0)
        assert priority == min(os.getpriority(os.PRIO_PROCESS, 0) + STEP, 19)
