"""What this kernel and this user give: the facts that `isapy check` compares the configuration with."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from host.confinement.control_group import own_control_group
from host.confinement.identity import Account, own_account
from host.confinement.landlock import landlock_abi
from host.confinement.privileges import may_change_identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`user_numbers` are the user numbers that exist here, as (first, count): a container may map only some.
    `control_group_problem` is why processor time cannot be limited by cgroup v2; empty when it can."""

    account: Account
    may_change_identity: bool
    user_numbers: tuple[tuple[int, int], ...]
    landlock_abi: int
    control_group_problem: str
    processors: int

    def maps(self, number: int) -> bool:
        """Whether that user number exists here."""
        return any(first <= number < first + count for first, count in self.user_numbers)


def maps_user(number: int) -> bool:
    """Whether that user number exists in this process's user namespace."""
    return any(first <= number < first + count for first, count in _user_numbers())


def this_machine() -> Machine:
    """The facts of this machine and of the user who asks."""
    return Machine(
        account=own_account(),
        may_change_identity=may_change_identity(),
        user_numbers=_user_numbers(),
        landlock_abi=landlock_abi(),
        control_group_problem=own_control_group().problem,
        processors=os.cpu_count() or 1,
    )


def _user_numbers() -> tuple[tuple[int, int], ...]:
    try:
        text = Path("/proc/self/uid_map").read_text()
    except OSError:
        return ((0, 4294967295),)
    return tuple(
        (int(found[1]), int(found[2])) for found in re.finditer(r"^\s*(\d+)\s+\d+\s+(\d+)", text, re.MULTILINE)
    )
