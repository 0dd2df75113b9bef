"""What `isapy check` tells of the machine: what this kernel and this user give, and what a pool wishes in vain."""

from __future__ import annotations

from dataclasses import dataclass

from host.compiled import finder
from host.config.confinement import Identity
from host.config.errors import ConfigError
from host.config.model import IsolationMode
from host.config.pool_confinement import listener_place, place_of
from host.config.server_file import LoadedServer
from host.confinement.errors import ConfinementError
from host.confinement.identity import account_for
from host.confinement.judgement import listener_shortfalls, shortfalls
from host.confinement.listener import listener_account
from host.confinement.machine import Machine, this_machine


@dataclass(frozen=True, slots=True)
class MachineReport:
    """`warnings` have the place in the file; `pools` says whom each pool would run as if this user started isapy,
    `front` whom the listener, or inetinfo, and what it may touch."""

    machine: Machine
    warnings: tuple[ConfigError, ...]
    pools: dict[str, str]
    front: str

    @property
    def sentences(self) -> list[str]:
        """The facts, for people."""
        machine = self.machine
        who = "may give pools identities of their own" if machine.may_change_identity else "runs every pool as itself"
        sandbox = f"Landlock ABI {machine.landlock_abi}" if machine.landlock_abi else "no: this kernel has no Landlock"
        limits = machine.control_group_problem or "cgroup v2"
        lines = [
            f"identities: isapy started by {machine.account} {who}",
            f"sandbox: {sandbox}",
            f"processor limits: {limits}" + ("; workers pace themselves" if machine.control_group_problem else ""),
            f"compiled: {finder.describe()}",
            self.front,
        ]
        return lines + [f"pool {name} runs as {account}" for name, account in self.pools.items()]


def report_machine(server: LoadedServer) -> MachineReport:
    """Compare the configuration with this machine. IIS 5 isolation has no pools, so there is nothing to compare."""
    machine = this_machine()
    snapshot = server.snapshot
    warnings: list[ConfigError] = []
    pools: dict[str, str] = {}
    identity = snapshot.listener.identity
    front = f"inetinfo runs as {machine.account}, with plugins in it, and may touch every file that this user may"
    if snapshot.isolation_mode is IsolationMode.WORKER_PROCESS:
        front = _listener(identity, machine)
        for found in listener_shortfalls(identity, machine):
            node = listener_place(server.document)
            if node is not None:
                warnings.append(node.error(found.message, found.remedy, attribute=found.attribute))
        for pool in snapshot.pools:
            if pool.confinement.identity.type or machine.account.user == 0:
                pools[pool.name] = _whom(pool.confinement.identity, machine)
            for found in shortfalls(pool, machine):
                node = place_of(server.document, pool.name, found.element, found.attribute)
                if node is not None:
                    warnings.append(node.error(found.message, found.remedy, attribute=found.attribute))
    return MachineReport(machine, tuple(dict.fromkeys(warnings)), pools, front)


def _listener(identity: Identity, machine: Machine) -> str:
    files = "its logs alone" if machine.landlock_abi else "every file that this user may: this kernel has no Landlock"
    try:
        return f"listener runs as {listener_account(identity)} without capabilities, and may touch {files}"
    except ConfinementError as error:
        return f"listener cannot start: {error.message}"


def _whom(identity: Identity, machine: Machine) -> str:
    try:
        account = account_for(identity)
    except ConfinementError as error:
        return f"nobody: {error.message}"
    if account is None or not machine.may_change_identity:
        return f"{machine.account} ({identity.type or 'identityType is not written'})"
    return f"{account} ({identity.type})"
