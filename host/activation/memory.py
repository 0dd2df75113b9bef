"""Memory of processes and of the machine, for recycling limits, headroom and idle time-outs."""

from __future__ import annotations

from typing import NamedTuple

import psutil

from host.activation.group_memory import tightest_group
from host.activation.headroom import MemoryFacts


class MachineMemory(NamedTuple):
    """Physical memory in kilobytes; `available` is what can be taken without swapping (MemAvailable)."""

    total: int
    available: int


def memory_kilobytes(pid: int) -> tuple[int, int]:
    """(address space, private memory) of the process in kilobytes; zeros when it is gone.

    Private memory is what only this process holds (USS), as IIS's private bytes.
    """
    try:
        info = psutil.Process(pid).memory_full_info()
    except psutil.Error:
        return 0, 0
    return info.vms // 1024, info.uss // 1024


def resident_kilobytes(pid: int) -> int:
    """What of the process lies in physical memory, in kilobytes; 0 when it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss // 1024)
    except psutil.Error:
        return 0


def machine_memory() -> MachineMemory:
    """The machine's physical memory now."""
    memory = psutil.virtual_memory()
    return MachineMemory(memory.total // 1024, memory.available // 1024)


def memory_facts(pid: int) -> MemoryFacts:
    """What an overlapped recycle of that worker would need and find."""
    return MemoryFacts(memory_kilobytes(pid)[1], machine_memory().available, tightest_group(pid))
