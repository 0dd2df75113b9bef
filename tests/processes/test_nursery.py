"""The nursery: whoever is born there shares isapy with it, is the service's own child, and does not depend on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from host.isolation.placement import Slot, SlotRole
from host.processes.births import Nursery
from host.processes.control_channel import ControlChannel, channel_pair
from tests.running_service import RunningService, running, start_service, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

LOOK = """\
import os
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Look", path="*.look")]

@hookimpl
async def handle(request):
    files = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return Response.json({"files": [os.readlink(file) for file in files if os.path.exists(file)],
        "variables": sorted(os.environ)})
"""
TITLES = {"workerprocess": ("pool Shop", "pool Deep"), "iis5": ("dllhost /LM/W3SVC/1/ROOT/shop", "dllhost pooled")}


def image(pid: int) -> tuple[str, str]:
    """Where program and stack begin: the same for all that were forked from one execution of Python, and no others."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return words[23], words[25]  # startcode, startstack


def parent_of(pid: int) -> int:
    return psutil.Process(pid).ppid()


@pytest.mark.parametrize("mode", TITLES)
def test_processes_of_one_kind_share_isapy_and_are_the_services_children(tmp_path: Path, mode: str) -> None:
    """Parents of pools, and dllhosts. When the nursery dies nobody notices but the event log: those that it has borne
    serve on, the next process comes from a fresh interpreter, and those after it from another nursery."""
    config = write_site(tmp_path)
    with running(tmp_path, config, "--isolation", mode) as service:
        asked = ["/shop/x.where", "/shop/deep/x.where"]
        servers = [json.loads(service.get(path).body)["pid"] for path in asked]
        first, second = (service.pid_of(title) for title in TITLES[mode])
        assert [parent_of(pid) for pid in (first, second)] == [service.process.pid] * 2
        nursery = service.pid_of("nursery")
        assert image(first) == image(second) == image(nursery) == image(service.process.pid)
        assert parent_of(nursery) == service.process.pid
        service.kill(nursery)
        service.wait_for_event("process-died", f"pid={nursery}", "nursery ended by signal 9 (SIGKILL)")
        assert [json.loads(service.get(path).body)["pid"] for path in asked] == servers
        fresh = image(replaced(service, TITLES[mode][0], asked[0]))
        following = service.pid_of("nursery")
        assert following != nursery
        assert fresh not in (image(following), image(service.process.pid))

        def is_borne_there() -> bool:
            return image(replaced(service, TITLES[mode][1], asked[1])) == image(following)

        wait_until(is_borne_there, tmp_path, "a process that was born in the other nursery")
        assert [service.get(path).status for path in asked] == [200, 200]


def replaced(service: RunningService, title: str, path: str) -> int:
    """Kill that process; gives the process id of the one that comes in its place and serves."""
    before = service.pid_of(title)
    service.kill(before)
    assert service.get(path).status == 200

    def another() -> int:
        found = [row.pid for row in service.status().processes if row.title == title and row.pid != before]
        return found[0] if found else 0

    return wait_until(another, service.folder, f"another {title}")


def test_a_nursery_that_hangs_is_ended_and_delays_one_start_only(tmp_path: Path) -> None:
    """The parent that was ordered comes from a fresh interpreter."""
    config = write_site(tmp_path)
    with running(tmp_path, config) as service:
        nursery = service.pid_of("nursery")
        os.kill(nursery, signal.SIGSTOP)
        assert image(replaced(service, "pool Shop", "/shop/x.where")) != image(service.process.pid)
        service.wait_for_event("process-died", f"pid={nursery}", "signal 9 (SIGKILL)")
        assert image(replaced(service, "pool Deep", "/shop/deep/x.where")) != image(service.process.pid)


def test_a_nursery_that_never_becomes_ready_delays_one_start_only() -> None:
    """Whatever it hangs in: its first order is given up after a while, and the next ones are not kept waiting."""
    patience = 2.0
    ours, its = channel_pair()
    with subprocess.Popen(["/bin/sleep", "1000"]) as sleeper, its:
        nursery = Nursery(sleeper, ControlChannel(ours), patience)
        slot = Slot(SlotRole.POOL, "Shop", "pool Shop")
        try:
            assert nursery.give_birth(slot, its) == 0
            before = time.monotonic()
            assert nursery.give_birth(slot, its) == 0
            assert time.monotonic() - before < patience
        finally:
            nursery.kill()


def test_nothing_of_the_services_start_is_found_in_who_is_born(tmp_path: Path) -> None:
    """Neither what the service inherited, nor variables that were meant for it."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "look.py").write_text(LOOK)
    secret = tmp_path / "secret"
    secret.touch()
    with secret.open() as file:
        os.set_inheritable(file.fileno(), True)
        service = start_service(
            tmp_path,
            config,
            environment={"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "600000000"},
            descriptors=[file.fileno()],
        )
    try:
        found = json.loads(service.get("/x.look").body)
        assert not [name for name in found["variables"] if name in ("NOTIFY_SOCKET", "WATCHDOG_USEC")]
        assert str(secret) not in found["files"]
    finally:
        assert service.stop() == 0


def test_a_service_that_cannot_read_its_configuration_leaves_no_nursery(tmp_path: Path) -> None:
    """It was there before the file was read."""
    config = write_site(tmp_path)
    config.write_text("<configuration>")
    service = start_service(tmp_path, config, expect_start=False)
    assert service.process.wait() == 2
    service.wait_until_all_gone()


SERVICES_OWN = (
    "host.activation",
    "host.admin",
    "host.http1",
    "host.listener",
    "host.logs",
    "httptools",
    "psutil",
    "watchfiles",
)
LOADED = "import sys, host.processes.__main__; print(*sys.modules)"


def test_what_the_service_alone_needs_is_loaded_after_the_nursery_is_forked() -> None:
    """All that is there before is a part of every pool and worker, and each fork pays for it."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=100, check=True)
    loaded = done.stdout.split()
    assert "host.processes.pool" in loaded
    assert [name for name in loaded if name.startswith(SERVICES_OWN)] == []
