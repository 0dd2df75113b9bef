"""Idle workers that sleep and are woken, idle workers that leave, and web gardens: real processes.

Idle time-outs cannot be shorter than a minute; webLimits/@dynamicIdleThreshold makes two seconds of it here.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import psutil
import pytest

from host.admin.commands import Done, ListWorkers, RecyclePool, StartPool, StopPool, WorkerRow, Workers
from tests.processes.test_recycling import most_at_once, pid_at
from tests.running_service import WAIT_SECONDS, RunningService, running, start_service, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

SUSPENDS = '<processModel idleTimeout="00:01:00" idleTimeoutAction="Suspend" />'
GARDEN = """<processModel idleTimeout="00:01:00" logEventOnProcessModel="None" maxProcesses="3"
                          maxConcurrentRequests="1" />"""

COUNTER = """\
import os
from host.api import HandlerMapping, Response, hookimpl

count = 0
waste = bytearray(20_000_000)

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Count", path="*.count")]

@hookimpl
async def handle(request):
    global count
    count += 1
    return Response.json({"pid": os.getpid(), "count": count})

@hookimpl
def unload():
    open(os.path.join(os.path.dirname(__file__), f"unloaded-{os.getpid()}"), "w").close()
"""

HOLD = """\
import os
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Hold", path="*.hold")]

@hookimpl
def handle(request):
    gate = os.path.join(os.path.dirname(__file__), "gate")
    with open(gate) as opened:  # a FIFO: opened when the test lets go
        pass
    return Response.json({"pid": os.getpid()})
"""


def write_idle_site(folder: Path, pool: str) -> Path:
    """The sample site; an idle time-out of a minute is two seconds."""
    config = write_site(folder, default_pool=pool)
    config.write_text(config.read_text().replace("<sites>", '<webLimits dynamicIdleThreshold="1" /><sites>', 1))
    (folder / "extensions" / "count.py").write_text(COUNTER)
    return config


def workers(service: RunningService) -> list[WorkerRow]:
    reply = service.ask(ListWorkers())
    assert isinstance(reply, Workers)
    return [row for row in reply.rows if row.pool == "DefaultAppPool"]


def count(service: RunningService) -> tuple[int, int]:
    """(process id, how many requests it has counted)."""
    answer = json.loads(service.get("/a.count").body)
    return answer["pid"], answer["count"]


def wait_until_asleep(service: RunningService, times: int) -> int:
    """Wait for the so-many-th suspension; the process is stopped; gives its process id."""
    service.wait_for_event("worker-suspended", count=times)
    (row,) = workers(service)
    assert row.state == "Suspended"
    assert psutil.Process(row.process_id).status() == psutil.STATUS_STOPPED
    return row.process_id


def test_a_suspended_worker_wakes_with_its_state_also_for_another_listener(tmp_path: Path) -> None:
    """The same process, its counter goes on; the event tells what memory was given back."""
    with running(tmp_path, write_idle_site(tmp_path, SUSPENDS)) as service:
        pid, first = count(service)
        assert wait_until_asleep(service, 1) == pid
        assert "KB were in memory" in service.wait_for_event("worker-suspended")
        assert service.has_event("worker-idle", "is suspended", "idleTimeout is 60 s", "dynamicIdleThreshold makes")
        assert count(service) == (pid, first + 1)
        service.wait_for_event("worker-resumed")
        (row,) = workers(service)
        assert (row.state, row.process_id) == ("Running", pid)
        wait_until_asleep(service, 2)
        os.kill(service.pid_of("listener"), signal.SIGKILL)
        service.wait_for_event("process-died", "listener")
        assert count(service) == (pid, first + 2)
        assert not service.has_event("worker-ping-failed")


def test_a_suspended_worker_ends_in_order_whoever_ends_it(tmp_path: Path) -> None:
    """Recycled, its pool stopped, its parent killed: its plugins are unloaded, and the next request is served."""
    with running(tmp_path, write_idle_site(tmp_path, SUSPENDS)) as service:

        def ended(pid: int) -> None:
            assert (tmp_path / "extensions" / f"unloaded-{pid}").exists()
            service.wait_for_event("process-ended", f"pid={pid}", "exit code 0")

        pid, _ = count(service)
        wait_until_asleep(service, 1)
        recycled = "pool DefaultAppPool is recycled (1 worker ended; the next request starts another)"
        assert service.ask(RecyclePool(name="DefaultAppPool")) == Done(text=recycled)
        ended(pid)
        assert workers(service) == []
        pid, _ = count(service)
        wait_until_asleep(service, 2)
        assert isinstance(service.ask(StopPool(name="DefaultAppPool")), Done)
        ended(pid)
        assert service.get("/a.count").status == 503
        assert isinstance(service.ask(StartPool(name="DefaultAppPool")), Done)
        pid, _ = count(service)
        wait_until_asleep(service, 3)
        os.kill(service.pid_of("pool DefaultAppPool"), signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(pid), tmp_path, "the end of the worker")
        assert (tmp_path / "extensions" / f"unloaded-{pid}").exists()
        assert count(service)[0] != pid


def test_a_suspended_worker_does_not_outlive_its_service(tmp_path: Path) -> None:
    """The service is killed, and so is the pool's parent: the kernel continues the worker, which ends by itself."""
    service = start_service(tmp_path, write_idle_site(tmp_path, SUSPENDS))
    count(service)
    wait_until_asleep(service, 1)
    parent = service.pid_of("pool DefaultAppPool")
    processes = service.tree()
    os.kill(parent, signal.SIGSTOP)  # it cannot do anything about its workers either
    service.process.kill()
    os.kill(parent, signal.SIGKILL)
    service.process.wait(WAIT_SECONDS)
    _, alive = psutil.wait_procs(processes, timeout=WAIT_SECONDS)
    for process in alive:
        process.kill()
    assert not alive


def test_a_garden_grows_by_demand_is_recycled_one_by_one_and_shrinks_one_by_one(tmp_path: Path) -> None:
    """Five requests that hold their worker, three places: three workers, two requests wait. No request is lost, also
    when the places become two meanwhile."""
    config = write_idle_site(tmp_path, GARDEN)
    (tmp_path / "extensions" / "hold.py").write_text(HOLD)
    gate = tmp_path / "extensions" / "gate"
    os.mkfifo(gate)
    answers: list[int] = []
    with running(tmp_path, config) as service:
        pid_at(service)
        assert len(workers(service)) == 1
        clients = [threading.Thread(target=lambda: answers.append(service.get("/a.hold").status)) for _ in range(5)]
        for client in clients:
            client.start()
        service.wait_for_requests(3)
        assert len(workers(service)) == 3
        config.write_text(config.read_text().replace('maxProcesses="3"', 'maxProcesses="2"'))
        service.wait_for_event("process-started", "replaces DefaultAppPool#2")
        assert not service.has_event("process-started", "replaces DefaultAppPool#1")  # that one was one too many
        stop = threading.Event()
        opener = threading.Thread(target=open_gate, args=(gate, stop))
        opener.start()
        for client in clients:
            client.join(WAIT_SECONDS)
        stop.set()
        opener.join()
        assert answers == [200] * 5
        old = {row.process_id for row in workers(service)}
        assert isinstance(service.ask(RecyclePool(name="DefaultAppPool")), Done)
        new = {row.process_id for row in workers(service)}
        assert not old & new
        assert 4 <= most_at_once(service) <= 6  # never more than maxProcesses extra
        service.wait_for_event("process-ended", "idle for", "exit code 0", count=2)
        assert not service.has_event("worker-idle")
        assert wait_until(lambda: workers(service) == [], tmp_path, "the end of the last one")
        assert pid_at(service) not in old | new


def open_gate(gate: Path, stop: threading.Event) -> None:
    """Let everybody through who waits at the FIFO."""
    while not stop.is_set():
        try:
            os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody waits at the moment
            stop.wait(0.01)
