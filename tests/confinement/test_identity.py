"""From identityType to an account, and the step that makes a process that account."""

from __future__ import annotations

import os
import pwd

import pytest

from host.config.confinement import Identity
from host.confinement.errors import ConfinementError
from host.confinement.identity import Account, _verify, account_for, own_account
from host.confinement.privileges import effective_capabilities, may_change_identity
from tests.confinement.child import run_child

BECOME = """
from host.confinement.errors import ConfinementError
from host.confinement.identity import Account, become_account
try:
    become_account(Account(71234, 71235, (71235, 71236)))
except ConfinementError as error:
    result = str(error)
else:
    refused = 0
    for attempt in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
        try:
            attempt()
        except PermissionError:
            refused += 1
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
    capabilities = {status[name].strip().strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
    readable = os.access("/proc/self/environ", os.R_OK) and len(os.listdir("/proc/self/fd")) > 0
    result = [os.getresuid(), os.getresgid(), sorted(os.getgroups()), refused, sorted(capabilities), readable]
"""


def test_the_identities_that_need_no_passwd_entry() -> None:
    """ApplicationPoolIdentity has a number of its own; a bare number as userName is a user too."""
    own = account_for(Identity(type="ApplicationPoolIdentity", number=71234))
    assert own is not None
    assert (own.user, own.group, own.groups, own.name) == (71234, 71234, (71234,), "")
    bare = account_for(Identity(type="SpecificUser", user_name="71235"))
    assert bare is not None
    assert (bare.user, bare.group, str(bare)) == (71235, 71235, "uid 71235, gid 71235")


def test_a_named_user_comes_with_its_groups_and_home() -> None:
    """As a login would give them."""
    entry = pwd.getpwuid(0)  # whom every machine knows
    account = account_for(Identity(type="SpecificUser", user_name=entry.pw_name))
    assert account is not None
    assert (account.user, account.group, account.home) == (entry.pw_uid, entry.pw_gid, entry.pw_dir)
    assert set(os.getgrouplist(entry.pw_name, entry.pw_gid)) == set(account.groups)
    assert entry.pw_name in str(account)


@pytest.mark.parametrize("kind", ["LocalService", "NetworkService"])
def test_the_service_accounts_are_nobody(kind: str) -> None:
    """Linux has no accounts of that name; nobody is on every machine."""
    account = account_for(Identity(type=kind))
    assert account is not None
    assert account.user == pwd.getpwnam("nobody").pw_uid


@pytest.mark.parametrize("kind", ["", "LocalSystem"])
def test_the_identities_that_are_the_services_own(kind: str) -> None:
    """Nobody asked for another one, or asked for the most that there is."""
    assert account_for(Identity(type=kind)) is None


def test_a_user_that_is_missing_stops_the_start() -> None:
    """Never as somebody else instead."""
    with pytest.raises(ConfinementError, match="no user") as caught:
        account_for(Identity(type="SpecificUser", user_name="no-such-user-here"))
    assert "useradd" in caught.value.remedy


def test_a_process_that_became_another_user_cannot_go_back() -> None:
    """Numbers, groups and capabilities are gone for good, /proc/self stays its own. Without privileges: refused."""
    found = run_child(BECOME)
    if may_change_identity():
        assert found == [[71234] * 3, [71235] * 3, [71235, 71236], 3, [""], True]
    else:
        assert "cannot become uid 71234" in found


KEEPING = """
import ctypes
assert ctypes.CDLL(None).prctl(28, 1 << 2, 0, 0, 0) == 0  # PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP
"""


@pytest.mark.skipif(not may_change_identity(), reason="needs the right to become another user")
def test_capabilities_go_also_where_the_kernel_would_leave_them() -> None:
    """Whoever started the service may have told the kernel that a change of user takes nothing away."""
    assert run_child(KEEPING + BECOME)[4] == [""]


def test_what_the_kernel_says_counts() -> None:
    """A process that is not wholly the account, user and group, does not go on."""
    own = own_account()
    _verify(own)
    for other in (Account(own.user + 1, own.group, own.groups), Account(own.user, own.group + 1, own.groups)):
        with pytest.raises(ConfinementError, match="the kernel has not made it"):
            _verify(other)


def test_what_this_process_may_do_is_what_the_kernel_says() -> None:
    """Root in most places, not in every container."""
    assert may_change_identity() == (effective_capabilities() & 0b1100_0000 == 0b1100_0000)
    assert own_account().user == os.geteuid()
    assert effective_capabilities(2**22 + 1) == 0  # no such process
