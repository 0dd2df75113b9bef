"""Whether there is memory for an overlapped recycle: while it lasts, old worker and replacement both need theirs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupMemory:
    """The control group with the least room among those that a worker lives in. Kilobytes; `used` without the page
    cache that the kernel would give up first."""

    folder: str
    limit_kilobytes: int
    used_kilobytes: int

    @property
    def room_kilobytes(self) -> int:
        """What may still be taken."""
        return max(0, self.limit_kilobytes - self.used_kilobytes)


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """`private_kilobytes` is what the worker that would be replaced holds alone, or more, if there is room for that as
    well; `available_kilobytes` the kernel's MemAvailable; `group` is None where no control group limits memory."""

    private_kilobytes: int
    available_kilobytes: int
    group: GroupMemory | None = None


def shortage(facts: MemoryFacts) -> str:
    """Why a second worker of the same size does not fit, with the numbers; empty when it does.

    The replacement will be smaller at first; that it grows to the same size while the old one finishes is the case that
    must not bring the machine down.
    """
    needed = facts.private_kilobytes
    if needed > facts.available_kilobytes:
        return f"the worker has {needed} KB of its own, the machine has {facts.available_kilobytes} KB available"
    group = facts.group
    if group is not None and needed > group.room_kilobytes:
        return (
            f"the worker has {needed} KB of its own, its control group {group.folder} has "
            f"{group.room_kilobytes} KB left of {group.limit_kilobytes} KB"
        )
    return ""
