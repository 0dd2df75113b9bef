"""Processor time read from /proc: texts of the kernel, and this machine."""

from __future__ import annotations

import os
import subprocess
import sys

from host.activation.processor_time import (
    MachineTime,
    ProcessTime,
    below,
    parse_machine,
    parse_stat,
    read_machine,
    read_times,
    time_of,
)

TICKS = os.sysconf("SC_CLK_TCK")
BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint('burnt', flush=True)\nimport sys; sys.stdin.read()"


def test_a_line_of_the_kernel_is_read_whatever_the_process_calls_itself() -> None:
    """Names hold spaces and parentheses."""
    text = f"42 (a) b (c) S 7 42 42 0 -1 4194304 1 2 3 4 {5 * TICKS} {1 * TICKS} {2 * TICKS} {3 * TICKS} 20 0 1 0 99\n"
    assert parse_stat(text) == ProcessTime(7, 6.0, 5.0)


def test_everything_below_a_process_counts_and_what_has_ended_stays_counted() -> None:
    """A worker that was reaped has left its time to its parent."""
    times = {
        1: ProcessTime(0, 9.0, 9.0),
        10: ProcessTime(1, 1.0, 4.0),
        11: ProcessTime(10, 2.0, 0.5),
        12: ProcessTime(11, 0.25, 0.0),
        20: ProcessTime(1, 7.0, 0.0),
    }
    assert below([10], times) == {10, 11, 12}
    assert time_of(below([10], times), times) == 7.75
    assert below([99], times) == set()


def test_the_machines_own_line() -> None:
    """Waiting for a disk is idle, stolen time is not."""
    text = f"cpu  {TICKS} 0 {2 * TICKS} {3 * TICKS} {1 * TICKS} 0 0 {5 * TICKS} 0 0\ncpu0 1 1\n"
    assert parse_machine(text) == MachineTime(8.0, 4.0)


def test_this_machine_and_a_process_that_burns() -> None:
    """Real numbers: a child that has used 0.3 s is seen with them below this process, and later in what is reaped."""
    before = read_machine()
    with subprocess.Popen(
        [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "burnt\n"
        times = read_times()
        assert child.pid in below([os.getpid()], times)
        assert times[child.pid].own >= 0.25
        alive = time_of(below([os.getpid()], times), times)
        child.communicate("")
    times = read_times()
    assert time_of(below([os.getpid()], times), times) >= alive - 1.5 / TICKS
    assert read_machine().busy >= before.busy
