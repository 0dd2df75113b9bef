"""Code of plugins that does not end, in processes that have to."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from host.admin.commands import Done, RecyclePool
from tests.running_service import ROOT, WAIT_SECONDS, running, start_service
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

LEAVES_THREADS = """\
import asyncio, os, threading
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Leaves", path="*.leaves")]

@hookimpl
async def handle(request):
    threading.Thread(target=threading.Event().wait).start()
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
    return Response.json({"pid": os.getpid()})
"""


HANGS_IN_UNLOAD = """\
import threading
from host.api import hookimpl

@hookimpl
def unload(context):
    threading.Event().wait()
"""


def test_a_plugin_that_hangs_when_it_is_unloaded_is_named(tmp_path: Path) -> None:
    """shutdownTimeLimit ends its worker, and the event says in whose code it was."""
    config = write_site(tmp_path, default_pool='<processModel shutdownTimeLimit="00:00:01" />')
    (tmp_path / "extensions" / "stays.py").write_text(HANGS_IN_UNLOAD)
    with running(tmp_path, config) as service:
        pid = json.loads(service.get("/a.where").body)["pid"]
        service.ask(RecyclePool(name="DefaultAppPool"))
        late = service.wait_for_event("worker-shutdown-limit", f"pid={pid}")
        assert f"did not end within 1 s: it is in {tmp_path}/extensions/stays.py (unload)" in late
        ended = service.wait_for_event("process-ended", f"pid={pid}", "signal 9 (SIGKILL)")
        assert f"in {tmp_path}/extensions/stays.py (unload)" in ended


HANGS_IN_LOAD = """\
import threading
from host.api import hookimpl

@hookimpl
def load(context):
    context.report_event("plugin-message", "it hangs from here on")
    threading.Event().wait()
"""


def test_threads_that_a_plugin_has_left_hold_up_neither_a_recycle_nor_the_end(tmp_path: Path) -> None:
    """Neither daemons nor a request's: the worker ends in order, long before shutdownTimeLimit."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "leaves.py").write_text(LEAVES_THREADS)
    with running(tmp_path, config) as service:
        pid = json.loads(service.get("/a.leaves").body)["pid"]
        assert isinstance(service.ask(RecyclePool(name="DefaultAppPool")), Done)
        service.wait_for_event("process-ended", f"pid={pid}", "exit code 0")
        service.get("/b.leaves")
    assert not service.has_event("worker-shutdown-limit")


def test_the_front_of_iis5_isolation_ends_in_order_too(tmp_path: Path) -> None:
    """inetinfo runs Low applications, and what their plugins have left behind ends with it."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "leaves.py").write_text(LEAVES_THREADS)
    with running(tmp_path, config, "--isolation", "iis5") as service:
        pid = json.loads(service.get("/a.leaves").body)["pid"]
        assert pid == service.pid_of("inetinfo")
    service.wait_for_event("process-ended", f"pid={pid}", "status=0")
    assert not service.has_event("process-killed")


def test_what_hangs_does_not_outlive_the_service_and_the_pools_parent(tmp_path: Path) -> None:
    """Both are killed at once, another parent is stopped, a worker's loop is held: nobody is left to end them."""
    limits = '<processModel shutdownTimeLimit="00:00:02" pingingEnabled="false" />'
    config = write_site(tmp_path, default_pool=limits)
    shutil.copy(ROOT / "tests" / "plugins" / "holds_loop.py", tmp_path / "extensions")
    service = start_service(tmp_path, config)
    with service.connect() as held:
        held.sendall(b"GET /held.loop HTTP/1.1\r\nHost: x\r\n\r\n")
        service.wait_for_requests(1)
        parent = service.pid_of("pool DefaultAppPool")
        processes = service.tree()
        os.kill(service.pid_of("pool Shop"), signal.SIGSTOP)
    os.kill(parent, signal.SIGSTOP)
    service.process.kill()
    os.kill(parent, signal.SIGKILL)
    service.process.wait(WAIT_SECONDS)
    _, alive = psutil.wait_procs(processes, timeout=WAIT_SECONDS)
    for process in alive:
        process.kill()
    assert not alive


def test_a_worker_that_hangs_while_it_starts_ends_with_the_pools_parent(tmp_path: Path) -> None:
    """It has had no request: the kernel ends it, whoever else is left, and long before startupTimeLimit."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "hangs.py").write_text(HANGS_IN_LOAD)
    service = start_service(tmp_path, config)
    with service.connect() as waiting:
        waiting.sendall(b"GET /a.where HTTP/1.1\r\nHost: x\r\n\r\n")
        service.wait_for_event("it hangs from here on")
        processes = service.tree()
    parent = service.pid_of("pool DefaultAppPool")
    service.process.kill()
    os.kill(parent, signal.SIGKILL)
    service.process.wait(WAIT_SECONDS)
    _, alive = psutil.wait_procs(processes, timeout=WAIT_SECONDS)
    for process in alive:
        process.kill()
    assert not alive
