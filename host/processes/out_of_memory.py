"""Tells whether the kernel has killed for want of memory: of a process that ends by SIGKILL nobody else can say why."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

_COUNT: Final = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_KILLED: Final = "-9"


def read_kills() -> int:
    """How many processes the kernel has killed for want of memory, of the machine's or of a control group's, since the
    machine started (/proc/vmstat, Linux 4.13); 0 where it does not say."""
    try:
        found = _COUNT.search(Path("/proc/vmstat").read_text(encoding="ascii"))
    except OSError:
        return 0
    return int(found[1]) if found is not None else 0


class OutOfMemory:
    """`read` counts; what has been counted before this is made is not told."""

    def __init__(self, read: Callable[[], int] = read_kills) -> None:
        self._read = read
        self._known = read()

    def addition(self, fields: Mapping[str, str]) -> str:
        """What to add to the text of an event with these fields: empty unless it tells of a process that SIGKILL has
        ended, and the kernel has killed since that was looked at last."""
        if fields.get("status") != _KILLED:
            return ""
        before, self._known = self._known, self._read()
        count = self._known - before
        if count <= 0:
            return ""
        processes = "a process" if count == 1 else f"{count} processes"
        return f"; the kernel has killed {processes} for want of memory meanwhile (oom_kill in /proc/vmstat)"
