"""What the configuration says a pool's processes may be, use and touch, as frozen values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

READ: Final = "Read"
WRITE: Final = "Write"
EXECUTE: Final = "Execute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`processModel`: whom the pool shall be. `type` is empty as long as nobody has written identityType.

    `number` is the user and group number that ApplicationPoolIdentity gives the pool."""

    type: str = ""
    user_name: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRule:
    """One folder or file, absolute, and what may be done there: READ, WRITE, EXECUTE."""

    path: str
    access: tuple[str, ...] = (READ,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """`sandbox`: `rules` come in addition to what every pool needs."""

    mode: str = "Off"  # Report, Enforce
    rules: tuple[SandboxRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What a pool's parent takes on before its first fork and can never give back: a change needs a new parent."""

    identity: Identity = field(default_factory=Identity)
    no_new_privileges: bool = True  # ours
    sandbox: Sandbox = field(default_factory=Sandbox)
    has_script_users: bool = False  # ours: cgi/@runAs names another user than the pool's somewhere

    @property
    def is_made_at_start(self) -> bool:
        """Whether rules are made when the parent starts, from what it serves then: a sandbox, or whose scripts run as
        whom."""
        return self.sandbox.mode != "Off" or self.has_script_users


WHOLE: Final = 100000
"""The limit of processor time that is none: 100 % in 1/1000 of a percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """`cpu`. `limit` is in 1/1000 of a percent of all processors, 0: none. `processors` are the numbers that both masks
    name, whether the machine has them or not; empty: the pool is not bound to any."""

    limit: int = 0
    action: str = "NoAction"
    reset_interval_seconds: int = 300
    processors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramLimits:
    """Resource limits of a CGI program; 0 leaves what isapy has."""

    processor_seconds: int = 0
    address_space_kilobytes: int = 0
    open_files: int = 0
    processes: int = 0


def assign_numbers(names: Iterable[str], first: int, last: int) -> Mapping[str, int]:
    """A number from `first` to `last` for each pool, the same one as long as its name and the range stay the same.

    It is a hash of the name. When two names meet, the one that is later in the alphabet takes the next free number;
    so a pool that is added can move another one only if the two collide. Raises ValueError for a range that is too
    small for all of them.
    """
    size = last - first + 1
    given: dict[str, int] = {}
    taken: set[int] = set()
    wanted = sorted(set(names))
    for name in wanted:
        if len(taken) >= size:
            raise ValueError(f"{size} numbers from {first} to {last} are too few for the pools, {len(wanted)} of them")
        digest = hashlib.blake2b(name.lower().encode("utf-8", "surrogateescape"), digest_size=8).digest()
        offset = int.from_bytes(digest, "big") % size
        while offset in taken:
            offset = (offset + 1) % size
        taken.add(offset)
        given[name] = first + offset
    return given


def processors_of(low_mask: int, high_mask: int) -> tuple[int, ...]:
    """Numbers of the processors that smpProcessorAffinityMask (0 to 31) and ...Mask2 (32 to 63) name."""
    mask = low_mask | high_mask << 32
    return tuple(number for number in range(64) if mask >> number & 1)
