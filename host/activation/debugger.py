"""Whether somebody looks at a process with a debugger: then its silence is no illness."""

from __future__ import annotations

from pathlib import Path


def is_traced(pid: int) -> bool:
    """Whether a debugger (gdb, strace, py-spy) is attached to the process; no, when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in lines)
