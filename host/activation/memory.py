"""Memory of a process, for the recycling limits."""

from __future__ import annotations

import psutil


def memory_kilobytes(pid: int) -> tuple[int, int]:
    """(address space, private memory) of the process in kilobytes; zeros when it is gone.

    Private memory is what only this process holds (USS), as IIS's private bytes.
    """
    try:
        info = psutil.Process(pid).memory_full_info()
    except psutil.Error:
        return 0, 0
    return info.vms // 1024, info.uss // 1024
