"""A contestant is started, answers, and is gone afterwards with every process below it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.memory import PeakMemory, memory_by_role
from bench.processor_time import read, tree_of, wait_until_quiet
from bench.server import NotReady, Plan, Server
from bench.site import MeasuredSite
from tests.bench.tiny_contestant import role_of, tiny_contestant


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The tiny server, ready."""
    server = Server(tiny_contestant(), tmp_path / "tiny", MeasuredSite(tmp_path))
    try:
        server.start("/")
        yield server
    finally:
        server.stop()


@pytest.mark.slow
def test_a_started_server_answers_and_its_files_are_written(server: Server) -> None:
    """Status and body come from its own port."""
    assert server.get("/") == (200, b"tiny" * 16)
    assert (server.place.folder / "note.txt").read_text() == "hello"


@pytest.mark.slow
def test_stop_ends_the_child_that_ignores_being_asked(tmp_path: Path) -> None:
    """Every process of the tree, not only the one that was started."""
    server = Server(tiny_contestant("stubborn"), tmp_path / "tiny", MeasuredSite(tmp_path))
    server.start("/")
    pids = [*server.roots, int((tmp_path / "tiny" / "child.pid").read_text())]
    assert all(psutil.pid_exists(pid) for pid in pids)
    server.stop(patience=0.2)
    assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
    assert server.roots == []


@pytest.mark.slow
def test_a_bench_that_is_terminated_leaves_no_server_behind(tmp_path: Path) -> None:
    """`timeout 60 python -m bench` ends what it has started, as Ctrl-C does."""
    words = ["--contestants", "nginx", "--scenarios", "static", "--seconds", "60", "--patience", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "bench", *words], env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL
    ) as bench:
        below: list[psutil.Process] = []
        for _ in range(3000):
            below = psutil.Process(bench.pid).children(recursive=True)
            with contextlib.suppress(psutil.NoSuchProcess):  # what it asks before it starts a server ends soon
                if any("nginx" in each.name() for each in below):
                    break
            with contextlib.suppress(subprocess.TimeoutExpired):
                bench.wait(0.01)
        bench.terminate()
        assert bench.wait(30) == 130
    assert below
    assert psutil.wait_procs(below, timeout=10)[1] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_server_that_refuses_is_not_ready_and_says_why(tmp_path: Path) -> None:
    """The last status is in the message."""
    server = Server(tiny_contestant("never-ready"), tmp_path / "tiny", MeasuredSite(tmp_path))
    try:
        with pytest.raises(NotReady, match="answers 503"):
            server.start("/", patience=0.5)
    finally:
        server.stop()


def test_a_server_that_ends_at_once_shows_its_output(tmp_path: Path) -> None:
    """What it said is what the user needs."""
    contestant = tiny_contestant()
    failing = type(contestant)(
        name="failing",
        paths={},
        plan=lambda place: Plan(commands=(("/bin/sh", "-c", "echo no such thing >&2; exit 3"),)),
        role_of=role_of,
    )
    server = Server(failing, tmp_path / "failing", MeasuredSite(tmp_path))
    try:
        with pytest.raises(NotReady, match=r"ended with 3(.|\n)*no such thing"):
            server.start("/")
    finally:
        server.stop()


@pytest.mark.slow
def test_memory_is_told_by_role(server: Server) -> None:
    """One master, one worker, each with memory of its own and a share of what both use."""
    found = {entry.role: entry for entry in memory_by_role(server.roots, role_of)}
    assert {role: entry.count for role, entry in found.items()} == {"master": 1, "worker": 1}
    assert all(0 < entry.uss <= entry.pss for entry in found.values())


@pytest.mark.slow
def test_peak_memory_is_never_below_what_it_was_before(server: Server) -> None:
    """Roles are the same before and after."""
    with PeakMemory(server.roots, role_of) as peak:
        server.get("/")
    assert set(peak.before) == {"master", "worker"}
    assert all(peak.peak[role] >= size for role, size in peak.before.items())


@pytest.mark.slow
def test_processor_time_of_the_tree_grows_with_its_work(server: Server) -> None:
    """The child's time is in the tree's, and the server is charged with no less than that."""
    before = read(server.roots)
    while read(server.roots).since(before).tree == 0.0:
        server.get("/")
    spent = read(server.roots).since(before)
    assert 0.0 < spent.tree <= spent.server
    assert spent.generator > 0.0


def test_a_tree_is_the_roots_and_everything_below() -> None:
    """Neighbours and roots that have ended are not in it."""
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1}
    assert tree_of([10, 99], parents) == {10, 11, 12}


@pytest.mark.slow
def test_waiting_for_a_quiet_machine_ends_either_way() -> None:
    """No machine uses more than all of its processors, and none less than nothing."""
    assert wait_until_quiet(1000.0, 5.0)
    assert not wait_until_quiet(-1.0, 0.0)
