"""Memory of a server's processes by role, in bytes, and its peak while something is going on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import psutil

RoleOf = Callable[[psutil.Process], str]
"""What a process of the tree is: `worker`, `listener`, `master` ... (each server's file has one)."""

_SAMPLE_SECONDS: Final = 0.05
_SAMPLES_PER_SEARCH: Final = 10  # looking through /proc for new processes costs more than measuring the known ones


@dataclass(frozen=True, slots=True)
class RoleMemory:
    """Processes of one role. `uss` is what would be freed if one of them ended, `pss` adds its share of shared pages:
    both are means over the `count` processes."""

    role: str
    count: int
    uss: float
    pss: float


def processes_of(roots: Iterable[int]) -> list[psutil.Process]:
    """Every live process at or below `roots`."""
    found: list[psutil.Process] = []
    for pid in roots:
        try:
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return found


def memory_by_role(roots: Iterable[int], role_of: RoleOf) -> list[RoleMemory]:
    """One entry per role, in the order of the tree."""
    sizes: dict[str, list[tuple[int, int]]] = {}
    for process in processes_of(roots):
        try:
            memory = process.memory_full_info()
            sizes.setdefault(role_of(process), []).append((memory.uss, memory.pss))
        except psutil.Error:  # ended meanwhile, or a zombie
            continue
    return [
        RoleMemory(
            role, len(pairs), sum(uss for uss, _ in pairs) / len(pairs), sum(pss for _, pss in pairs) / len(pairs)
        )
        for role, pairs in sizes.items()
    ]


class PeakMemory:
    """The largest USS of each role's processes between `with` and its end; `before` is what they had at the start."""

    def __init__(self, roots: Iterable[int], role_of: RoleOf) -> None:
        self._roots = list(roots)
        self._role_of = role_of
        self._processes: list[psutil.Process] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.before: dict[str, int] = {}
        self.peak: dict[str, int] = {}

    def __enter__(self) -> PeakMemory:
        self._processes = processes_of(self._roots)
        self._look()
        self.before = dict(self.peak)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._processes = processes_of(self._roots)
        self._look()

    def _sample(self) -> None:
        number = 0
        while not self._ended.wait(_SAMPLE_SECONDS):
            number += 1
            if number % _SAMPLES_PER_SEARCH == 0:
                self._processes = processes_of(self._roots)
            self._look()

    def _look(self) -> None:
        for process in self._processes:
            try:
                role, uss = self._role_of(process), process.memory_full_info().uss
            except psutil.Error:
                continue
            self.peak[role] = max(self.peak.get(role, 0), uss)
