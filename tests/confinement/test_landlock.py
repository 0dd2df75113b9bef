"""The kernel's own answers inside a sandbox. On a kernel without Landlock the same tests demand the refusal."""

from __future__ import annotations

import os
from pathlib import Path

from host.confinement.landlock import landlock_abi
from host.confinement.machine import this_machine
from tests.confinement.child import run_child

TRY = """
import signal, subprocess
from host.config.confinement import SandboxRule
from host.confinement.errors import ConfinementError
from host.confinement.landlock import restrict_files
from host.confinement.privileges import forbid_new_privileges
from host.confinement.rules import SYSTEM_PROGRAMS, python_folders
folder = sys.argv[1]
system = [SandboxRule(path=path, access=("Read", "Execute")) for path in (*SYSTEM_PROGRAMS, *python_folders())]
rules = [
    SandboxRule(path=folder + "/read"),
    SandboxRule(path=folder + "/write", access=("Read", "Write")),
    SandboxRule(path=folder + "/run", access=("Read", "Execute")),
    SandboxRule(path=folder + "/single.txt"),
    SandboxRule(path=folder + "/missing"),
    SandboxRule(path="/dev/null", access=("Read", "Write")),
]
def attempt(what):
    try:
        what()
        return "done"
    except OSError as error:
        return error.strerror
forbid_new_privileges()
parent = os.getppid()
try:
    restrict_files([*system, *rules])
except ConfinementError as error:
    result = {"refused": str(error)}
else:
    result = {
        "read": attempt(lambda: open(folder + "/read/deep/a").read()),
        "list": attempt(lambda: os.listdir(folder + "/read")),
        "single": attempt(lambda: open(folder + "/single.txt").read()),
        "outside": attempt(lambda: open(folder + "/secret.txt").read()),
        "above": attempt(lambda: os.listdir(folder)),
        "through a link": attempt(lambda: open(folder + "/read/link").read()),
        "write where only read": attempt(lambda: open(folder + "/read/new", "w")),
        "truncate where only read": attempt(lambda: os.truncate(folder + "/read/deep/a", 0)),
        "write": attempt(lambda: open(folder + "/write/new", "w").close()),
        "rename": attempt(lambda: os.rename(folder + "/write/new", folder + "/write/sub/newer")),
        "make": attempt(lambda: os.mkdir(folder + "/write/made")),
        "remove": attempt(lambda: os.rmdir(folder + "/write/made")),
        "run": attempt(lambda: subprocess.run([folder + "/run/program"], check=True)),
        "run where only read": attempt(lambda: subprocess.run([folder + "/read/program"], check=True)),
        "program sees the same": subprocess.call(["/bin/cat", folder + "/secret.txt"], stderr=subprocess.DEVNULL),
        "signal out": attempt(lambda: os.kill(parent, 0)),
        "signal in": attempt(lambda: os.kill(os.getpid(), 0)),
    }
"""


def test_a_sandbox_allows_what_its_rules_name_and_nothing_else(tmp_path: Path) -> None:
    """Reading, writing and executing are three rights; links and programs do not get around them, root neither."""
    for name in ("read/deep", "write/sub", "run"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("read/deep/a", "single.txt", "secret.txt"):
        (tmp_path / name).write_text("content")
    (tmp_path / "read" / "link").symlink_to(tmp_path / "secret.txt")
    for name in ("run", "read"):
        program = tmp_path / name / "program"
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)
    found = run_child(TRY, str(tmp_path))
    abi = landlock_abi()
    if not abi:
        assert "no Landlock" in found["refused"]
        return
    allowed = {"read", "list", "single", "write", "make", "remove", "run", "signal in"}
    allowed |= {"rename"} if abi >= 2 else set()
    allowed |= {"truncate where only read"} if abi < 3 else set()
    allowed |= {"signal out"} if abi < 6 else set()
    refused = found.keys() - allowed - {"program sees the same"}
    assert {name: found[name] for name in allowed} == dict.fromkeys(allowed, "done")
    assert not [name for name in refused if found[name] == "done"]
    assert found["program sees the same"] == 1
    assert (tmp_path / "read" / "deep" / "a").read_text() == ("content" if abi >= 3 else "")


def test_the_facts_of_this_machine_are_the_kernels() -> None:
    """What `isapy check` tells."""
    machine = this_machine()
    assert machine.landlock_abi == landlock_abi() >= 0
    assert machine.processors == os.cpu_count()
    assert machine.maps(os.geteuid())
    assert machine.account.user == os.geteuid()
