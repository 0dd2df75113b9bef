"""What is done when: the long run's calendar, and a short seeded mix. Pure: the clock is passed in."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Final

from tests.chaos.promises import Disturbance

EVERY_SECONDS: Final[Mapping[Disturbance, float]] = {
    Disturbance.CHANGE_CONFIGURATION: 1.0,
    Disturbance.RECYCLE: 2.0,
    Disturbance.RESTART_OTHER_POOL: 5.0,
    Disturbance.SAVE_PLUGIN: 7.0,
    Disturbance.SWITCH_MODE: 10.0,
}
"""What must lose nothing comes on the beat."""

_KILL_SECONDS: Final = 3.0  # mean time between two kills, which come when they like

WORKER_KILLS: Final = {
    Disturbance.KILL_WORKER: 5,
    Disturbance.KILL_LISTENER: 2,
    Disturbance.KILL_PARENT: 2,
    Disturbance.STOP_WORKER: 1,
    Disturbance.STOP_LISTENER: 2,
}
IIS5_KILLS: Final = {Disturbance.KILL_DLLHOST: 3, Disturbance.KILL_INETINFO: 2, Disturbance.STOP_LISTENER: 1}
"""How often each is chosen, relatively."""

_POOLS_ONLY: Final = frozenset({Disturbance.RECYCLE, Disturbance.RESTART_OTHER_POOL})


class Calendar:
    """Due times. `next(now)` is what is to be done now, or how long there is to wait."""

    def __init__(self, rng: random.Random, now: float) -> None:
        self._random = rng
        self._due = {what: now + seconds for what, seconds in EVERY_SECONDS.items()}
        self._kill_due = now + _KILL_SECONDS

    def next(self, now: float, *, is_iis5: bool) -> Disturbance | float:
        """The disturbance that is most overdue, or the seconds until one is. What is late is not caught up with."""
        what = min(self._due, key=lambda each: self._due[each])
        if self._kill_due <= min(now, self._due[what]):
            self._kill_due = now + self._random.expovariate(1 / _KILL_SECONDS)
            return choose_kill(self._random, is_iis5=is_iis5)
        if self._due[what] > now:
            return min(self._due[what], self._kill_due) - now
        self._due[what] = now + EVERY_SECONDS[what]
        if is_iis5 and what in _POOLS_ONLY:
            return self.next(now, is_iis5=is_iis5)
        return what


def choose_kill(rng: random.Random, *, is_iis5: bool) -> Disturbance:
    """One of the mode's kills."""
    kills = IIS5_KILLS if is_iis5 else WORKER_KILLS
    return rng.choices(list(kills), weights=list(kills.values()))[0]


def short_mix(rng: random.Random) -> Iterator[Disturbance]:
    """Each disturbance of worker isolation once, in a random order; then IIS 5 isolation's, and back."""
    first = [
        Disturbance.RECYCLE,
        Disturbance.SAVE_PLUGIN,
        Disturbance.CHANGE_CONFIGURATION,
        Disturbance.RESTART_OTHER_POOL,
        Disturbance.KILL_WORKER,
        Disturbance.KILL_LISTENER,
        Disturbance.KILL_PARENT,
        Disturbance.STOP_LISTENER,
    ]
    second = [Disturbance.KILL_DLLHOST, Disturbance.KILL_INETINFO, Disturbance.CHANGE_CONFIGURATION]
    rng.shuffle(first)
    rng.shuffle(second)
    yield from first
    yield Disturbance.SWITCH_MODE
    yield from second
    yield Disturbance.SWITCH_MODE
