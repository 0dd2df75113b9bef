"""What a pool or the listener wishes and this machine does not give: pure, over the facts of `machine.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from host.config.confinement import WHOLE, Identity
from host.config.model import Pool
from host.confinement.machine import Machine

_RUN_AS_ROOT = "start isapy as root, or take identityType away"


class Shortfall(NamedTuple):
    """One wish that is not granted: where it stands (element below the pool, attribute), what happens, what to do."""

    element: str
    attribute: str
    message: str
    remedy: str


def shortfalls(pool: Pool, machine: Machine) -> Iterator[Shortfall]:
    """Everything that this pool asks for in vain, or with consequences that it may not expect."""
    yield from _identity(pool, machine)
    yield from _sandbox(pool, machine)
    yield from _cpu(pool, machine)


def listener_shortfalls(identity: Identity, machine: Machine) -> Iterator[Shortfall]:
    """What `listener/@userName` asks for in vain."""
    name = identity.user_name
    if not name:
        return
    if not machine.may_change_identity:
        if name not in (machine.account.name, str(machine.account.user)):
            message = f"the listener runs as {machine.account}: only root may start it as somebody else"
            yield Shortfall("listener", "userName", message, "start isapy as root, or take userName away")
    elif name in ("root", "0"):
        message = "the listener runs as root: what comes from the network is read by the owner of every file"
        yield Shortfall("listener", "userName", message, "take userName away: the listener gets a user of its own")
    elif name.isdecimal() and not machine.maps(int(name)):
        message = f"user number {name} does not exist in this container, so the listener cannot start"
        yield Shortfall("listener", "userName", message, "take a number that /proc/self/uid_map names")


def _identity(pool: Pool, machine: Machine) -> Iterator[Shortfall]:
    identity = pool.confinement.identity
    if identity.type == "LocalSystem":
        if machine.account.user == 0:
            message = "the pool runs as root: a hole in one application is a hole in the machine"
            yield Shortfall("processModel", "identityType", message, 'take identityType="ApplicationPoolIdentity"')
        else:
            message = f"the pool runs as {machine.account}: isapy has no more to give"
            yield Shortfall("processModel", "identityType", message, _RUN_AS_ROOT)
    elif identity.type and not machine.may_change_identity:
        if not _is_already(pool, machine):
            message = f"the pool runs as {machine.account}: only root may start it as somebody else"
            yield Shortfall("processModel", "identityType", message, _RUN_AS_ROOT)
    elif identity.number and not machine.maps(identity.number):
        message = f"user number {identity.number} does not exist in this container, so the pool cannot start"
        remedy = "set identityRangeFirst and identityRangeLast to numbers that /proc/self/uid_map names"
        yield Shortfall("processModel", "identityType", message, remedy)


def _is_already(pool: Pool, machine: Machine) -> bool:
    account = machine.account
    name = pool.confinement.identity.user_name
    return pool.confinement.identity.type == "SpecificUser" and name in (account.name, str(account.user))


def _sandbox(pool: Pool, machine: Machine) -> Iterator[Shortfall]:
    mode = pool.confinement.sandbox.mode
    if mode != "Off" and not machine.landlock_abi:
        what = "the pool cannot start" if mode == "Enforce" else "nothing can be reported"
        remedy = 'boot a kernel with Landlock (5.13 or later, lsm=landlock,...), or set mode="Off"'
        yield Shortfall("sandbox", "mode", f"this kernel has no Landlock: {what}", remedy)
    elif mode == "Enforce" and machine.landlock_abi < 3:
        message = f"Landlock ABI {machine.landlock_abi} does not keep the pool from truncating files elsewhere"
        yield Shortfall(
            "sandbox", "mode", message, "take a kernel from 6.2 on, or give the pool an identity of its own"
        )


def _cpu(pool: Pool, machine: Machine) -> Iterator[Shortfall]:
    cpu = pool.cpu
    if 0 < cpu.limit < WHOLE and cpu.action in ("Throttle", "ThrottleUnderLoad") and machine.control_group_problem:
        message = (
            f"{machine.control_group_problem}: workers are slowed down between requests, "
            "and one long request or program may exceed the limit"
        )
        yield Shortfall("cpu", "action", message, "run isapy in a cgroup v2 group of its own (systemd: Delegate=cpu)")
    if cpu.limit and cpu.action in ("NoAction", "KillW3wp") and not cpu.reset_interval_seconds:
        message = "nothing is counted without a window: the limit has no effect"
        yield Shortfall("cpu", "resetInterval", message, 'set resetInterval="00:05:00"')
