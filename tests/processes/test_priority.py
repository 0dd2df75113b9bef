"""A worker that takes another one's place starts behind the requests, and serves as everybody else does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from host.admin.commands import Done, RecyclePool
from host.processes.priority import STEP, may_step_back
from tests.running_service import RunningService, running, start_service, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

LOAD = """\
import gc, os, subprocess, threading
from host.api import HandlerMapping, Response, hookimpl

def mine():
    return os.getpriority(os.PRIO_PROCESS, 0)

at_import, served = mine(), threading.Event()
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
    return Response.json({"pid": os.getpid(), "at_import": at_import, "now": mine(), "others": others,
        "settled": gc.get_threshold()[0] > 700})
"""


def ask(service: RunningService) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(service.get("/a.priority").body)
    return answer


@pytest.mark.parametrize("own", [0, 3])
def test_a_replacement_steps_back_while_it_starts_where_it_can_come_forward_again(tmp_path: Path, own: int) -> None:
    """With its threads, and with what a plugin has started meanwhile. One that a request waits for does not, and
    neither does one of a service that could not let it come forward."""
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
