"""Workers that hang: found by their pings, examined, replaced; what else was under way goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from host.admin.commands import ListWorkers, RecyclePool, Workers
from tests.running_service import ROOT, RunningService, running
from tests.sample_site import write_site

_THREADS = 64
POOL = """
<processModel pingInterval="00:00:01" pingResponseTime="00:00:04" idleTimeout="00:00:00" />
<failure rapidFailProtection="false" {failure} />"""
ATTACH = """\
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
pid = int(sys.argv[2])
if libc.ptrace(16, pid, None, None) != 0:  # PTRACE_ATTACH
    sys.exit(f"cannot attach: {os.strerror(ctypes.get_errno())}")
os.waitpid(pid, 0)
print("attached to", pid, "for", sys.argv[1], open(f"/proc/{pid}/comm").read().strip())
libc.ptrace(17, pid, None, None)  # PTRACE_DETACH
"""


def write(folder: Path, failure: str = "") -> Path:
    config = write_site(folder, default_pool=POOL.format(failure=failure))
    for name in ("holds_loop", "holds_threads", "holds_interpreter"):
        shutil.copy(ROOT / "tests" / "plugins" / f"{name}.py", folder / "extensions")
    return config


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("unresponsive")
    with running(folder, write(folder)) as service:
        yield service


def send(service: RunningService, path: str) -> socket.socket:
    connection = service.connect()
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return connection


def pid_of_worker(service: RunningService) -> int:
    return int(json.loads(service.get("/a.where").body)["pid"])


def failure_of(service: RunningService, pid: int) -> str:
    return service.wait_for_event("worker-ping-failed", f"pid={pid}")


def assert_replaced(service: RunningService, pid: int) -> None:
    """The next request is answered by another process, and the old one is gone."""
    assert pid_of_worker(service) != pid
    service.wait_for_event("process-ended", f"pid={pid}")
    assert not psutil.pid_exists(pid)


def test_a_handler_that_holds_the_loop_is_named_and_its_worker_replaced(service: RunningService) -> None:
    """Plugin, file, line, its text, the request; that request gets 502, one that waited behind it its answer."""
    pid = pid_of_worker(service)
    with send(service, "/held.loop") as held, send(service, "/behind.loop?free") as behind:
        line = failure_of(service, pid)
        place = service.folder / "extensions" / "holds_loop.py"
        number = place.read_text().splitlines().index("        threading.Event().wait()") + 1
        assert "did not answer a ping within 4 s; request GET /held.loop (" in line
        assert f"is in extension holds_loop.py, line {number}: threading.Event().wait()" in line
        assert f"plugin=holds_loop place={place}:{number} stacks=" in line
        assert f'File \\"{place}\\", line {number}, in handle' in line
        assert b" 200 " in behind.recv(65536)
        assert b" 502 " in held.recv(65536)
    assert_replaced(service, pid)


def test_a_worker_whose_threads_are_all_held_says_by_whom(service: RunningService) -> None:
    """The loop still runs, but a ping needs a thread, as any blocking handler does."""
    pid = pid_of_worker(service)
    with ExitStack() as open_connections:
        connections = [
            open_connections.enter_context(send(service, f"/{number}.thread")) for number in range(_THREADS + 6)
        ]
        line = failure_of(service, pid)
        assert f"{_THREADS} threads are held by plugins; request GET /" in line
        assert "in extension holds_threads.py, line 15: threading.Event().wait()" in line
        assert f"DefaultAppPool thread 1 and {_THREADS - 1} more:" in line
        answers = [connection.recv(65536) for connection in connections[:_THREADS]]
        assert all(b" 502 " in answer for answer in answers)
    assert_replaced(service, pid)


def test_native_code_that_keeps_the_interpreter_is_found_by_a_signal(service: RunningService) -> None:
    """No thread of the process can answer: the stacks are written by a signal handler, the front knows the request."""
    pid = pid_of_worker(service)
    with send(service, "/x.native"):
        line = failure_of(service, pid)
        place = service.folder / "extensions" / "holds_interpreter.py"
        assert "code that does not let go of the interpreter was called by handle in" in line
        assert f"plugin=holds_interpreter place={place}:15" in line
        assert "it has 1 request in hand: GET /x.native (" in line
    assert_replaced(service, pid)


def test_a_stopped_worker_is_replaced_and_its_requests_are_answered_by_another(service: RunningService) -> None:
    """SIGSTOP: it is not to blame for what it had in hand, which is idempotent and unanswered."""
    pid = pid_of_worker(service)
    os.kill(pid, signal.SIGSTOP)
    with send(service, "/a.where") as waiting:
        assert "it was stopped by a signal (SIGSTOP); nothing in it runs" in failure_of(service, pid)
        assert b" 200 " in waiting.recv(65536)
    assert_replaced(service, pid)


def test_an_orphan_lives_on_for_a_debugger_and_ends_with_the_service(tmp_path: Path) -> None:
    """orphanActionExe can attach to it; the pool has another worker; `isapy list workers` shows both."""
    action = tmp_path / "attach.py"
    action.write_text(ATTACH)
    params = f"{action} &quot;the debugger&quot; %1%"
    failure = f'orphanWorkerProcess="true" orphanActionExe="/usr/bin/env" orphanActionParams="python3 {params}"'
    with running(tmp_path, write(tmp_path, failure)) as service:
        pid = pid_of_worker(service)
        with send(service, "/held.loop") as held:
            service.wait_for_event("worker-orphaned", f"pid={pid}")
            assert b" 502 " in held.recv(65536)
        line = service.wait_for_event("action-", f"pid={pid}")
        assert f'output="attached to {pid} for the debugger isapy' in line
        assert "action-ended" in line
        other = pid_of_worker(service)
        assert other != pid
        reply = service.ask(ListWorkers())
        assert isinstance(reply, Workers)
        assert {(row.process_id, row.state) for row in reply.rows} >= {(pid, "Orphaned"), (other, "Running")}
        service.ask(RecyclePool(name="DefaultAppPool"))
        reply = service.ask(ListWorkers())
        assert isinstance(reply, Workers)
        recycles = {row.state: (row.last_recycle, row.last_recycle_seconds is None) for row in reply.rows}
        assert recycles["Orphaned"] == ("", True)
        assert recycles["Running"] == ("asked for by the administrator", False)
        other = pid_of_worker(service)
        assert psutil.Process(pid).is_running()
        service.tree()
        os.kill(pid, signal.SIGKILL)
        service.wait_for_event("process-ended", f"pid={pid}")
        with send(service, "/again.loop"):
            service.wait_for_event("worker-orphaned", f"pid={other}")
        service.tree()
    assert not psutil.pid_exists(other)
