"""Programs that the configuration names for an occasion: real ones, started by the service's launcher."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from host.activation.actions import run_action
from host.activation.children import Surroundings
from host.processes.launcher import Launcher
from host.processes.orphans import reap_orphans
from tests.running_service import ROOT, WAIT_SECONDS

Told = tuple[str, str, Mapping[str, str]]
STARTER = """\
import asyncio
import psutil
from host.processes.launcher import Launcher

async def start():
    Launcher(asyncio.get_running_loop()).run_program(["/bin/sh", "-c", "exec sleep 300"], print)
    print(psutil.Process().children()[0].pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(start())
"""
SHOW = "import os, sys; print(sys.argv[1:], sorted(os.environ), os.getsid(0) == os.getpid())"


async def run(executable: str, parameters: str) -> Told:
    """Run it to its end; gives the event."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[Told] = loop.create_future()
    launcher = Launcher(loop)
    around = Surroundings(loop, launcher, lambda *event: told.set_result(event))
    run_action(around, executable, parameters, "41 42", "orphanActionExe for A#1", {"worker": "A#1"})
    reap_orphans(launcher.is_ours)  # the service looks for other people's children once a second
    return await asyncio.wait_for(told, WAIT_SECONDS)


def test_words_are_split_as_a_shell_splits_them_and_no_shell_sees_them(tmp_path: Path) -> None:
    """The placeholder is filled in after the split; the environment holds PATH alone; the output is told."""
    script = tmp_path / "a script.py"
    script.write_text(SHOW)
    event_id, text, fields = asyncio.run(run(sys.executable, f"'{script}' %1% \"$(id) x\" pid=%1%;"))
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
    event_id, told, _ = asyncio.run(run(executable, parameters))
    assert event_id == "action-failed"
    assert text in told


def test_a_program_ends_with_the_process_that_started_it() -> None:
    """The service may be killed: what it has started for an occasion does not outlive it."""
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, cwd=ROOT) as starter:
        assert starter.stdout is not None
        program = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
    assert program.wait(WAIT_SECONDS) is None
