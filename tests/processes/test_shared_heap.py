"""Pages of the heap that say what they said before the fork are shared again, and no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.running_service import running, wait_until
from tests.sample_site import write_site

BEGIN = """
import array, ctypes, gc, json, os, random, sys, threading
from host.processes.shared_heap import give_back, lay_down

class Kept:
    def __init__(self, number):
        self.number, self.name = number, f"name {number}"

def private():
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Private_Dirty"))

def is_whole(numbers):
    return all(one.number == number and one.name == f"name {place}"
               for place, (one, number) in enumerate(zip(kept, numbers)))

kept = [Kept(number) for number in range(20_000)]
gc.collect()
gc.freeze()
laid, again = lay_down(), lay_down()

def fork_and_tell(live):
    reader, writer = os.pipe()
    if not os.fork():
        os.write(writer, json.dumps(live()).encode())
        os._exit(0)
    os.close(writer)
    told, status = os.read(reader, 4096), os.wait()[1]
    return json.loads(told) if status == 0 else {"status": status}
"""
TOUCHING = """
def touch():
    for one in kept:
        one.name.find("x", one.number)
    touched = private()
    given = give_back()
    return {"given": given, "saved": (touched - private()) * 1024, "is_whole": is_whole(range(len(kept)))}

print(json.dumps({"laid": laid, "again": again, "parent": give_back()} | fork_and_tell(touch)))
"""
CHANGING = """
def change():
    chance, numbers = random.Random(1), array.array("q", range(len(kept)))
    def once():
        place, number = chance.randrange(len(kept)), chance.randrange(10**6)
        kept[place].number = numbers[place] = number
    def in_a_thread():
        while not is_over:
            once()
    is_over = []
    thread = threading.Thread(target=in_a_thread)
    sys.setswitchinterval(0.0001)
    thread.start()
    given = [give_back(1) for _ in range(300) if once() is None]  # it writes with the interpreter's lock
    beside = give_back()
    is_over.append(True)
    thread.join()
    return {"is_whole": is_whole(numbers), "given": sum(given), "beside": beside}

print(json.dumps(fork_and_tell(change)))
"""
FREEING = """
def free():
    before = mapped()
    kept.clear()
    gc.collect()
    arenas = before - mapped()
    given = give_back()
    kept.extend(Kept(number) for number in range(30_000))
    give_back()
    return {"arenas": arenas, "given": given, "is_whole": is_whole(range(30_000))}

def mapped():
    with open("/proc/self/statm") as sizes:
        return int(sizes.read().split()[0])

print(json.dumps(fork_and_tell(free)))
"""
CONFINED = """
def touch():
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE, as after a change of identity
    if not os.getuid():
        os.setuid(65534)
    for one in kept:
        one.name.find("x", one.number)
    touched = private_of_all()
    given = give_back()
    return {"is_readable": os.access("/proc/self/pagemap", os.R_OK), "given": given,
            "saved": touched - private_of_all(), "is_whole": is_whole(range(len(kept)))}

def private_of_all():
    with open("/proc/self/status") as status:  # smaps_rollup cannot be read either
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))

print(json.dumps(fork_and_tell(touch)))
"""
_MEGABYTE = 1 << 20


def said(program: str, **environment: str) -> dict[str, int]:
    """What the program has found in a process of its own and in its fork."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_what_says_the_same_as_before_the_fork_is_shared_again() -> None:
    """Megabytes of objects whose references were counted up and down. The parent, who has changed little since, too."""
    found = said(TOUCHING)
    assert found["laid"] > 3 * _MEGABYTE, "run `make compile`, as `make test` does"
    assert found["again"] == 0, "the heap is in a file already"
    assert found["given"] > _MEGABYTE
    assert found["saved"] > _MEGABYTE
    assert found["is_whole"] is True


def test_what_was_changed_stays_changed() -> None:
    """Also by another thread, whatever is given back in between; beside one that is not known to rest nothing is, as it
    may wait in C for the kernel to write."""
    found = said(CHANGING)
    assert found["given"] > 0
    assert found["beside"] == 0
    assert found["is_whole"] is True


def test_what_was_freed_is_nobodys() -> None:
    """Whole arenas go back to the kernel, and others come to where they were."""
    found = said(FREEING)
    assert found["arenas"] > 256
    assert found["is_whole"] is True


def test_without_the_list_of_its_own_pages_a_process_compares_all() -> None:
    """A pool with an identity of its own: the list is root's then (/proc/PID/pagemap)."""
    found = said(CONFINED)
    assert found["is_readable"] is False
    assert found["given"] > _MEGABYTE
    assert found["saved"] > _MEGABYTE
    assert found["is_whole"] is True


@pytest.mark.parametrize("environment", [{"ISAPY_SHARED_HEAP": "off"}, {"ISAPY_COMPILED": "off"}])
def test_without_it_the_heap_stays_where_python_has_put_it(environment: dict[str, str]) -> None:
    """Switched off by an operator who suspects it of something, or never compiled."""
    found = said(TOUCHING, **environment)
    assert (found["laid"], found["given"], found["is_whole"]) == (0, 0, True)


@pytest.mark.slow
def test_workers_share_the_nurserys_heap(tmp_path: Path) -> None:
    """So do the parents of their pools; a worker that has served gives back what it has only touched."""
    with running(tmp_path, write_site(tmp_path)) as service:
        assert service.get("/shop/x.where").status == 200
        worker = json.loads(service.get("/shop/x.where").body)["pid"]
        own = [heap_of_its_own(worker)]
        titles = ("nursery", "pool Shop")
        for pid in (worker, *(service.pid_of(title) for title in titles)):
            mappings = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
            permissions = {words[1] for words in mappings if words[5:6] == ["/memfd:isapy-heap"]}
            assert permissions == {"rw-p", "r--p"}, "run `make compile`, as `make test` does"
        assert "isapy-heap" not in Path(f"/proc/{service.process.pid}/maps").read_text()

        def has_given_back() -> bool:
            own.append(heap_of_its_own(worker))
            return own[-1] < _LEFT * max(own)

        wait_until(has_given_back, service.logs, "a worker that gives memory back")


# From 3.12 on nobody counts references to what was there before the fork (054): little was only touched.
_LEFT: Final = 0.8 if sys.version_info < (3, 12) else 0.97


def heap_of_its_own(pid: int) -> int:
    """KB of the laid down heap that the process has copied."""
    own, is_heap = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if "-" in line.partition(" ")[0]:
            is_heap = "/memfd:isapy-heap" in line
        elif is_heap and line.startswith("Private_Dirty:"):
            own += int(line.split()[1])
    return own
