"""Programs that the configuration names for an occasion: real ones, started by the service's launcher."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from host.activation.actions import MOST_AT_ONCE, Occasion, run_action
from host.activation.children import Surroundings
from host.config.model import Pool
from host.processes.launcher import Launcher
from host.processes.orphans import reap_orphans
from tests.running_service import ROOT, WAIT_SECONDS

Told = tuple[str, str, Mapping[str, str]]
POOL = Pool(name="A")
TREE = "-c 'setsid sleep 300 & free=$!; sleep 300 & echo $$ $free $! > {gate}; wait'"
"""For /bin/sh: waits for ever with two children, of which one has a session of its own; the pipe says who they are."""
STARTER = """\
import asyncio
import shlex
import sys
from host.processes.launcher import Launcher

async def start():
    launcher = Launcher(asyncio.get_running_loop())
    launcher.run_program(["/bin/sh", *shlex.split(sys.argv[1])], print)
    await asyncio.Event().wait()

asyncio.run(start())
"""
SHOW = "import os, sys; print(sys.argv[1:], sorted(os.environ), os.getsid(0) == os.getpid())"


class Bench:
    """A launcher of its own, and the events in their order."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        loop = asyncio.get_running_loop()
        self.launcher = Launcher(loop)
        self.told: asyncio.Queue[Told] = asyncio.Queue()
        self.around = Surroundings(loop, self.launcher, lambda *event: self.told.put_nowait(event))

    def run(self, executable: str, parameters: str) -> None:
        """Run it for an occasion."""
        fields = {"worker": "A#1"}
        run_action(
            self.around, self._pool, Occasion("orphanActionExe for A#1", executable, parameters, "41 42", fields)
        )
        reap_orphans(self.launcher.is_ours)  # the service looks for other people's children once a second


def tree_of(gate: Path) -> list[psutil.Process]:
    """The processes of TREE, as soon as they run."""
    return [psutil.Process(int(pid)) for pid in gate.read_text().split()]


def play(scenario: Callable[[Bench], Awaitable[None]], pool: Pool = POOL) -> None:
    """Run the scenario, and leave no program behind."""

    async def all_of_it() -> None:
        bench = Bench(pool)
        try:
            await asyncio.wait_for(scenario(bench), WAIT_SECONDS)
        finally:
            await bench.launcher.end_programs("the test ends")

    asyncio.run(all_of_it())


def run(executable: str, parameters: str) -> Told:
    """Run it to its end; gives the event."""
    told: list[Told] = []

    async def scenario(bench: Bench) -> None:
        bench.run(executable, parameters)
        told.append(await bench.told.get())
        assert bench.around.actions == {"A": {}}

    play(scenario)
    return told[0]


def test_words_are_split_as_a_shell_splits_them_and_no_shell_sees_them(tmp_path: Path) -> None:
    """The placeholder is filled in after the split; the environment holds PATH alone; the output is told."""
    script = tmp_path / "a script.py"
    script.write_text(SHOW)
    event_id, text, fields = run(sys.executable, f"'{script}' %1% \"$(id) x\" pid=%1%;")
    assert event_id == "action-ended"
    assert text == f"orphanActionExe for A#1: {Path(sys.executable).name} ended with exit code 0"
    shown = fields["output"].replace("'LC_CTYPE', ", "")  # Python itself sets it
    assert shown == "['41 42', '$(id) x', 'pid=41 42;'] ['PATH'] True"
    assert fields["worker"] == "A#1"


@pytest.mark.parametrize(
    ("executable", "parameters", "text"),
    [
        ("/no/such/program", "", "could not be started: No such file or directory"),
        ("/etc/passwd", "", "could not be started: Permission denied"),
        (sys.executable, "'unfinished", "could not be started: No closing quotation"),
        (sys.executable, "-c 'import sys; sys.exit(\"of no use\")'", "ended with exit code 1"),
        (sys.executable, "-c 'import os; os.kill(os.getpid(), 9)'", "ended with signal 9 (SIGKILL)"),
    ],
)
def test_what_goes_wrong_is_an_event(executable: str, parameters: str, text: str) -> None:
    """A program that is missing, cannot be run, is badly written, fails or is killed."""
    event_id, told, _ = run(executable, parameters)
    assert event_id == "action-failed"
    assert text in told


def test_a_program_that_takes_too_long_is_ended() -> None:
    """failure/@actionTimeLimit, named in the event."""

    async def scenario(bench: Bench) -> None:
        bench.run("/bin/sh", "-c 'exec sleep 300'")
        event_id, text, _ = await bench.told.get()
        assert event_id == "action-failed"
        assert text == "orphanActionExe for A#1: sh ended with signal 9 (SIGKILL): failure/@actionTimeLimit is 1 s"

    play(scenario, replace(POOL, action_time_limit_seconds=1))


def test_what_a_program_has_left_behind_belongs_to_it(tmp_path: Path) -> None:
    """Its end is told when nothing of it is left: nothing gathers outside the limits."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    async def scenario(bench: Bench) -> None:
        bench.run("/bin/sh", f"-c 'cat {gate} & exit 3'")
        descriptor = await asyncio.to_thread(os.open, gate, os.O_WRONLY)
        assert bench.told.empty()
        os.close(descriptor)
        event_id, text, _ = await bench.told.get()
        assert (event_id, text) == ("action-failed", "orphanActionExe for A#1: sh ended with exit code 3")

    play(scenario)


def test_what_is_left_behind_is_ended_with_it(tmp_path: Path) -> None:
    """The event has the program's own exit code, and why the rest was killed."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    async def scenario(bench: Bench) -> None:
        bench.run("/bin/sh", f"-c 'sleep 300 & echo $! > {gate}; exit 0'")
        (left,) = await asyncio.to_thread(tree_of, gate)
        (pid,) = bench.around.actions["A"]
        await asyncio.to_thread(psutil.wait_procs, [each for each in psutil.Process(pid).children() if each != left])
        bench.around.actions["A"][pid].end("it is in the way")
        event_id, text, _ = await bench.told.get()
        assert event_id == "action-failed"
        assert text.endswith("sh ended with exit code 0, what it had started was ended: it is in the way")
        assert not left.is_running()

    play(scenario)


def test_no_more_than_so_many_run_for_a_pool_at_once() -> None:
    """The next one is not run, which is an event; when one has ended there is room again."""

    async def scenario(bench: Bench) -> None:
        for _ in range(MOST_AT_ONCE):
            bench.run("/bin/sh", "-c 'exec sleep 300'")
        assert bench.told.empty()
        bench.run("/bin/sh", "-c 'exit 0'")
        event_id, text, _ = await bench.told.get()
        pids = list(bench.around.actions["A"])
        assert event_id == "action-failed"
        assert f"sh is not run: {MOST_AT_ONCE} programs of pool A run still, processes {pids[0]}, " in text
        bench.around.actions["A"][pids[0]].end("it is in the way")
        assert "it is in the way" in (await bench.told.get())[1]
        bench.run("/bin/sh", "-c 'exit 0'")
        assert (await bench.told.get())[0] == "action-ended"

    play(scenario)


def test_programs_end_with_the_service_and_say_so(tmp_path: Path) -> None:
    """In order: the event comes before the service has gone. What has a session of its own does not get away."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    async def scenario(bench: Bench) -> None:
        bench.run("/bin/sh", TREE.format(gate=gate))
        processes = await asyncio.to_thread(tree_of, gate)
        await bench.launcher.end_programs("the service ends")
        assert bench.told.get_nowait()[1].endswith("ended with signal 9 (SIGKILL): the service ends")
        assert not any(process.is_running() for process in processes)

    play(scenario)


def test_a_program_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """The service may be killed: what it has started for an occasion does not outlive it, nor what that has started."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    tree = TREE.format(gate=gate)
    with subprocess.Popen([sys.executable, "-c", STARTER, tree], stdout=subprocess.PIPE, cwd=ROOT) as starter:
        processes = tree_of(gate)
        starter.kill()
    gone, _ = psutil.wait_procs(processes, WAIT_SECONDS)
    assert len(gone) == len(processes)
