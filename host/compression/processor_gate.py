"""The limits of processor usage: compression stops above one, and goes on below another. IIS looks every 30 seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LOOK_SECONDS: Final = 30.0
NEVER_PERCENT: Final = 100
"""A limit that is never reached, although a machine may be fully busy."""

Times = tuple[int, int]
"""Busy and all processor time of the machine since it was started, in any unit."""


def times_of(line: str) -> Times:
    """From the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal (proc(5))."""
    counts = [int(word) for word in line.split()[1:9]]
    everything = sum(counts)
    return everything - sum(counts[3:5]), everything


class ProcessorGate:
    """Whether the machine has processor time to spare. `clock` counts seconds, `read` gives the times so far.

    Until the first LOOK_SECONDS have passed nothing is known, and compression takes place.
    """

    def __init__(self, clock: Callable[[], float], read: Callable[[], Times]) -> None:
        self._clock = clock
        self._read = read
        self._looked_at = clock()
        self._times = read()
        self._percent: float | None = None
        self._is_shut = {"static": False, "dynamic": False}

    def is_open(self, kind: str, disable_percent: int, enable_percent: int) -> bool:
        """Whether `kind` (static, dynamic) may be compressed now."""
        if disable_percent >= NEVER_PERCENT:
            return True
        if self._clock() - self._looked_at >= LOOK_SECONDS:
            self._look()
        if self._percent is not None:
            if self._percent >= disable_percent:
                self._is_shut[kind] = True
            elif self._percent < enable_percent:
                self._is_shut[kind] = False
        return not self._is_shut[kind]

    def _look(self) -> None:
        busy, everything = self._read()
        passed = everything - self._times[1]
        if passed > 0:
            self._percent = 100 * (busy - self._times[0]) / passed
        self._looked_at, self._times = self._clock(), (busy, everything)
