"""The steps by which a pool's parent becomes what its pool may be: folder, identity, privileges, sandbox. In this
order, each needing what the one before it left, and none of them to be undone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from host.config.model import Pool
from host.config.store import ServerConfiguration
from host.confinement.errors import ConfinementError
from host.confinement.identity import Account, account_for, become_account, own_account
from host.confinement.landlock import landlock_abi, restrict_files
from host.confinement.privileges import forbid_new_privileges, may_change_identity
from host.confinement.reach import unreadable
from host.confinement.rehearsal import rehearse
from host.confinement.rules import own_rules, sandbox_rules
from host.confinement.temporary_folder import make_temporary_folder, occupy

ReportEvent = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confined:
    """What this process is now. `environment` is for its workers; `is_other_account`: it was another one before."""

    account: Account
    is_other_account: bool
    temporary_folder: str
    environment: Mapping[str, str]


def confine(configuration: ServerConfiguration, pool_name: str, keys: Iterable[str], report: ReportEvent) -> Confined:
    """Take on the pool's identity and limits. The process must be single-threaded; children that it has stay what they
    are.

    `report(event id, text)` tells what the operator should know. Raises ConfinementError: then the process has perhaps
    taken some of the steps, and must end.
    """
    snapshot = configuration.snapshot
    pool = snapshot.pool(pool_name)
    applications = tuple(keys)
    own = own_account()
    account = _chosen_account(pool, own, report)
    folder = make_temporary_folder(snapshot.temporary_directory, pool_name, snapshot.path, account or own)
    if account is not None:
        become_account(account)
        if not os.access(".", os.X_OK):
            os.chdir("/")  # where the service was started may be closed to the pool
    occupy(folder)
    _report_identity(pool, account, own, report)
    found = unreadable(configuration, applications)
    if found:
        text = f"pool {pool_name} runs as {account or own}, which cannot read: {', '.join(found)}; {_GRANT}"
        report("pool-cannot-read", text)
    if pool.confinement.no_new_privileges:
        forbid_new_privileges()
    _sandbox(configuration, pool, applications, folder, report)
    return Confined(
        account=account or own,
        is_other_account=account is not None,
        temporary_folder=folder,
        environment=_environment(account, folder),
    )


_GRANT = "give it read access and search access to every folder above, for example with setfacl or chmod o+x"


def _chosen_account(pool: Pool, own: Account, report: ReportEvent) -> Account | None:
    """The account to become; None: this process's own, because that is asked for or because nothing else is possible
    for a service without privileges (`isapy check` has told it)."""
    wanted = account_for(pool.confinement.identity)
    if wanted is None or (wanted.user, wanted.group) == (own.user, own.group):
        return None
    if may_change_identity():
        return wanted
    text = f"pool {pool.name} runs as {own}: {pool.confinement.identity.type} needs a service that root has started"
    report("pool-identity", text)
    return None


def _report_identity(pool: Pool, account: Account | None, own: Account, report: ReportEvent) -> None:
    kind = pool.confinement.identity.type
    if account is not None:
        report("pool-identity", f"pool {pool.name} runs as {account} ({kind})")
    elif own.user == 0:
        why = "LocalSystem" if kind else "identityType is not written"
        text = (
            f'pool {pool.name} runs as {own}: {why}; identityType="ApplicationPoolIdentity" gives it a user of its own'
        )
        report("pool-identity", text)


def _sandbox(
    configuration: ServerConfiguration, pool: Pool, keys: tuple[str, ...], folder: str, report: ReportEvent
) -> None:
    sandbox = pool.confinement.sandbox
    if sandbox.mode == "Off":
        return
    rules = sandbox_rules(configuration, keys, sandbox, folder)
    if sandbox.mode == "Enforce":
        restrict_files(rules)
        report("pool-sandboxed", f"pool {pool.name} is in a sandbox (Landlock ABI {landlock_abi()})")
        return
    try:
        refused = rehearse(rules, own_rules(configuration, keys))
    except ConfinementError as error:
        report("sandbox-report", f"pool {pool.name}: {error}")
        return
    found = f"would keep it from: {refused}" if refused else "would keep it from nothing that its configuration names"
    report("sandbox-report", f'pool {pool.name}: sandbox mode="Enforce" {found}')


def _environment(account: Account | None, folder: str) -> dict[str, str]:
    """TMPDIR for every pool; a pool with an account of its own must not go on with the home folder of the service."""
    variables = {"TMPDIR": folder}
    if account is not None:
        name = account.name or str(account.user)
        variables |= {"HOME": account.home or folder, "USER": name, "LOGNAME": name}
    return variables
