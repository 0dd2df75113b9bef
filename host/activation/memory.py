"""Memory of processes and of the machine, for recycling limits, headroom and idle time-outs."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import psutil

from host.activation.group_memory import tightest_group
from host.activation.headroom import MemoryFacts, shortage


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
    """What an overlapped recycle of that worker would need and find.

    What it holds alone is found out only where there is no room for all that it has in physical memory: the kernel
    looks at each page for that, 1.3 ms for a worker of 40 MB, in which the processor serves nobody.
    """
    facts = MemoryFacts(resident_kilobytes(pid), machine_memory().available, tightest_group(pid))
    return replace(facts, private_kilobytes=memory_kilobytes(pid)[1]) if shortage(facts) else facts
