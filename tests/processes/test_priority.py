"""A worker that takes another one's place starts behind the requests, and serves as everybody else does."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from host.admin.commands import Done, RecyclePool
from host.processes.priority import MEANWHILE, STEPPED_BACK, may_step_back
from host.processes.time_slice import LONGEST_NANOSECONDS, time_slice
from tests.running_service import RunningService, running, start_service, wait_until
from tests.sample_site import write_site

ROOT = Path(__file__).resolve().parents[2]
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
        assert second["at_import"] == STEPPED_BACK if may_step_back() else base
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
        assert priority == max(os.getpriority(os.PRIO_PROCESS, 0), STEPPED_BACK)


MINE = """\
import json, os, resource, subprocess, sys
from host.processes.priority import in_no_hurry
from host.processes.time_slice import time_slice
def mine():
    return [os.getpriority(os.PRIO_PROCESS, 0), time_slice()]
"""


def seen_by(script: str) -> Any:
    """What it prints, in a process whose scheduling ends with it."""
    return json.loads(subprocess.check_output([sys.executable, "-c", MINE + script], cwd=ROOT))


def test_who_is_in_no_hurry_is_so_for_a_while_and_its_children_for_good() -> None:
    """They are given back what they had by others. Once more inside, as a recycle that ends begins the next one."""
    script = """
seen = [mine()]
with in_no_hurry():
    seen.append(mine())
    child = "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"
    seen.append([int(subprocess.check_output([sys.executable, "-c", child])), time_slice()])
    with in_no_hurry():
        seen.append(mine())
    seen.append(mine())
print(json.dumps([*seen, mine()]))
"""
    priority, usual = os.getpriority(os.PRIO_PROCESS, 0), time_slice()
    lowered = max(priority, MEANWHILE) if may_step_back() else priority
    meanwhile = [lowered, LONGEST_NANOSECONDS if usual else 0]
    assert seen_by(script) == [[priority, usual], *[meanwhile] * 4, [priority, usual]]


def test_who_could_not_come_forward_again_keeps_its_priority() -> None:
    """Without the capability and the limit that would allow it: only the time slice is long."""
    script = """
resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
before = mine()
with in_no_hurry():
    meanwhile = mine()
print(json.dumps([before, meanwhile, mine()]))
"""
    (priority, usual), meanwhile, after = seen_by(script)
    assert meanwhile == [priority, LONGEST_NANOSECONDS if usual else 0]
    assert after == [priority, usual]


def test_the_service_is_in_no_hurry_only_while_it_sees_to_a_recycle(tmp_path: Path) -> None:
    """It and the pool's parent are as before then, and what they start."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "priority.py").write_text(LOAD)
    with running(tmp_path, config) as service:
        usual = os.getpriority(os.PRIO_PROCESS, service.process.pid)
        ask(service)
        for _ in range(3):
            assert isinstance(service.ask(RecyclePool(name="DefaultAppPool")), Done)
            assert ask(service)["now"] == usual
        wait_until(lambda: priorities(service) == {usual}, tmp_path, "everybody's usual priority")


def test_a_replacement_comes_forward_to_what_its_parent_was_given_meanwhile(tmp_path: Path) -> None:
    """An administrator has changed the nice values of a running pool."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "priority.py").write_text(LOAD)
    with running(tmp_path, config) as service:
        changed = ask(service)["now"] + 2
        os.setpriority(os.PRIO_PROCESS, service.pid_of("pool DefaultAppPool"), changed)
        assert isinstance(service.ask(RecyclePool(name="DefaultAppPool")), Done)
        assert ask(service)["now"] == changed


def priorities(service: RunningService) -> set[int]:
    """Of the service and all below it that have not ended yet."""
    found = {os.getpriority(os.PRIO_PROCESS, service.process.pid)}
    for process in service.tree():
        with contextlib.suppress(ProcessLookupError):
            found.add(os.getpriority(os.PRIO_PROCESS, process.pid))
    return found
