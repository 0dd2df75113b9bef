"""Whom the listener runs as and where its logs lie, as the file says it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from host.config.confinement import Identity
from host.config.errors import ConfigErrors
from host.config.listener_confinement import listener_confinement, log_folders
from host.config.store import build_snapshot
from host.isolation.iis5_isolation import Iis5Isolation
from host.isolation.worker_isolation import WorkerProcessIsolation
from tests.config.server_sample import Server

LISTENER = "<system.applicationHost><listener {} /></system.applicationHost>"
POOLS = "".join(f'<add name="P{n}"><processModel identityType="ApplicationPoolIdentity" /></add>' for n in range(6))


def with_range(server: Server, last: int, pools: str = POOLS) -> Identity:
    """The listener's identity, of a range of numbers from 10 on for the pools (two more than `pools` names)."""
    source = server.write("", pools=pools)
    numbers = f'<applicationPools identityRangeFirst="10" identityRangeLast="{last}">'.encode()
    snapshot = build_snapshot(type(source)(source.path, source.text.replace(b"<applicationPools>", numbers)), 1)
    taken = {pool.confinement.identity.number for pool in snapshot.pools}
    assert snapshot.listener.identity.number not in taken - {0}
    return snapshot.listener.identity


def test_the_listeners_number_is_no_pools_and_moves_none(server: Server) -> None:
    """Where all but one are taken it is that one; where none is left the listener is nobody, never a pool's user."""
    tight = with_range(server, 18)
    assert tight.type == "ApplicationPoolIdentity"
    before = [pool.confinement.identity.number for pool in server.snapshot().pools]
    assert with_range(server, 17) == Identity(type="LocalService")
    server.write(LISTENER.format('userName="71777"'), pools=POOLS)
    assert [pool.confinement.identity.number for pool in server.snapshot().pools] == before
    server.write("", pools=POOLS)
    usual = server.snapshot().listener.identity
    server.write("")
    assert server.snapshot().listener.identity == usual  # whatever pools there are
    assert 70000 <= usual.number <= 99999


def test_a_user_that_is_named_is_the_listeners(server: Server) -> None:
    """By name or by number; a name that this machine does not have is an error at its line."""
    own = pwd.getpwuid(os.geteuid()).pw_name
    server.write(LISTENER.format(f'userName="{own}"'))
    assert server.snapshot().listener.identity == Identity(type="SpecificUser", user_name=own)
    server.write(LISTENER.format('userName="71777"'))
    assert server.snapshot().listener.identity.user_name == "71777"
    source = server.write(LISTENER.format('userName="no-such-user-here"'))
    with pytest.raises(ConfigErrors, match='no user "no-such-user-here"') as caught:
        build_snapshot(source, 1)
    assert caught.value.errors[0].attribute == "userName"
    build_snapshot(source, 1, check_files=False)  # a process that only repeats what was judged does not ask again


def test_in_iis5_isolation_its_user_and_its_number_are_ignored_with_a_warning(server: Server) -> None:
    """inetinfo is the service's user, and one process."""
    attributes = 'userName="71777" processes="2"'
    server.write(LISTENER.format(attributes))
    assert not [line for line in server.snapshot().warnings if "IIS 5" in line]
    slots = WorkerProcessIsolation().slots(server.snapshot())
    assert (slots[0].instances, slots[0].at(1).title, slots[0].at(1).place) == (2, "listener 2", 1)
    server.write(f'<system.applicationHost><isolation mode="IIS5" /><listener {attributes} /></system.applicationHost>')
    warnings = server.snapshot().warnings
    assert [name for name in ("userName", "processes") if any(f"ignores {name}" in line for line in warnings)] == [
        "userName",
        "processes",
    ]
    assert Iis5Isolation().slots(server.snapshot())[0].instances == 1
    server.write('<system.applicationHost><isolation mode="IIS5" /><listener processes="1" /></system.applicationHost>')
    assert not [line for line in server.snapshot().warnings if "processes" in line]


def test_it_may_write_where_its_logs_lie_and_nowhere_else(server: Server) -> None:
    """HTTPERR and the folders of the sites' logs, not the event log's; a site without a log needs none."""
    source = server.write("")
    sites = source.text.replace(b'id="2">', b'id="2"><logFile directory="/srv/two" />')
    snapshot = build_snapshot(type(source)(source.path, sites), 1)
    state = snapshot.log_directory
    assert set(listener_confinement(snapshot).log_roots) == {f"{state}/HTTPERR", f"{state}/LogFiles", "/srv/two"}
    assert list(log_folders(snapshot)) == [f"{state}/HTTPERR", f"{state}/LogFiles/W3SVC1", "/srv/two/W3SVC2"]
    silent = build_snapshot(type(source)(source.path, sites.replace(b"<logFile ", b'<logFile enabled="false" ')), 2)
    assert "/srv/two" not in listener_confinement(silent).log_roots
    assert len(list(log_folders(silent))) == 2
    assert Path(state).name == "logs"
