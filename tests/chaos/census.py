"""What a service holds: processes, descriptors by kind, threads, shared memory and files. Counted before and after."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import psutil

from tests.running_service import RunningService, wait_until

_GROWING = ("worker", "dllhost", "inetinfo")
_MOST_THREADS = 80  # a process that runs plugins has up to 64 threads for them, begun as they are needed
_KINDS = ("socket", "pipe", "anon_inode", "/memfd", "/dev/shm", "/dev/null", "/proc")


def take_census(service: RunningService) -> Counter[str]:
    """Counts by what and where: `worker Main: descriptor socket`, `file control/...`."""
    found: Counter[str] = Counter()
    for process in [psutil.Process(service.process.pid), *service.tree()]:
        try:
            found += _of_process(process)
        except (psutil.Error, OSError):
            continue  # it has just ended
    for folder in ("control", "temp"):
        for path in (service.folder / folder).rglob("*"):
            found[f"file {path.relative_to(service.folder)}"] += 1
    for path in (service.folder / "state").rglob("*"):
        if "logs" not in path.parts:  # those grow and roll over
            found[f"file {path.relative_to(service.folder)}"] += 1
    found += _system_v_memory(service)
    return found


def wait_for_census(service: RunningService, before: Counter[str]) -> Counter[str]:
    """Wait until the service holds nothing more than before; gives what it holds at last."""
    last: list[Counter[str]] = []

    def is_back() -> bool:
        last.append(take_census(service))
        return not last[-1] - before

    try:
        wait_until(is_back, service.logs, "processes and descriptors to be as before")
    except AssertionError as error:
        raise AssertionError(f"left over: {dict(last[-1] - before)}") from error
    return last[-1]


def memory_megabytes(service: RunningService) -> dict[str, float]:
    """Private memory (USS) of each process, by title."""
    found: dict[str, float] = {}
    for process in [psutil.Process(service.process.pid), *service.tree()]:
        try:
            found[_role(process)] = round(process.memory_full_info().uss / 2**20, 1)
        except psutil.Error:
            continue
    return found


def _of_process(process: psutil.Process) -> Counter[str]:
    role = _role(process)
    if process.status() == psutil.STATUS_ZOMBIE:
        return Counter({"zombie": 1})
    found = Counter({f"process {role}": 1})
    threads = process.num_threads()
    found[f"{role}: threads"] = max(0, threads - _MOST_THREADS) if role.startswith(_GROWING) else threads
    folder = f"/proc/{process.pid}/fd"
    for name in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue
        kind = next((kind for kind in _KINDS if target.startswith(kind)), "file")
        if target.endswith(".log"):
            continue  # which logs are open is a matter of what was logged
        found[f"{role}: descriptor {kind}"] += 1
    shared = {line.split()[-1] for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines()}
    for path in shared:
        if path.startswith(("/dev/shm", "/memfd")):
            found[f"{role}: shared memory"] += 1
    return found


def _role(process: psutil.Process) -> str:
    """`worker Main` for `isapy: worker Main#12`; the name of another program."""
    title = " ".join(process.cmdline())
    if not title.startswith("isapy: "):
        return process.name()
    return re.sub(r"#\d+", "", title.removeprefix("isapy: ").strip())


def _system_v_memory(service: RunningService) -> Counter[str]:
    """System V segments that a process of the service made or used last."""
    table = Path("/proc/sysvipc/shm")
    found: Counter[str] = Counter()
    if table.exists():
        pids = {str(pid) for pid in service.seen}
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            found["System V segment"] += bool(pids & {fields[4], fields[5]})
    return +found
