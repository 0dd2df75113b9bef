"""Processor time of a process tree, of the machine, and of everybody else, from /proc. All times are seconds.

A tree's own counters miss children whose parent ignores SIGCHLD (the kernel throws their times away; Apache's cgid
does that) and what the kernel did for the tree in interrupts. The machine's busy time has both, but also the load
generator and every other process. So a cell is charged with

    busy(machine) - generator - others, and never less than the tree's own counters.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
_LOOK_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    own: float
    reaped: float  # children it has waited for


@dataclass(frozen=True, slots=True)
class Reading:
    """Totals since some moment in the past; two readings give what a cell took."""

    machine: float
    generator: float
    tree: float
    others: float

    def since(self, earlier: Reading) -> Reading:
        """What was spent after `earlier`."""
        return Reading(
            self.machine - earlier.machine,
            self.generator - earlier.generator,
            self.tree - earlier.tree,
            max(0.0, self.others - earlier.others),
        )

    @property
    def server(self) -> float:
        """What the tree is charged with (on a difference of two readings)."""
        return max(self.tree, self.machine - self.generator - self.others)


def read(roots: Iterable[int]) -> Reading:
    """The totals now. `roots` are the server's processes that were started here; the generator is this process with the
    children it has waited for."""
    processes = dict(_processes())
    mine = os.getpid()
    tree = tree_of(roots, {pid: process.parent for pid, process in processes.items()})
    totals = {"tree": 0.0, "others": 0.0}
    for pid, process in processes.items():
        if pid in tree:
            totals["tree"] += process.own + process.reaped
        elif pid != mine:
            totals["others"] += process.own + process.reaped
    times = os.times()
    generator = times.user + times.system + times.children_user + times.children_system
    return Reading(machine_busy(), generator, totals["tree"], totals["others"])


def tree_of(roots: Iterable[int], parents: dict[int, int]) -> set[int]:
    """Every process at or below `roots`, given each process's parent."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in parents]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def machine_busy() -> float:
    """What all processors spent on anything but idling, waiting for disks, and other virtual machines."""
    with (_PROC / "stat").open() as file:
        user, nice, system, _idle, _iowait, irq, softirq = (int(word) for word in file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS_PER_SECOND


def wait_until_quiet(share: float, patience: float) -> bool:
    """Wait, `patience` seconds at most, until less than `share` of one processor is in use; whether it came to that."""
    end = time.monotonic() + patience
    while True:
        busy, began = machine_busy(), time.monotonic()
        time.sleep(_LOOK_SECONDS)
        if machine_busy() - busy < share * (time.monotonic() - began):
            return True
        if time.monotonic() >= end:
            return False


def _processes() -> Iterable[tuple[int, _Process]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                raw = (entry / "stat").read_bytes()
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
            # proc(5): the name in parentheses may hold anything; fields 4, 14-17 follow it
            words = raw[raw.rindex(b")") + 2 :].split()
            user, system, reaped_user, reaped_system = (int(word) for word in words[11:15])
            own, reaped = (user + system) / _TICKS_PER_SECOND, (reaped_user + reaped_system) / _TICKS_PER_SECOND
            yield int(entry.name), _Process(int(words[1]), own, reaped)
