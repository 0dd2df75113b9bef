"""The helper that starts scripts as other users, asked by a worker that has been broken into.

It runs as whatever the test is: as root the scripts are nobody's, otherwise the test's own.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from host.config.confinement import EXECUTE, READ, ProgramLimits, SandboxRule
from host.confinement.landlock import landlock_abi
from host.confinement.privileges import may_change_identity
from host.processes.script_spawner import UserSpawner
from host.script_users.launch import ScriptUsers
from host.script_users.rules import FolderRule
from host.wire.spawn_messages import LaunchRefused, Limits, UseConfiguration, WarmStart, encode_spawn_message
from tests.confinement.everybody import open_folder
from tests.running_service import wait_until
from tests.sample_site import write_program
from tests.spawner.client import SpawnerClient
from tests.spawner.spawner_process import SpawnerProcess

IS_PRIVILEGED = may_change_identity()
OWNER = pwd.getpwnam("nobody") if IS_PRIVILEGED else pwd.getpwuid(os.geteuid())
SHOW = "#!/bin/sh\necho $(id -u) $(ulimit -n) $PWD $*\nenv | sort\n"


class Helper(SpawnerProcess):
    """The real one, forked from this process."""

    def __init__(self, users: ScriptUsers) -> None:
        self._spawner = UserSpawner("test", users, lambda: None)

    def connect(self) -> socket.socket:
        return self._spawner.connect("test")

    def close(self) -> None:
        self._spawner.close()
        assert os.waitpid(self._spawner.pid, 0)[1] == 0


@pytest.fixture
def root() -> Iterator[Path]:
    """A site with two scripts of the owner in its folder `own`."""
    with open_folder() as folder:
        for name in ("own/x.cgi", "own/deep/y.cgi"):
            write_program(folder / "www" / name, SHOW)
        give(folder / "www/own")
        yield folder / "www"


def give(path: Path) -> None:
    for one in (path, *path.rglob("*")):
        os.chown(one, OWNER.pw_uid, OWNER.pw_gid) if IS_PRIVILEGED else None


def rule(root: Path, **changes: object) -> FolderRule:
    made = FolderRule(
        root=str(root),
        path=str(root / "own"),
        run_as="FileOwner",
        processors=("/bin/sh",),
        limits=ProgramLimits(open_files=55),
        environment={b"OF_POOL": b"yes"},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@contextmanager
def asking(*rules: FolderRule, sandbox: list[SandboxRule] | None = None) -> Iterator[SpawnerClient]:
    client = SpawnerClient(Helper(ScriptUsers(rules, sandbox)))
    try:
        yield client
    finally:
        client.close()


def refusal(client: SpawnerClient, *argv: bytes, script: bytes) -> LaunchRefused:
    launched = client.launch(argv, script=script)
    launched.close()
    assert isinstance(launched.answer, LaunchRefused), launched.answer
    return launched.answer


def test_nothing_that_a_worker_says_changes_how_a_script_runs(root: Path) -> None:
    """Variables that load code, another folder, other limits, a warm interpreter: none of it arrives."""
    script = bytes(root / "own/x.cgi")
    with asking(rule(root)) as client:
        program = client.launch(
            [script, b"word"],
            environment={b"LD_PRELOAD": b"/evil.so", b"HTTP_HOST": b"good", b"OF_POOL": b"no", b"HOME": b"/root"},
            directory=b"/",
            limits=Limits(open_files=4000),
            warm=WarmStart(program=b"/bin/sh", command=[b"/bin/sh"], arguments=[script], lasting=[]),
            script=script,
        )
        first, *variables = program.read_all().decode().splitlines()
        assert program.status() == 0
        program.close()
    assert first == f"{OWNER.pw_uid} 55 {root}/own word"
    told = dict(line.split("=", 1) for line in variables)
    assert (told["HTTP_HOST"], told["OF_POOL"], told["HOME"]) == ("good", "yes", OWNER.pw_dir)
    assert "LD_PRELOAD" not in told


def test_its_temporary_folder_is_its_users(root: Path) -> None:
    """Made where its user can pass, closed to all others; gone with it, whoever it was made by."""
    script = root / "own/tmp.cgi"
    write_program(script, '#!/bin/sh\necho $TMPDIR; stat -c "%u %a" "$TMPDIR"; echo x > "$TMPDIR/x" && ls "$TMPDIR"\n')
    give(root / "own")
    raw_script = bytes(script)
    with asking(rule(root, has_private_temp=True)) as client:
        program = client.launch([raw_script], environment={b"TMPDIR": b"/evil"}, script=raw_script)
        folder, *told = program.read_all().decode().splitlines()
        assert program.status() == 0
        program.close()
        assert told == [f"{OWNER.pw_uid} 700", "x"]
    wait_until(lambda: not Path(folder).exists(), root, "the fork that takes the folder away, for which nobody waits")


def test_the_module_cgi_comes_from_a_folder_of_the_helpers(root: Path) -> None:
    """Where the worker says that it is needed: not from the worker's folder, but beside the pool's own."""
    script = bytes(root / "own/x.cgi")
    environment = {b"PYTHONPATH": b"/pools:/evil"}
    with asking(rule(root, environment={b"PYTHONPATH": b"/pools"})) as client:
        program = client.launch([script], environment=environment, script=script)
        told = dict(line.split("=", 1) for line in program.read_all().decode().splitlines()[1:])
        own, folder = told["PYTHONPATH"].split(":")
        program.close()
        assert own == "/pools"
        assert {one.name for one in Path(folder).iterdir()} == {"cgi.py", "cgitb.py"}
        assert {one.stat().st_uid for one in (Path(folder), *Path(folder).iterdir())} == {os.geteuid()}
        assert not {one.stat().st_mode & 0o022 for one in (Path(folder), *Path(folder).iterdir())} - {0}
    assert not Path(folder).exists()


def test_what_is_no_such_script_is_started_by_nobody(root: Path) -> None:
    """Programs without a script, other commands, scripts elsewhere; each by the name of its check."""
    script, evil = root / "own/x.cgi", root / "evil.cgi"
    write_program(evil, SHOW)
    (root / "own/link.cgi").symlink_to(evil)
    plain = root / "own/plain.cgi"
    plain.write_text(SHOW)
    give(root / "own")
    with asking(rule(root), rule(root, path=str(root / "own/deep"), run_as="Pool")) as client:
        asked = {
            "identity": ([b"/bin/sh", b"-c", b"id"], b""),
            "command": ([b"/bin/bash", bytes(script)], bytes(script)),
            "root": ([bytes(evil)], bytes(evil)),
            "path": ([b"x"], bytes(root / "own/../own/x.cgi")),
            "symbolic-link": ([b"x"], bytes(root / "own/link.cgi")),
            "exists": ([b"x"], bytes(root / "own/none.cgi")),
            "reachable": ([bytes(plain)], bytes(plain)),
        }
        for check, (argv, named) in asked.items():
            assert refusal(client, *argv, script=named).check == check
        deep = bytes(root / "own/deep/y.cgi")
        assert refusal(client, deep, script=deep).check == "root"
        mapped = client.launch([b"/bin/sh", bytes(plain)], script=bytes(plain))
        assert mapped.read_all().startswith(b"%d 55 " % OWNER.pw_uid)
        mapped.close()


def test_rules_come_from_no_worker(root: Path) -> None:
    """One that sends some has broken the dialogue: it is let go of."""
    with asking(rule(root)) as client:
        message = UseConfiguration(
            number=0, path="/x", text=b"<configuration/>", isolation="", port=0, version=1, applications=[]
        )
        client.sock.send(encode_spawn_message(message))
        assert client.sock.recv(1) == b""


def test_a_named_user_runs_only_its_own_scripts(root: Path) -> None:
    """As suexec: whose file it is must be who runs it. Names and numbers; whoever does not exist is told."""
    script = bytes(root / "own/x.cgi")
    for name, check in (
        (OWNER.pw_name, ""),
        (str(OWNER.pw_uid), ""),
        ("daemon", "file-owner"),
        ("ghost", "user-exists"),
    ):
        with asking(rule(root, run_as=name)) as client:
            if check:
                refused = client.launch([script], script=script)
                refused.close()
                assert isinstance(refused.answer, LaunchRefused)
                assert refused.answer.check in (check, "least-user")
                assert name in refused.answer.reason
                continue
            program = client.launch([script], script=script)
            assert program.read_all().startswith(b"%d " % OWNER.pw_uid)
            program.close()


def test_another_file_at_the_last_moment_is_not_executed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child looks again, by the path: here that path leads elsewhere as soon as it has entered the folder."""
    write_program(root / "own/own/x.cgi", SHOW)
    give(root / "own")
    monkeypatch.chdir(root)
    here = Path("/proc/self/cwd")
    with asking(rule(here)) as client:
        script = bytes(here / "own/x.cgi")
        assert refusal(client, script, script=script).check == "unchanged"


def test_a_sandbox_of_the_pool_holds_for_these_scripts_too(root: Path) -> None:
    """What no rule names they cannot read, whose file it ever is; without Landlock nothing is started."""
    secret = root / "secret.txt"
    secret.write_text("secret\n")
    write_program(root / "own/read.cgi", f"#!/bin/sh\ncat {secret} && echo read\n")
    give(root / "own")
    script = bytes(root / "own/read.cgi")
    rules = [
        SandboxRule(path=path, access=(READ, EXECUTE)) for path in ("/usr", "/bin", "/lib", "/lib64", str(root / "own"))
    ]
    with asking(rule(root)) as client:
        program = client.launch([script], script=script)
        assert program.read_all() == b"secret\nread\n"
        program.close()
    with asking(rule(root), sandbox=rules) as client:
        program = client.launch([script], script=script)
        output, errors = program.read_all(), program.read_errors()
        program.close()
        assert output == b""
        assert not landlock_abi() or b"Permission denied" in errors
