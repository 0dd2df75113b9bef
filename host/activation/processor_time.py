"""Processor time of a pool's processes and of the machine, read from /proc; parsed by functions over text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME, _CUTIME, _CSTIME = range(11, 15)  # fields of /proc/PID/stat behind the name and its parenthesis
_PARENT: Final = 1


class ProcessTime(NamedTuple):
    """Seconds that a process has used itself, and those of its children that it has reaped."""

    parent: int
    own: float
    reaped: float


def parse_stat(text: str) -> ProcessTime:
    """One /proc/PID/stat. Raises ValueError and IndexError for anything else."""
    fields = text[text.rindex(")") + 2 :].split()
    own = int(fields[_UTIME]) + int(fields[_STIME])
    return ProcessTime(int(fields[_PARENT]), own / _TICKS, (int(fields[_CUTIME]) + int(fields[_CSTIME])) / _TICKS)


def read_times() -> dict[int, ProcessTime]:
    """Every process that can be seen, by process id."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found[int(name)] = parse_stat(Path("/proc", name, "stat").read_text(errors="replace"))
            except (OSError, ValueError, IndexError):
                continue  # it has ended meanwhile
    return found


def below(roots: Iterable[int], times: Mapping[int, ProcessTime]) -> set[int]:
    """These processes and everything below them, as far as `times` has them."""
    children: dict[int, list[int]] = {}
    for pid, found in times.items():
        children.setdefault(found.parent, []).append(pid)
    waiting, seen = list(roots), set[int]()
    while waiting:
        pid = waiting.pop()
        if pid in times and pid not in seen:
            seen.add(pid)
            waiting += children.get(pid, [])
    return seen


def time_of(pids: Iterable[int], times: Mapping[int, ProcessTime]) -> float:
    """Processor seconds of these processes and of what they have reaped: for everything below one parent the sum never
    falls while that lives, since the time of a child that has ended becomes its parent's."""
    return sum(times[pid].own + times[pid].reaped for pid in pids)


class MachineTime(NamedTuple):
    """Seconds of all processors since the machine started: used, and idle."""

    busy: float
    idle: float


def parse_machine(text: str) -> MachineTime:
    """/proc/stat: the line of all processors together. Time that a hypervisor took counts as used."""
    numbers = [int(field) for field in text.splitlines()[0].split()[1:9]]
    idle = numbers[3] + numbers[4]  # idle, waiting for input or output
    return MachineTime((sum(numbers) - idle) / _TICKS, idle / _TICKS)


def read_machine() -> MachineTime:
    """What the machine says now."""
    return parse_machine(Path("/proc/stat").read_text())
