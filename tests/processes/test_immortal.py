"""What is there before a fork is not counted after it, where Python can do that; what has to end still ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

KNOWS_IMMORTALS = sys.version_info[:2] in ((3, 12), (3, 13))

PROGRAM = """
import gc, json, os, socket, sys, weakref
import host.processes.births
from host.processes.immortal import make_immortal

class Kept:
    pass

class Mine(dict):
    pass

def constant():
    return "of this function's code"

ended = []

def waiting():
    try:
        yield
    finally:
        ended.append("generator")

names = Mine({f"name {number}": number for number in range(1000)})
kept, file, end, generator = Kept(), open(os.devnull), socket.socket(), waiting()
next(generator)
descriptors = [file.fileno(), end.fileno()]
gc.collect()
count, second = make_immortal(), make_immortal()
gc.freeze()

reader, writer = os.pipe()
if not os.fork():
    held = [(one, list(vars(one).values())) for one in list(sys.modules.values()) if one is not None]
    with open("/proc/self/smaps_rollup") as rollup:
        private = next(line.split()[1] for line in rollup if line.startswith("Private_Dirty"))
    os.write(writer, private.encode())
    os._exit(0)
os.wait()

all_kept = [kept, next(iter(names)), constant()]
references = list(map(sys.getrefcount, all_kept))
more = all_kept * 1000
counts = [now - before for now, before in zip(map(sys.getrefcount, all_kept), references)]
young = Kept()
watched_young = weakref.ref(young)
del young, file, end, generator
open_still = [one for one in descriptors if os.path.exists(f"/proc/self/fd/{one}")]
print(json.dumps({
    "count": count, "second": second, "private": int(os.read(reader, 16)), "counts": counts,
    "is_young_gone": watched_young() is None, "open": open_still, "ended": ended,
}))
"""


def said(**environment: str) -> dict[str, object]:
    """What the program above has found in a process of its own, which then ends in order."""
    command = [sys.executable, "-W", "ignore::ResourceWarning", "-c", PROGRAM]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def with_it() -> dict[str, object]:
    return said()


@pytest.fixture(scope="module")
def without_it() -> dict[str, object]:
    return said(ISAPY_IMMORTAL="off")


def test_a_fork_that_refers_to_everything_has_few_pages_of_its_own(
    with_it: dict[str, object], without_it: dict[str, object]
) -> None:
    """On Python 3.12 and 3.13; elsewhere nothing is written to what Python has made, and all is as it was."""
    share = int(str(with_it["private"])) / int(str(without_it["private"]))
    assert share < 0.5 if KNOWS_IMMORTALS else share > 0.9
    assert with_it["counts"] == ([0] * 3 if KNOWS_IMMORTALS else [1000] * 3)


def test_everything_that_was_there_is_told_and_nothing_twice(with_it: dict[str, object]) -> None:
    """The second call finds what the first one has made: the pointer that it looks through."""
    assert int(str(with_it["count"])) > 20_000 if KNOWS_IMMORTALS else with_it["count"] == 0
    assert int(str(with_it["second"])) < 100


def test_what_comes_later_and_what_has_to_end_is_counted(with_it: dict[str, object]) -> None:
    """A file and a socket that nobody refers to are closed, a generator's `finally` runs, an object goes."""
    assert with_it["open"] == []
    assert with_it["ended"] == ["generator"]
    assert with_it["is_young_gone"] is True


def test_the_switch_leaves_everything_counted(without_it: dict[str, object]) -> None:
    """ISAPY_IMMORTAL=off, for who suspects it of something."""
    assert without_it["count"] == 0
    assert without_it["counts"] == [1000] * 3
