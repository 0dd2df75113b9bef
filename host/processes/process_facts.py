"""What the kernel tells of a process: memory, processor time, age, parent."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import psutil

from host.activation.memory import memory_kilobytes


class ProcessFacts(NamedTuple):
    """Memory in kilobytes, times in seconds. Zeros for a process that is gone."""

    resident_kilobytes: int = 0
    private_kilobytes: int = 0
    address_space_kilobytes: int = 0
    processor_seconds: float = 0.0
    age_seconds: float = 0.0


def facts_of(pids: Iterable[int]) -> dict[int, ProcessFacts]:
    """The facts of these processes. Private memory is counted page by page: call it outside the event loop."""
    return {pid: _facts(pid) for pid in pids if pid}


def parent_of(pid: int) -> int:
    """Process id of its parent, 0 when it is gone."""
    try:
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return 0


def _facts(pid: int) -> ProcessFacts:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            resident = process.memory_info().rss // 1024
            times = process.cpu_times()
            age = time.time() - process.create_time()
    except psutil.Error:
        return ProcessFacts()
    address_space, private = memory_kilobytes(pid)
    return ProcessFacts(resident, private, address_space, times.user + times.system, age)
