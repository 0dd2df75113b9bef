"""Time slices of threads, as the kernel has them (Linux 6.12; before, all of it is without effect)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import pytest

from host.processes.time_slice import (
    LONGEST_NANOSECONDS,
    let_others_go_first,
    set_time_slice,
    time_slice,
)

ROOT = Path(__file__).resolve().parents[2]
has_slices = pytest.mark.skipif(time_slice() == 0, reason="threads have no time slices of their own (Linux 6.12)")


Result = TypeVar("Result")


def in_a_thread(look: Callable[[], Result]) -> Result:
    """What it gives in a thread of its own, whose scheduling ends with it."""
    future: Future[Result] = Future()
    thread = threading.Thread(target=lambda: future.set_result(look()))
    thread.start()
    thread.join()
    return future.result(timeout=0)


@has_slices
def test_a_thread_has_the_time_slice_that_it_is_given() -> None:
    """And keeps policy and nice value, also those that are not the everyday ones."""

    def look() -> tuple[int, int, int]:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), base + 2)
        set_time_slice(3_000_000)
        return time_slice(), os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    base = os.getpriority(os.PRIO_PROCESS, 0)
    assert in_a_thread(look) == (3_000_000, os.SCHED_BATCH, base + 2)


@has_slices
def test_a_process_that_lets_others_go_first_does_so_with_all_its_threads() -> None:
    """Those that are there, and those that come."""
    script = """
import json, os, threading
from host.processes.time_slice import let_others_go_first, time_slice
end = threading.Event()
threading.Thread(target=end.wait).start()
let_others_go_first()
threading.Thread(target=end.wait).start()
print(json.dumps([time_slice(int(name)) for name in os.listdir("/proc/self/task")]))
end.set()
"""
    slices: Any = json.loads(subprocess.check_output([sys.executable, "-c", script], cwd=ROOT))
    assert slices == [LONGEST_NANOSECONDS] * 3


def test_what_has_no_time_slice_is_left_alone() -> None:
    """A thread that only runs when nobody else wants to; one that is not there."""

    def look() -> tuple[int, int]:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        set_time_slice(LONGEST_NANOSECONDS)
        return time_slice(), os.sched_getscheduler(0)

    assert in_a_thread(look) == (0, os.SCHED_IDLE)
    with subprocess.Popen(["/bin/true"]) as ended:
        gone = ended.pid
    set_time_slice(LONGEST_NANOSECONDS, gone)
    assert time_slice(gone) == 0


def test_a_machine_whose_calls_are_not_known_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another processor, or a Python of 32 bits."""
    monkeypatch.setattr("host.processes.time_slice._GET", 0)
    assert time_slice() == 0
    set_time_slice(LONGEST_NANOSECONDS)
    let_others_go_first()
