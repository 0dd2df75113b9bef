"""Whom a pool runs as: from identityType to a Unix account, and the step that makes this process that account.

| identityType | on Linux |
| --- | --- |
| not written | the account of isapy itself |
| ApplicationPoolIdentity | a user and a group number of the pool's own, from identityRangeFirst to identityRangeLast |
| SpecificUser | the account of that name with its groups, or a bare number |
| LocalService, NetworkService | the account nobody |
| LocalSystem | the account of isapy itself: root, if root runs it |

A service without the right to change identities runs every pool as itself; `machine.py` lets `isapy check` say so.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from typing import Final

from host.config.confinement import Identity
from host.confinement.errors import ConfinementError
from host.confinement.privileges import drop_capabilities, stay_readable_to_itself

NOBODY = "nobody"
NOBODY_IDENTITY: Final = Identity(type="LocalService")
_NOBODY_NUMBER = 65534  # the kernel's overflow number, which every distribution gives to nobody


@dataclass(frozen=True, slots=True)
class Account:
    """A Unix account. `name` is empty where passwd has none (such processes have no home folder either)."""

    user: int
    group: int
    groups: tuple[int, ...] = ()  # supplementary, the primary one among them
    name: str = ""
    home: str = ""

    def __str__(self) -> str:
        named = f"user {self.name} " if self.name else "user "
        return f"{named}(uid {self.user}, gid {self.group})" if self.name else f"uid {self.user}, gid {self.group}"


def account_for(identity: Identity) -> Account | None:
    """The account that this identity stands for; None: the one that this process has.

    Raises ConfinementError when there is no such account.
    """
    if identity.type == "ApplicationPoolIdentity":
        return Account(identity.number, identity.number, (identity.number,))
    if identity.type == "SpecificUser":
        return _named(identity.user_name)
    if identity.type in ("LocalService", "NetworkService"):
        return _nobody()
    return None


def own_account() -> Account:
    """The account of this process."""
    user, group = os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        return Account(user, group, tuple(os.getgroups()))
    return Account(user, group, tuple(os.getgroups()), entry.pw_name, entry.pw_dir)


def _named(name: str) -> Account:
    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        if name.isdecimal():
            return Account(int(name), int(name), (int(name),))
        message = f'this machine has no user "{name}"'
        raise ConfinementError(message, f"make it with: useradd --system {name}, or correct userName") from None
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Account(entry.pw_uid, entry.pw_gid, groups, entry.pw_name, entry.pw_dir)


def _nobody() -> Account:
    try:
        return _named(NOBODY)
    except ConfinementError:
        return Account(_NOBODY_NUMBER, _NOBODY_NUMBER, (_NOBODY_NUMBER,))


def become_account(account: Account) -> None:
    """Be that account from now on, without a way back and without capabilities. Raises ConfinementError.

    The caller must be single-threaded: the calls concern one thread only in the kernel's eyes.
    """
    try:
        os.setgroups(account.groups)
        os.setresgid(account.group, account.group, account.group)
        os.setresuid(account.user, account.user, account.user)
    except OSError as error:
        remedy = "run isapy as root, or choose numbers that this user namespace maps (see /proc/self/uid_map)"
        raise ConfinementError(f"it cannot become {account}: {error.strerror}", remedy) from error
    if account.user != 0:
        drop_capabilities()
    stay_readable_to_itself()
    _verify(account)


def _verify(account: Account) -> None:
    """Nobody relies on calls that have succeeded: what counts is what the kernel says now."""
    is_user = set(os.getresuid()) == {account.user}
    is_group = set(os.getresgid()) == {account.group} and set(os.getgroups()) <= {account.group, *account.groups}
    if not (is_user and is_group):
        raise ConfinementError(f"the kernel has not made it {account}", "report this: it should be impossible")
