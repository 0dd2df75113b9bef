"""What a pool wishes and a machine does not give, over facts of machines that need not be this one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from host.config.confinement import Confinement, Cpu, Identity, Sandbox
from host.config.model import Pool
from host.confinement.identity import Account
from host.confinement.judgement import listener_shortfalls, shortfalls
from host.confinement.machine import Machine

ROOT = Machine(
    account=Account(0, 0, (0,), "root", "/root"),
    may_change_identity=True,
    user_numbers=((0, 4294967295),),
    landlock_abi=6,
    control_group_problem="",
    processors=4,
)
PLAIN = replace(ROOT, account=Account(1000, 1000, (1000,), "you", "/home/you"), may_change_identity=False)
POOL = Pool(name="Shop")


def with_identity(kind: str, user_name: str = "", number: int = 0) -> Pool:
    identity = Identity(type=kind, user_name=user_name, number=number)
    return replace(POOL, confinement=Confinement(identity=identity))


def with_sandbox(mode: str) -> Pool:
    return replace(POOL, confinement=Confinement(sandbox=Sandbox(mode=mode)))


@pytest.mark.parametrize("machine", [ROOT, PLAIN])
def test_a_pool_that_wishes_nothing_gets_it_everywhere(machine: Machine) -> None:
    """Also on a kernel without anything."""
    bare = replace(machine, landlock_abi=0, control_group_problem="there is none")
    assert list(shortfalls(POOL, bare)) == []


@pytest.mark.parametrize(
    ("pool", "machine", "words"),
    [
        (with_identity("LocalSystem"), ROOT, "runs as root"),
        (with_identity("LocalSystem"), PLAIN, "isapy has no more to give"),
        (with_identity("NetworkService"), PLAIN, "only root"),
        (with_identity("SpecificUser", "other"), PLAIN, "only root"),
        (with_identity("ApplicationPoolIdentity", number=70001), PLAIN, "only root"),
        (
            with_identity("ApplicationPoolIdentity", number=70001),
            replace(ROOT, user_numbers=((0, 65536),)),
            "70001 does not exist in this container",
        ),
        (with_sandbox("Enforce"), replace(ROOT, landlock_abi=0), "the pool cannot start"),
        (with_sandbox("Report"), replace(ROOT, landlock_abi=0), "nothing can be reported"),
        (with_sandbox("Enforce"), replace(ROOT, landlock_abi=2), "truncating"),
        (
            replace(POOL, cpu=Cpu(limit=1000, action="Throttle")),
            replace(ROOT, control_group_problem="no cgroup v2 is mounted"),
            "no cgroup v2 is mounted: workers are slowed down between requests",
        ),
        (replace(POOL, cpu=Cpu(limit=1000, action="KillW3wp", reset_interval_seconds=0)), ROOT, "without a window"),
    ],
)
def test_each_wish_that_is_not_granted_is_told_with_its_remedy(pool: Pool, machine: Machine, words: str) -> None:
    """Exactly one finding each, with the place where it is written."""
    (found,) = shortfalls(pool, machine)
    assert words in found.message
    assert found.remedy
    assert found.element in ("processModel", "sandbox", "cpu")


@pytest.mark.parametrize(
    ("pool", "machine"),
    [
        (with_identity("ApplicationPoolIdentity", number=70001), ROOT),
        (with_identity("SpecificUser", "other"), ROOT),
        (with_identity("SpecificUser", "you"), PLAIN),  # he is that one already
        (with_identity("SpecificUser", "1000"), PLAIN),
        (with_sandbox("Enforce"), PLAIN),  # needs no privileges
        (replace(POOL, cpu=Cpu(limit=1000, action="Throttle")), ROOT),
        (replace(POOL, cpu=Cpu(limit=100000, action="Throttle")), replace(ROOT, control_group_problem="none")),
        (replace(POOL, cpu=Cpu(limit=1000, action="KillW3wp")), PLAIN),
    ],
)
def test_wishes_that_are_granted_are_not_mentioned(pool: Pool, machine: Machine) -> None:
    """A warning for what works would be ignored the next time, too."""
    assert list(shortfalls(pool, machine)) == []


@pytest.mark.parametrize(
    ("user_name", "machine", "words"),
    [
        ("", ROOT, ""),
        ("", PLAIN, ""),
        ("web", ROOT, ""),
        ("71777", ROOT, ""),
        ("you", PLAIN, ""),
        ("1000", PLAIN, ""),
        ("web", PLAIN, "only root may start it as somebody else"),
        ("root", ROOT, "the listener runs as root"),
        ("0", ROOT, "the listener runs as root"),
        ("71777", replace(ROOT, user_numbers=((0, 65536),)), "does not exist in this container"),
    ],
)
def test_a_user_that_the_listener_cannot_be_or_should_not_is_told(user_name: str, machine: Machine, words: str) -> None:
    """With where it is written and what to do; a listener that names nobody takes what there is."""
    kind = "SpecificUser" if user_name else "ApplicationPoolIdentity"
    found = list(listener_shortfalls(Identity(type=kind, user_name=user_name, number=0), machine))
    assert [words in one.message for one in found] == ([True] if words else [])
    assert all((one.element, one.attribute) == ("listener", "userName") and one.remedy for one in found)
