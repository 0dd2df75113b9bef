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


def test_in_iis5_isolation_its_user_is_ignored_with_a_warning(server: Server) -> None:
    """inetinfo is the service's user."""
    server.write(LISTENER.format('userName="71777"'))
    assert not [line for line in server.snapshot().warnings if "userName" in line]
    both = '<system.applicationHost><isolation mode="IIS5" /><listener userName="71777" /></system.applicationHost>'
    server.write(both)
    assert [line for line in server.snapshot().warnings if "ignores userName" in line]


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
