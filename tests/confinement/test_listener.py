"""What is left to a process that has taken on what the listener takes on: tried in a child, as root and as a user."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from host.config.confinement import Identity
from host.config.listener_confinement import ListenerConfinement
from host.confinement.errors import ConfinementError
from host.confinement.identity import own_account
from host.confinement.landlock import landlock_abi
from host.confinement.listener import listener_account
from host.confinement.privileges import may_change_identity
from tests.confinement.child import run_child
from tests.confinement.everybody import open_folder

PLAIN_USER = 71999
OWN_NUMBER = 71555

TRY = """
import socket, ssl
from host.config.confinement import Identity
from host.config.key_pair import load_pair
from host.config.listener_confinement import ListenerConfinement
from host.confinement.errors import ConfinementError
from host.confinement.listener import confine_listener
folder, user, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if os.geteuid() != user:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
def attempt(what):
    try:
        what()
        return "done"
    except OSError as error:
        return error.strerror
told = []
kind = "SpecificUser" if name else "ApplicationPoolIdentity"
identity = Identity(type=kind, user_name=name, number=0 if name else 71555)
roots = (folder + "/logs", folder + "/more/logs")
handed = os.open(folder + "/logs", os.O_RDONLY)
try:
    confine_listener(ListenerConfinement(identity=identity, log_roots=roots), lambda *event: told.append(event))
except ConfinementError as error:
    told.append(("refused", str(error)))
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
def reached(name, mode):
    return attempt(lambda: os.close(os.open(name, mode, 0o640, dir_fd=handed)))
result = {
    "told": told,
    "users": os.getresuid(),
    "groups": [*os.getresgid(), *os.getgroups()],
    "capabilities": [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
    "no_new_privs": status["NoNewPrivs"].strip(),
    "open": attempt(lambda: open(folder + "/open.txt").read()),
    "public": attempt(lambda: open("/etc/passwd").read()),
    "own code": attempt(lambda: open(ssl.__file__).read()),
    "list": attempt(lambda: os.listdir(folder)),
    "write": attempt(lambda: open(folder + "/open/new", "w").close()),
    "run": attempt(lambda: os.execv("/bin/true", ["true"])),
    "make a log": reached("new.log", os.O_WRONLY | os.O_CREAT),
    "null": attempt(lambda: open("/dev/null", "w").write("x")),
    "connect": attempt(lambda: socket.create_server(("127.0.0.1", 0)).close()),
    "context": attempt(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)),
    "memory": attempt(lambda: open(f"/proc/self/fd/{os.memfd_create('x')}", "rb").read()),
}
"""


@pytest.mark.parametrize("starter", ["itself", "plain"])
def test_nothing_is_left_but_logs_sockets_and_what_comes_from_outside(starter: str) -> None:
    """Whoever starts it: no capability, no file that is open to everybody, no program, not even its own code. A log is
    made through a descriptor of its folder, a certificate's memory file is read."""
    user = PLAIN_USER if starter == "plain" and os.geteuid() == 0 else os.geteuid()
    with open_folder() as folder:
        for name in ("logs", "open", "more"):
            (folder / name).mkdir()
            (folder / name).chmod(0o777)
        (folder / "open.txt").write_text("for everybody")
        found = run_child(TRY, str(folder), str(user), "")
        becomes = OWN_NUMBER if user == 0 and may_change_identity() else user
        assert found["users"] == [becomes] * 3
        assert set(found["groups"]) == {becomes if becomes != os.geteuid() else os.getegid()} | (
            set(os.getgroups()) if becomes == os.geteuid() else set()
        )
        assert set(found["capabilities"]) == {"0" * 16}
        assert found["no_new_privs"] == "1"
        ((event, text),) = found["told"]
        assert event == "listener-confined"
        assert f"uid {becomes}" in text
        works = {"make a log", "null", "connect", "context", "memory"}
        assert {name: found[name] for name in works} == dict.fromkeys(works, "done")
        assert (folder / "more" / "logs").is_dir()
        if not landlock_abi():
            assert "no Landlock" in text
            return
        assert str(folder / "more" / "logs") in text
        closed = {"open", "public", "own code", "list", "write", "run"}
        assert {name: found[name] for name in closed} == dict.fromkeys(closed, "Permission denied")


def test_a_user_that_is_named_is_had_or_the_listener_does_not_start(tmp_path: Path) -> None:
    """Root becomes it; a service that may not goes on as itself and says so; one that does not exist is refused."""
    (tmp_path / "logs").mkdir()
    found = run_child(TRY, str(tmp_path), str(os.geteuid()), "71777")
    ((event, text),) = found["told"]
    assert event == "listener-confined"
    if may_change_identity():
        assert found["users"] == [71777] * 3
    else:
        assert found["users"] == [os.geteuid()] * 3
        assert "userName 71777 needs a service that root has started" in text
    nobody = Identity(type="SpecificUser", user_name="no-such-user-of-isapy")
    if may_change_identity():
        with pytest.raises(ConfinementError, match="useradd"):
            listener_account(nobody)
    else:
        assert listener_account(nobody) == own_account()


def test_a_number_that_the_user_namespace_does_not_have_gives_way_to_another_user() -> None:
    """A container may map few numbers: its listener is nobody, and never refuses to start for that."""
    account = listener_account(Identity(type="ApplicationPoolIdentity", number=4294967294))
    mapped = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    has_it = any(int(first) <= 4294967294 < int(first) + int(count) for first, _, count in mapped)
    if not may_change_identity():
        assert account == own_account()
    elif has_it:
        assert account.user == 4294967294
    else:
        assert account.user in (65534, os.geteuid())


def test_a_process_serves_what_it_covers_and_nothing_else() -> None:
    """Fewer folders of logs are no reason for another process; another folder or another user is."""
    wide = ListenerConfinement(identity=Identity(user_name="a"), log_roots=("/a", "/b"))
    assert wide.covers(wide)
    assert wide.covers(replace(wide, log_roots=("/b",)))
    assert not wide.covers(replace(wide, log_roots=("/a", "/b", "/c")))
    assert not wide.covers(replace(wide, identity=Identity(user_name="b")))
