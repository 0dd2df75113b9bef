"""One contestant under load while it is recycled, or while its workers are killed, on a beat."""

from __future__ import annotations

import enum
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.reliability.contestants import READY, Recycled
from bench.server import Server
from bench.site import MeasuredSite
from tests.chaos.client import Count, Failure, Options
from tests.chaos.load import Load
from tests.chaos.scene import USERS


class Deed(enum.Enum):
    """What is done on every beat."""

    NOTHING = "nothing"
    RECYCLE = "recycle"
    KILL = "kill a worker"


_CUTS: Final = frozenset({"closed", "ConnectionResetError"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a contestant did under load: `deeds` that were done, requests by kind, and those that failed."""

    contestant: str
    deed: Deed
    how: str
    deeds: int
    seconds: float
    counts: dict[str, Count]
    failures: tuple[Failure, ...]

    @property
    def sent(self) -> int:
        """Requests that were sent."""
        return sum(count.sent for count in self.counts.values())

    @property
    def slowest_seconds(self) -> float:
        """The slowest right answer's time."""
        return max((count.slowest_seconds for count in self.counts.values()), default=0.0)

    @property
    def may_be_repeated(self) -> int:
        """Failures that a client may repeat by itself (RFC 9110 9.2.2, RFC 9112 9.3.1): idempotent, on a connection
        that was kept open and ended before a byte of the answer."""
        return sum(
            failure.reused and failure.received == 0 and failure.error in _CUTS and failure.kind != "upload"
            for failure in self.failures
        )

    @property
    def reasons(self) -> Counter[str]:
        """Failures by kind of request and what the client saw."""
        return Counter(f"{failure.kind}: {failure.error}" for failure in self.failures)


def run(
    recycled: Recycled, site: MeasuredSite, folder: Path, *, deed: Deed, seconds: float, beat: float, seed: int
) -> Result:
    """Start it, load it for so long, do the deed every `beat` seconds, and end it. Raises NotReady."""
    server = Server(recycled.contestant, folder, site)
    try:
        server.start(recycled.contestant.paths[READY])
        options = Options(port=server.port, users=dict(USERS), paths=dict(recycled.paths), seed=seed)
        with Load(options) as load:
            load.wait_for_answers(1)
            began = time.monotonic()
            deeds = _keep_doing(recycled, server, deed, seconds, beat, random.Random(seed))
            took = time.monotonic() - began
    finally:
        server.stop()
    how = recycled.how if deed is Deed.RECYCLE else deed.value
    return Result(
        contestant=recycled.name,
        deed=deed,
        how=how,
        deeds=deeds,
        seconds=took,
        counts=load.counts,
        failures=tuple(load.failures),
    )


def _keep_doing(recycled: Recycled, server: Server, deed: Deed, seconds: float, beat: float, rng: random.Random) -> int:
    """On the beat, for so long; gives how often. A deed that takes longer than a beat is not caught up with."""
    began, count, pause = time.monotonic(), 0, threading.Event()
    due = began + beat
    while due < began + seconds:
        pause.wait(max(0.0, due - time.monotonic()))
        if deed is Deed.RECYCLE:
            recycled.recycle(server)
            count += 1
        elif deed is Deed.KILL:
            count += _kill_one(recycled.workers(server), rng)
        due = max(due + beat, time.monotonic())
    pause.wait(max(0.0, began + seconds - time.monotonic()))
    return count


def _kill_one(workers: list[psutil.Process], rng: random.Random) -> int:
    if not workers:
        return 0
    try:
        rng.choice(workers).kill()
    except psutil.NoSuchProcess:
        return 0
    return 1
