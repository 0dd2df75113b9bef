"""How many NUMA nodes the machine has: what maxProcesses="0" means (IIS 8: one worker for each)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_ONLINE: Final = Path("/sys/devices/system/node/online")


def count_nodes(listed: str) -> int:
    """How many numbers a kernel list such as `0-1,4` names; 1 for a text that is none."""
    count = 0
    for part in listed.strip().split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            return 1
        count += int(last or first) - int(first) + 1
    return max(1, count)


def numa_nodes(online: Path = _ONLINE) -> int:
    """The machine's nodes with memory or processors; 1 where the kernel does not say."""
    try:
        return count_nodes(online.read_text(encoding="ascii"))
    except OSError:
        return 1
