"""The steps by which the listener's process gives up what it does not need: its user, every capability, every file but
its logs. It takes them before it starts a thread or hears of a client, and none of them can be undone.

It is HTTP.sys without the kernel's power: sockets are opened by the service, files by workers, certificates and folders
of logs come as bytes and descriptors. What this machine cannot give is left out and told, since a listener that
nobody has asked to be confined must serve everywhere; a user that the configuration names is had, or nothing starts.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Callable, Iterable
from typing import Final

from host.config.confinement import READ, WRITE, Identity, SandboxRule
from host.config.listener_confinement import ListenerConfinement
from host.confinement.identity import NOBODY_IDENTITY, Account, account_for, become_account, own_account
from host.confinement.landlock import landlock_abi, restrict_files
from host.confinement.machine import maps_user
from host.confinement.privileges import drop_capabilities, forbid_new_privileges, may_change_identity

_FILES: Final = (
    SandboxRule(path="/dev/null", access=(READ, WRITE)),
    SandboxRule(path="/proc/self"),  # what the kernel says of this process's privileges
    SandboxRule(path="/etc/localtime"),  # the C library looks again whether it has changed
    SandboxRule(path="/usr/share/zoneinfo"),
)


def listener_account(identity: Identity) -> Account:
    """Whom the listener of a service like this process runs as.

    A number of its own that this user namespace does not map gives way to nobody. A service that may not change
    identities, and a root of a user namespace that maps neither, has itself to offer. Raises ConfinementError when
    there is no such account.
    """
    if not may_change_identity():
        return own_account()
    wanted = account_for(identity) or own_account()
    if not identity.user_name and not maps_user(wanted.user):
        wanted = account_for(NOBODY_IDENTITY) or own_account()
        return wanted if maps_user(wanted.user) else own_account()
    return wanted


def listener_rules(log_roots: Iterable[str]) -> list[SandboxRule]:
    """Every file that the listener may touch once it has started."""
    return [*_FILES, *(SandboxRule(path=path, access=(READ, WRITE)) for path in log_roots)]


def confine_listener(confinement: ListenerConfinement, report: Callable[[str, str], None]) -> None:
    """Take all of it on. The process must be single-threaded. `report(event id, text)` tells what was had.

    Raises ConfinementError: then the process has perhaps taken some of the steps, and must end.
    """
    account, own, is_free = listener_account(confinement.identity), own_account(), may_change_identity()
    for folder in confinement.log_roots:
        with contextlib.suppress(OSError):  # told as soon as a log cannot be written there
            os.makedirs(folder, exist_ok=True)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # OpenSSL reads its configuration, and loads what that names, only once
    forbid_new_privileges()
    abi = landlock_abi()
    if abi:  # while every folder can still be reached: a rule holds whatever lies above
        restrict_files(listener_rules(confinement.log_roots))
    if (account.user, account.group) != (own.user, own.group):
        become_account(account)
    drop_capabilities()
    if not os.access(".", os.X_OK):
        os.chdir("/")  # where the service was started may be closed to it
    report(
        "listener-confined",
        _described(confinement, account, abi, is_obeyed=is_free or _is_named(own, confinement.identity)),
    )


def _is_named(account: Account, identity: Identity) -> bool:
    return identity.user_name in ("", account.name, str(account.user))


def _described(confinement: ListenerConfinement, account: Account, abi: int, *, is_obeyed: bool) -> str:
    who = f"the listener runs as {account}, without capabilities and under no_new_privs"
    if not is_obeyed:
        who += f" (userName {confinement.identity.user_name} needs a service that root has started)"
    if not abi:
        return f"{who}; this kernel has no Landlock, so it may touch every file that this user may"
    return f"{who}; Landlock (ABI {abi}) leaves it no files but its logs, in {', '.join(confinement.log_roots)}"
