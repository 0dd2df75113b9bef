"""A service, its load and its disturber, joined; and what came of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from host.admin.client import CommandFailed
from host.admin.commands import ListPools, Pools
from tests.chaos.census import memory_megabytes, take_census, wait_for_census
from tests.chaos.client import Count, Failure, Options
from tests.chaos.disturber import Disturber
from tests.chaos.load import Load
from tests.chaos.promises import EVENTS, Disturbance, judge
from tests.chaos.site import PATHS, Settings
from tests.running_service import RunningService, wait_until

_WARM_UPS: Final = 5  # at most

USERS: Final[Mapping[str, int]] = {
    "page": 3,
    "connect": 2,
    "wait": 2,
    "file": 1,
    "put": 2,
    "upload": 2,
    "stream": 2,
}
"""A mix that leaves two processors some room."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a run."""

    counts: dict[str, Count]
    strikes: Counter[str]
    excused: dict[str, int]
    losses: list[Failure]
    replayed: int
    memory_before: dict[str, float] = field(default_factory=dict)
    memory_after: dict[str, float] = field(default_factory=dict)

    def report(self) -> str:
        """The tables that the runner prints."""
        lines = [f"{'requests':10}{'sent':>9}{'answered':>10}{'excused':>9}{'lost':>6}{'slowest':>10}"]
        lost = Counter(failure.kind for failure in self.losses)
        for name, count in self.counts.items():
            excused = count.failed - lost[name]
            slowest = f"{count.slowest_seconds:.2f} s"
            lines.append(f"{name:10}{count.sent:>9}{count.answered:>10}{excused:>9}{lost[name]:>6}{slowest:>10}")
        sent = sum(count.sent for count in self.counts.values())
        answered = sum(count.answered for count in self.counts.values())
        excused = sent - answered - len(self.losses)
        lines.append(f"{'all':10}{sent:>9}{answered:>10}{excused:>9}{len(self.losses):>6}")
        lines.append(f"given to another worker: {self.replayed}")
        lines.append("disturbances: " + ", ".join(f"{count} x {what}" for what, count in sorted(self.strikes.items())))
        lines += [f"  excused {count:5} x {why}" for why, count in sorted(self.excused.items())]
        lines += [f"  LOST {failure}" for failure in self.losses[:20]]
        for title, before in sorted(self.memory_before.items()):
            after = self.memory_after.get(title, 0.0)
            lines.append(f"memory of {title}: {before} MB before, {after} MB after")
        return "\n".join(lines)


class Scene:
    """One service under load. `run` strikes blow by blow; a harder rhythm is the caller's."""

    def __init__(self, service: RunningService, settings: Settings, *, seed: int) -> None:
        self.service = service
        self.rng = random.Random(seed)
        self.disturber = Disturber(service, settings, self.rng)
        self._seed = seed

    def load(self, users: Mapping[str, int] = USERS) -> Load:
        """A load of its own numbers."""
        self._seed += 1
        return Load(Options(port=self.service.port, users=dict(users), paths=dict(PATHS), seed=self._seed))

    def warm_up(self, workers: int = 1) -> None:
        """One answer of each kind, and so many workers: everything that starts on demand has started."""
        with self.load() as load:
            load.wait_for_answers(1)
            wait_until(lambda: self._workers() >= workers, self.service.logs, f"{workers} workers")
        assert not load.failures, load.failures

    def _has_started(self) -> bool:
        """No pool is in the middle of a start, with fewer descriptors than it will have."""
        try:
            pools = self.service.ask(ListPools())
        except CommandFailed:  # IIS 5 isolation has no pools
            return True
        return isinstance(pools, Pools) and all(pool.state != "Starting" for pool in pools.rows)

    def _workers(self) -> int:
        return sum(title.startswith(("worker Main#", "dllhost pooled")) for title in self.service.titles())

    def run(self, disturbances: Sequence[Disturbance], *, answers_between: int = 1) -> Outcome:
        """Strike, and strike again when each kind of request has been answered so often; then nothing may be left that
        was not there before."""
        wait_until(self._has_started, self.service.logs, "every pool that was started to be there")
        before: Counter[str] = Counter()
        for _ in range(_WARM_UPS):  # what was done before may have ended an interpreter that was kept warm, or does yet
            self.warm_up()
            before = take_census(self.service)
            if before["process warm /usr/bin/perl"]:
                break
        first = len(self.disturber.strikes)
        replays = self.disturber.events.count("request-replayed")
        events = self.disturber.events.counts.copy()
        with self.load() as load:
            load.wait_for_answers(1)
            for what in disturbances:
                self.disturber.strike(what)
                load.wait_for_answers(answers_between)
        for event_id, expected in Counter(EVENTS[what] for what in disturbances if what in EVENTS).items():
            self._wait_for_event(event_id, events[event_id] + expected)
        wait_for_census(self.service, before)
        return self.outcome(load, first, replays)

    def _wait_for_event(self, event_id: str, count: int) -> None:
        """What was done has been told as often: a disturbance that disturbed nothing would prove nothing."""
        wait_until(
            lambda: self.disturber.events.count(event_id) >= count, self.service.logs, f"{count} events {event_id}"
        )

    def outcome(self, load: Load, first_strike: int, replays_before: int) -> Outcome:
        """Judge what the load has seen since that strike."""
        strikes = self.disturber.strikes[first_strike:]
        excused, losses = judge(load.failures, strikes)
        return Outcome(
            counts=load.counts,
            strikes=Counter(strike.what.value for strike in strikes),
            excused=excused,
            losses=losses,
            replayed=self.disturber.events.count("request-replayed") - replays_before,
            memory_after=memory_megabytes(self.service),
        )


def start_folder(folder: Path) -> dict[str, str]:
    """The environment of a service whose temporary files are counted."""
    (folder / "temp").mkdir(parents=True, exist_ok=True)
    return {"TMPDIR": str(folder / "temp")}
