"""Finding and ending everything a program has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host.spawner.process_tree import (
    GIVE_UP_SECONDS,
    ProcessFacts,
    ProcessTable,
    TreeKill,
    advance_kills,
    marked_tree,
    read_processes,
)
from host.wire.spawn_messages import GRACE_SECONDS

CHECKOUT = Path(__file__).resolve().parents[2]


def facts(pid: int, parent: int, *, session: int = 0, group: int = 0, is_zombie: bool = False) -> ProcessFacts:
    return ProcessFacts(pid, parent, group, session, is_zombie)


def table(*entries: ProcessFacts) -> dict[int, ProcessFacts]:
    return {entry.pid: entry for entry in entries}


HERE = os.getpid()
# numbers above the kernel's largest: no process has them, so nothing is ever found in /proc or signalled
A, B, C, D, E = (5_000_000 + number for number in range(5))


def test_this_process_is_in_the_table_with_its_parent() -> None:
    """Read from /proc, whatever the process is called."""
    mine = read_processes()[HERE]
    assert (mine.parent, mine.group, mine.session, mine.is_zombie) == (
        os.getppid(),
        os.getpgid(0),
        os.getsid(0),
        False,
    )


def test_process_with_spaces_and_parentheses_in_its_name_is_read(tmp_path: Path) -> None:
    """The name stands in parentheses and may hold any character."""
    program = tmp_path / "a) R 1 1"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "1000"]) as process:
        try:
            assert read_processes()[process.pid].parent == HERE
        finally:
            process.kill()


def test_descendants_of_every_depth() -> None:
    """Children of children, and nobody else."""
    processes = table(facts(A, 1), facts(B, A), facts(C, B), facts(D, 1))
    assert ProcessTable(processes).descendants([A]) == {A, B, C}


def test_tree_is_leader_descendants_and_orphans_of_its_session_or_group() -> None:
    """Orphans come back to this process; other programs and their children are none of it."""
    processes = table(
        facts(A, HERE, session=A, group=A),
        facts(B, A, session=B),
        facts(C, HERE, session=A),
        facts(D, C),
        facts(E, HERE, session=E),
    )
    assert ProcessTable(processes, [E]).living_tree(A, "r", is_leader_ended=False) == {A, B, C, D}


def test_number_of_a_reaped_leader_may_be_somebody_else() -> None:
    """Only its orphans count then; zombies are dead already."""
    processes = table(facts(A, HERE, session=A), facts(B, HERE, session=A), facts(C, HERE, group=A, is_zombie=True))
    assert ProcessTable(processes).living_tree(A, "r", is_leader_ended=True) == {B}


def test_orphan_with_a_new_session_is_known_by_its_mark() -> None:
    """UNIQUE_ID in the environment it was started with, compared as a whole."""
    environment = {"UNIQUE_ID": "request-12"}
    pipe = subprocess.PIPE
    with subprocess.Popen(["/bin/cat"], stdin=pipe, stdout=pipe, env=environment, start_new_session=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(b"up\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"up\n"  # exec is over: before, there is no environment to be read
            seen = ProcessTable(read_processes())
            assert seen.living_tree(A, "request-12", is_leader_ended=True) == {process.pid}
            assert seen.living_tree(A, "request-1", is_leader_ended=True) == set()
        finally:
            process.kill()


def test_terminated_first_killed_after_the_grace() -> None:
    """SIGTERM once; a deaf process meets SIGKILL when the grace is over, not before."""
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
    code += "while True: signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        tree = TreeKill(process.pid, "r", 100.0)
        assert advance_kills([tree], 100.0) == [tree]
        assert advance_kills([tree], 100.0 + GRACE_SECONDS - 0.1) == [tree]
        assert process.poll() is None
        advance_kills([tree], 100.0 + GRACE_SECONDS)
        assert process.wait(60) == -signal.SIGKILL
        assert advance_kills([tree], 100.0 + GRACE_SECONDS) == []


def test_well_behaved_tree_is_gone_after_sigterm() -> None:
    """Nothing left: done, without SIGKILL."""
    with subprocess.Popen(["/bin/sleep", "1000"]) as process:
        tree = TreeKill(process.pid, "r", 0.0)
        assert advance_kills([tree], 0.0) == [tree]
        assert process.wait(60) == -signal.SIGTERM
        assert advance_kills([tree], 0.1) == []


def test_what_somebody_else_has_left_behind_is_found_by_its_mark() -> None:
    """There is no leader whose process id would have to be known."""
    tree = marked_tree("request-13", 0.0)
    pipe = subprocess.PIPE
    mark = {"UNIQUE_ID": "request-13"}
    with subprocess.Popen(["/bin/cat"], stdin=pipe, stdout=pipe, env=mark, start_new_session=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"up\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"up\n"  # exec is over: before, there is no environment to be read
        assert advance_kills([tree], 0.0) == [tree]
        assert process.wait(60) == -signal.SIGTERM
    assert advance_kills([tree], 0.1) == []


def test_what_cannot_be_killed_is_given_up() -> None:
    """A process that hangs in the kernel does not keep the spawner alive for ever."""
    stuck = table(facts(A, HERE))
    tree = TreeKill(A, "r", 0.0)
    assert advance_kills([tree], 0.0, look=lambda: stuck) == [tree]
    assert advance_kills([tree], GRACE_SECONDS - 0.1, look=lambda: stuck) == [tree]
    assert advance_kills([tree], GRACE_SECONDS + GIVE_UP_SECONDS, look=lambda: stuck) == []


def test_hundreds_of_trees_are_ended_by_a_few_looks() -> None:
    """One look for all that are told to end, and one more for those that were killed for good: not one for each."""
    looks = 0

    def look() -> dict[int, ProcessFacts]:
        nonlocal looks
        looks += 1
        return {} if looks > 2 else table(*(facts(A + number, HERE) for number in range(500)))

    trees = [TreeKill(A + number, f"r{number}", 0.0) for number in range(500)]
    assert advance_kills(trees, 0.0, look=look) == trees
    assert looks == 1
    assert advance_kills(trees, GRACE_SECONDS, look=look) == []
    assert looks == 3


@pytest.mark.slow
def test_everything_below_a_process_can_be_ended() -> None:
    """`kill_everything_below` in a subreaper leaves no descendant, not even one that left session and group."""
    code = """import subprocess
from host.processes.spawn import become_subreaper
from host.spawner.process_tree import ProcessTable, kill_everything_below, read_processes
import os
become_subreaper()
shell = subprocess.Popen(["/bin/sh", "-c", "(setsid sh -c 'trap \\"\\" TERM; echo up; sleep 1000' &); sleep 1000"],
                         stdout=subprocess.PIPE)
shell.stdout.readline()
kill_everything_below()
print(len(ProcessTable(read_processes()).descendants([os.getpid()])))
os._exit(0)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"1\n"


def test_time_is_handed_in() -> None:
    """A tree started with a clock far away behaves the same: the module does not look at the time by itself."""
    tree = TreeKill(A, "r", time.monotonic() + 1e6)
    assert advance_kills([tree], 0.0, look=dict) == []
