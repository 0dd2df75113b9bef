"""From `processModel`, `sandbox` and `cpu` to the values of `confinement.py`, and what in them cannot be."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping
from typing import Final

from host.config.confinement import (
    Confinement,
    Cpu,
    Identity,
    Sandbox,
    SandboxRule,
    assign_numbers,
    processors_of,
)
from host.config.document import Document
from host.config.inheritance import Effective, overlay
from host.config.model import Pool
from host.config.problems import Problems
from host.config.xml_reader import Node

POOL_IDENTITY = "ApplicationPoolIdentity"
SPECIFIC_USER = "SpecificUser"


def identity_numbers(pools: Effective, names: Iterable[str], problems: Problems) -> Mapping[str, int]:
    """User and group number of each pool, should it ask for ApplicationPoolIdentity. A range that is too small (or
    upside down) is noted."""
    first, last = pools.number("identityRangeFirst"), pools.number("identityRangeLast")
    try:
        return assign_numbers(names, first, last)
    except ValueError as error:
        node = pools.node_of("identityRangeLast")
        if node is not None:
            remedy = "set identityRangeFirst and identityRangeLast further apart"
            problems.errors.append(node.error(str(error), remedy, attribute="identityRangeLast"))
        return {}


def listener_identity(pools: Effective, listener: Effective) -> Identity:
    """Whom the listener's process runs as: the account of `listener/@userName`, else a number of its own from the
    pools' range. It is taken last, so that it moves no pool's; the account nobody when none is left."""
    name = listener.text("userName")
    if name:
        return Identity(type=SPECIFIC_USER, user_name=name)
    first, last = pools.number("identityRangeFirst"), pools.number("identityRangeLast")
    names = [entry.effective.text("name") for entry in pools.entries]
    try:
        return Identity(
            type=POOL_IDENTITY, number=assign_numbers([*names, _BEHIND_ALL_POOLS], first, last)[_BEHIND_ALL_POOLS]
        )
    except ValueError:
        return Identity(type="LocalService")


_BEHIND_ALL_POOLS: Final = "\U0010ffff listener"  # a name that no pool has, last in the alphabet


def build_confinement(pool: Effective, number: int) -> Confinement:
    """What the pool's processes may be and touch; `number` is what ApplicationPoolIdentity gives it."""
    model, sandbox = pool.child("processModel"), pool.child("sandbox")
    kind = model.text("identityType") if "identityType" in model.values else ""
    return Confinement(
        identity=Identity(
            type=kind,
            user_name=model.text("userName") if kind == SPECIFIC_USER else "",
            number=number if kind == POOL_IDENTITY else 0,
        ),
        no_new_privileges=model.flag("noNewPrivileges"),
        sandbox=Sandbox(
            mode=sandbox.text("mode"),
            rules=tuple(
                SandboxRule(path=entry.effective.text("path"), access=entry.effective.names("access"))
                for entry in sandbox.entries
            ),
        ),
    )


def build_cpu(cpu: Effective) -> Cpu:
    """`cpu`."""
    masks = cpu.number("smpProcessorAffinityMask"), cpu.number("smpProcessorAffinityMask2")
    return Cpu(
        limit=cpu.number("limit"),
        action=cpu.text("action"),
        reset_interval_seconds=cpu.number("resetInterval"),
        processors=processors_of(*masks) if cpu.flag("smpAffinitized") else (),
    )


def check_confinement(pools: Effective, built: tuple[Pool, ...], problems: Problems, *, check_machine: bool) -> None:
    """What does not fit together; with `check_machine` also accounts, processors and paths that are not there."""
    defaults = pools.child("applicationPoolDefaults")
    for entry, pool in zip(pools.entries, built, strict=True):
        effective = overlay(defaults, entry.effective)
        _check_identity(effective.child("processModel"), pool, problems, check_machine=check_machine)
        _check_sandbox(effective, pool, problems)
        if check_machine:
            _check_processors(effective.child("cpu"), pool.cpu, problems)
            _check_paths(effective.child("sandbox"), problems)


def _check_identity(model: Effective, pool: Pool, problems: Problems, *, check_machine: bool) -> None:
    node = model.node_of("userName")
    identity = pool.confinement.identity
    if node is None or identity.type != SPECIFIC_USER:
        return
    if not identity.user_name:
        remedy = "name an account, or take ApplicationPoolIdentity"
        problems.errors.append(node.error("SpecificUser needs the name of a user", remedy, attribute="userName"))
    elif check_machine:
        _check_user(node, identity.user_name, problems)


def check_listener_user(listener: Effective, problems: Problems) -> None:
    """`listener/@userName` names an account of this machine, or a number."""
    node = listener.node_of("userName")
    if node is not None and listener.text("userName"):
        _check_user(node, listener.text("userName"), problems)


def _check_user(node: Node, name: str, problems: Problems) -> None:
    if name.isdecimal():
        return
    try:
        pwd.getpwnam(name)
    except KeyError:
        message = f'this machine has no user "{name}"'
        remedy = f"make it with: useradd --system {name}, or correct the name"
        if "\\" in name or "@" in name:
            remedy = "an account of Windows cannot run anything here: name a user of this machine"
        problems.errors.append(node.error(message, remedy, attribute="userName"))


def _check_sandbox(effective: Effective, pool: Pool, problems: Problems) -> None:
    node = effective.child("sandbox").node_of("mode")
    if node is not None and pool.confinement.sandbox.mode == "Enforce" and not pool.confinement.no_new_privileges:
        message = "the kernel enforces a sandbox only on processes that cannot gain privileges"
        remedy = 'take noNewPrivileges="false" away from processModel'
        problems.errors.append(node.error(message, remedy, attribute="mode"))


def _check_processors(effective: Effective, cpu: Cpu, problems: Problems) -> None:
    node = effective.node_of("smpProcessorAffinityMask")
    count = os.cpu_count() or 1
    if node is not None and cpu.processors and min(cpu.processors) >= count:
        message = f"no processor of the masks exists: this machine has {count}, numbered from 0"
        remedy = "set a bit for a processor that exists, or smpAffinitized to false"
        problems.errors.append(node.error(message, remedy, attribute="smpProcessorAffinityMask"))


def _check_paths(sandbox: Effective, problems: Problems) -> None:
    for entry in sandbox.entries:
        node, path = entry.effective.node, entry.effective.text("path")
        if node is not None and not os.path.lexists(path):
            message = f"{path} does not exist: the rule allows nothing until the pool's next start"
            problems.warnings.append(node.error(message, "make it, or correct the path", attribute="path"))


def listener_place(document: Document) -> Node | None:
    """Where the file has `<listener>`."""
    found = (one.content.node for one in document.fragments if one.section.element.name == "listener")
    return next(found, None)


def place_of(document: Document, pool_name: str, element: str, attribute: str) -> Node | None:
    """Where the file says that of the pool: in its own element, in applicationPoolDefaults, or at least the pool."""
    for fragment in document.fragments:
        if fragment.section.element.name != "applicationPools":
            continue
        pools = [one.content for one in fragment.content.directives if one.content.values.get("name") == pool_name]
        defaults = fragment.content.children.get("applicationPoolDefaults")
        for content in (*pools, *([defaults] if defaults is not None else [])):
            child = content.children.get(element)
            if child is not None and attribute in child.values:
                return child.node
        return pools[0].node if pools else fragment.content.node
    return None
