"""A warm interpreter that ends between a fork and its first step: the script runs all the same, and once."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

import pytest

from host.wire.spawn_messages import LaunchFailed, ProgramEnded, ProgramLaunched
from tests.spawner.client import Launched, SpawnerClient
from tests.spawner.warm_rig import PerlRig, WarmRig

ENDS = 6
SCRIPTS = {
    "python": "import os\nopen('ran', 'a').write('x')\nprint('all of it')\n",
    "perl": "open my $f, '>>', 'ran';\nprint $f 'x';\nprint \"all of it\\n\";\n",
}
SLEEPERS = {
    "python": "import time\nprint('here', flush=True)\ntime.sleep(1000)\n",
    "perl": '$| = 1;\nprint "here\\n";\nsleep 1000;\n',
}


@pytest.fixture(params=["python", "perl"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rig(language: str, tmp_path: Path, client: SpawnerClient) -> WarmRig:
    if language == "perl":
        return PerlRig(tmp_path, client, "/usr/bin/perl")
    return WarmRig(tmp_path, client, sys.executable)


def test_a_script_that_was_started_runs_when_its_server_ends_at_once(rig: WarmRig, language: str) -> None:
    """The server is killed as soon as it has said that it has forked: the fork may not have come to its first line."""
    script = rig.write(rig.script_name, SCRIPTS[language])
    for _ in range(ENDS):
        server = rig.server()
        launched = rig.launch(script, is_warm=True)
        os.kill(server, signal.SIGKILL)
        assert launched.read_all() == b"all of it\n"
        assert launched.read_errors() == b""
        assert launched.status() == 0
    assert (rig.folder / "ran").read_text() == "x" * ENDS


def test_a_script_that_a_dying_server_was_asked_for_runs_once(rig: WarmRig, language: str) -> None:
    """It is killed at any time while it takes the order: a fork that is there is waited for and taken over, whatever
    it has done by then, and without one the script is started cold."""
    script = rig.write(rig.script_name, SCRIPTS[language])
    for _ in range(ENDS):
        server = rig.server()
        os.kill(server, signal.SIGSTOP)
        launched = _ask(rig, script, "one-request")
        os.kill(server, signal.SIGCONT)
        os.kill(server, signal.SIGKILL)
        assert _settled(rig, launched).read_all() == b"all of it\n"
        assert launched.read_errors() == b""
        assert launched.status() == 0
    assert (rig.folder / "ran").read_text() == "x" * ENDS


def test_a_script_that_has_ended_before_its_server_could_speak_is_not_run_again(
    tmp_path: Path, client: SpawnerClient
) -> None:
    """An order, a payment: what has begun is never begun anew. The server dawdles behind each fork, and the script ends
    it meanwhile."""
    late = "import os, time\nos.register_at_fork(after_in_parent=lambda: time.sleep(0.3))\n"
    (tmp_path / "sitecustomize.py").write_text(late)
    rig = WarmRig(tmp_path, client, sys.executable)
    rig.environment = {b"PYTHONPATH": bytes(tmp_path)}
    kills = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n" + SCRIPTS["python"]
    script = rig.write("script.py", kills)
    server = rig.server()
    launched = rig.launch(script, is_warm=True)
    assert launched.read_all() == b"all of it\n"
    assert (launched.read_errors(), launched.status()) == (b"", 0)
    assert (tmp_path / "ran").read_text() == "x"
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


def test_a_program_of_the_same_request_is_not_taken_for_the_one_that_was_asked_for(rig: WarmRig, language: str) -> None:
    """A request that is given to another worker keeps its mark: what ran for the first one is on its way out."""
    sleeper = rig.write("sleeper", SLEEPERS[language])
    script = rig.write(rig.script_name, SCRIPTS[language])
    server = rig.server()
    first = _settled(rig, _ask(rig, sleeper, "one-request"))
    assert first.read_line() == b"here\n"
    os.kill(server, signal.SIGSTOP)
    second = _ask(rig, script, "one-request")
    os.kill(server, signal.SIGKILL)
    assert _settled(rig, second).pid != first.pid
    assert second.read_all() == b"all of it\n"
    assert second.status() == 0
    rig.client.kill(first.number)
    assert first.status() == -signal.SIGTERM
    assert first.read_all() == first.read_errors() == second.read_errors() == b""


def test_a_script_that_was_killed_before_it_began_is_told_of(rig: WarmRig, language: str) -> None:
    """Its server hangs: whoever waits for it hears so at once, and when the server goes on, or has ended, nothing is
    started."""
    script = rig.write(rig.script_name, SCRIPTS[language])
    server = rig.server()
    os.kill(server, signal.SIGSTOP)
    launched = _ask(rig, script, "one-request")
    rig.client.kill(launched.number)
    told = rig.client.hear(ProgramLaunched, ProgramEnded, LaunchFailed, number=launched.number)
    assert told == LaunchFailed(number=launched.number, errno=errno.ECANCELED, path=b"")
    os.kill(server, signal.SIGKILL)
    assert launched.read_all() == launched.read_errors() == b""
    assert not (rig.folder / "ran").exists()


def test_a_fork_that_is_killed_before_it_has_spoken_is_noticed_at_once(tmp_path: Path, client: SpawnerClient) -> None:
    """By its server, which knows whose it was: the script has not begun, and is started cold."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "def die():\n"
        "    if os.path.exists('die'):\n"
        "        os.unlink('die')\n"
        "        os.kill(os.getpid(), 9)\n"
        f"folder = {str(tmp_path)!r}\n"
        "os.register_at_fork(after_in_child=lambda: (os.chdir(folder), die()))\n"
    )
    rig = WarmRig(tmp_path, client, sys.executable)
    rig.environment = {b"PYTHONPATH": bytes(tmp_path)}
    script = rig.write("script.py", SCRIPTS["python"])
    server = rig.server()
    (tmp_path / "die").touch()
    launched = rig.launch(script, is_warm=True)
    assert (launched.read_all(), launched.read_errors(), launched.status()) == (b"all of it\n", b"", 0)
    assert isinstance(launched.answer, ProgramLaunched)
    assert not launched.answer.is_warm
    assert "ended before it began: signal 9" in rig.remarks[-1]
    assert (tmp_path / "ran").read_text() == "x"
    os.kill(server, 0)


def _ask(rig: WarmRig, script: Path, request_id: str) -> Launched:
    """Send a launch; the answer is awaited by `_settled`."""
    null = os.open(os.devnull, os.O_RDONLY)
    out, stdout = os.pipe()
    error, stderr = os.pipe()
    arguments = [bytes(script)]
    number = rig.client.send_launch(
        [*rig.command, *arguments],
        [null, stdout, stderr],
        directory=bytes(rig.folder),
        request_id=request_id,
        warm=rig.warm_start(arguments, [b"PATH"]),
    )
    for descriptor in (null, stdout, stderr):
        os.close(descriptor)
    return Launched(rig.client, number, ProgramLaunched(number=number, pid=0), out, error)


def _settled(rig: WarmRig, launched: Launched) -> Launched:
    launched.answer = rig.client.hear(ProgramLaunched, number=launched.number)
    return launched
