"""What ends a program that takes too long: in all, to its first byte, and from byte to byte.

A program is only held to account for its own silence: while the client's body is awaited, or the client takes nothing,
the clocks of the two silences stand. After the answer only the time in all counts: what a program does then is its own.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple


class Overdue(enum.Enum):
    """Which limit has passed; the value is its attribute of `<cgi>`."""

    IN_ALL = "timeout"
    FIRST_BYTE = "firstByteTimeout"
    SILENCE = "idleTimeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Seconds; the last two: 0 is none."""

    in_all: int
    first_byte: int = 0
    silence: int = 0

    def seconds_of(self, overdue: Overdue) -> int:
        """The limit that has passed."""
        return {Overdue.IN_ALL: self.in_all, Overdue.FIRST_BYTE: self.first_byte, Overdue.SILENCE: self.silence}[
            overdue
        ]


class RunFacts(NamedTuple):
    """A run as it stands; times are the loop's."""

    started_at: float
    is_over: bool  # the program has ended and nothing holds its output open
    is_answered: bool
    has_printed: bool
    waits_since: float | None  # since when somebody waits for output and there is none
    took_input_at: float  # when it last took some of its body
    awaits_client: bool  # the rest of the body has not come


def overdue(limits: TimeLimits, facts: RunFacts, now: float) -> Overdue | None:
    """The limit that has passed at `now`, if one has."""
    if facts.is_over:
        return None
    if now >= facts.started_at + limits.in_all:
        return Overdue.IN_ALL
    if facts.is_answered or facts.awaits_client or facts.waits_since is None:
        return None
    if not facts.has_printed:
        since = max(facts.started_at, facts.took_input_at)
        return Overdue.FIRST_BYTE if limits.first_byte and now >= since + limits.first_byte else None
    since = max(facts.waits_since, facts.took_input_at)
    return Overdue.SILENCE if limits.silence and now >= since + limits.silence else None
