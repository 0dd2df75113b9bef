"""The look at a pool's processor time: a real process that burns, a clock that the test moves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from host.activation.children import Surroundings
from host.activation.pool_processor import PoolProcessor
from host.activation.processor_groups import ProcessorGroups
from host.activation.worker_record import WorkerRecord
from host.config.confinement import Cpu
from host.config.model import Pool
from host.processes.launcher import Launcher

TIGHT = Pool(name="Shop", cpu=Cpu(limit=1, action="KillW3wp", reset_interval_seconds=60))
BURN = """
import sys, time
for line in sys.stdin:
    end = time.process_time() + float(line)
    while time.process_time() < end:
        pass
    print("burnt", flush=True)
"""


class Owner:
    """A pool without workers that notes what it is told."""

    def __init__(self) -> None:
        self.workers: dict[str, WorkerRecord] = {}
        self.refuse_reason = ""
        self.told: list[str] = []

    def shut_down(self, why: str) -> None:
        self.told.append(f"shut down: {why}")
        self.refuse_reason = "AppShutdown"

    def end_shut_down(self) -> None:
        self.told.append("started")
        self.refuse_reason = ""


class Bench:
    """A processor's look at one burning process, with what was reported."""

    def __init__(self, pid: int, loop: asyncio.AbstractEventLoop) -> None:
        self.now = 1000.0
        self.events: list[tuple[str, str]] = []
        self.owner = Owner()
        around = Surroundings(loop, Launcher(loop), self._report, clock=lambda: self.now)
        self.processor = PoolProcessor(self.owner, around, ProcessorGroups(), lambda: [pid])

    def _report(self, event_id: str, text: str, _fields: object) -> None:
        self.events.append((event_id, text))

    def look(self, pool: Pool = TIGHT, *, seconds: float = 1.0) -> list[str]:
        """Let time pass, look; the ids of all events so far."""
        self.now += seconds
        self.processor.look(pool)
        return [name for name, _ in self.events]


@contextmanager
def burning() -> Iterator[tuple[Bench, subprocess.Popen[str]]]:
    loop = asyncio.new_event_loop()
    command = [sys.executable, "-c", BURN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        burn(child, 0.0)  # it has started
        yield Bench(child.pid, loop), child
        assert child.stdin is not None
        child.stdin.close()
    loop.close()


def burn(child: subprocess.Popen[str], seconds: float) -> None:
    """Returns when the child has used so much processor time more."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{seconds}\n")
    child.stdin.flush()
    assert child.stdout.readline() == "burnt\n"


def test_a_pool_is_shut_down_once_and_started_when_its_window_is_over() -> None:
    """KillW3wp: 0.001 % of a minute is used up by anything; then nothing until the window's end."""
    with burning() as (bench, child):
        assert bench.look() == []
        burn(child, 0.2)
        assert bench.look() == ["cpu-limit"]
        assert bench.owner.told == ["shut down: cpu/@limit is exceeded"]
        assert "shut down for 59 s" in bench.events[0][1]
        burn(child, 0.2)
        assert bench.look(seconds=58.0) == ["cpu-limit"]
        assert bench.owner.told[1:] == []
        bench.look()
        assert bench.owner.told[1:] == ["started"]
        burn(child, 0.2)
        bench.look()  # the new window begins here
        burn(child, 0.2)
        assert bench.look() == ["cpu-limit", "cpu-limit"]


def test_an_administrator_who_starts_the_pool_begins_a_new_window() -> None:
    """The old one's end starts nothing any more."""
    with burning() as (bench, child):
        bench.look()
        burn(child, 0.2)
        bench.look()
        bench.owner.refuse_reason = ""
        bench.look()
        bench.look(seconds=59.0)
        assert bench.owner.told == ["shut down: cpu/@limit is exceeded"]
        bench.owner.refuse_reason = "Disabled"
        bench.look(seconds=120.0)
        assert "started" not in bench.owner.told


def test_a_limit_that_is_taken_away_or_changed_starts_the_pool_that_it_had_shut_down() -> None:
    """Nobody is left who would: its window is not looked at any more."""
    for cpu in (Cpu(), replace(TIGHT.cpu, limit=100000), replace(TIGHT.cpu, action="Throttle")):
        with burning() as (bench, child):
            bench.look()
            burn(child, 0.2)
            bench.look()
            bench.look(replace(TIGHT, cpu=cpu))
            assert bench.owner.told == ["shut down: cpu/@limit is exceeded", "started"]
            bench.look(replace(TIGHT, cpu=cpu), seconds=120.0)
            assert bench.owner.told[2:] == []


def test_an_action_that_is_changed_begins_a_new_window() -> None:
    """What was exceeded and only told must not keep the other action from what it is for."""
    told = replace(TIGHT, cpu=replace(TIGHT.cpu, action="NoAction"))
    with burning() as (bench, child):
        bench.look(told)
        burn(child, 0.2)
        assert bench.look(told) == ["cpu-limit"]
        bench.look()
        burn(child, 0.2)
        assert bench.look() == ["cpu-limit", "cpu-limit"]
        assert bench.owner.told == ["shut down: cpu/@limit is exceeded"]


def test_no_action_is_an_event_once_a_window() -> None:
    """The pool serves on."""
    pool = replace(TIGHT, cpu=replace(TIGHT.cpu, action="NoAction"))
    with burning() as (bench, child):
        bench.look(pool)
        for _ in range(2):
            burn(child, 0.2)
            assert bench.look(pool) == ["cpu-limit"]
        assert bench.owner.told == []
        bench.look(pool, seconds=60.0)
        burn(child, 0.2)
        assert bench.look(pool) == ["cpu-limit", "cpu-limit"]


def test_throttling_says_when_it_begins_and_when_it_ends() -> None:
    """A limit that the configuration takes away holds nobody any more."""
    pool = replace(TIGHT, cpu=replace(TIGHT.cpu, action="Throttle"))
    with burning() as (bench, _child):
        assert bench.look(pool) == ["cpu-throttled"]
        assert bench.look(pool) == ["cpu-throttled"]
        wider = replace(pool, cpu=replace(pool.cpu, limit=30000))
        assert bench.look(wider) == bench.look(wider) == ["cpu-throttled", "cpu-throttled"]
        assert "held to 30 %" in bench.events[1][1]
        assert bench.look(replace(TIGHT, cpu=Cpu())) == ["cpu-throttled", "cpu-throttled", "cpu-freed"]
        assert bench.look(replace(TIGHT, cpu=Cpu())) == ["cpu-throttled", "cpu-throttled", "cpu-freed"]
