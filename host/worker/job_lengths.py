"""Whether the jobs of a thread pool are short ones: a policy, told by the threads how long each job has taken.

A job that answers from memory takes some ten microseconds. When it takes much longer it computes, or waits for a
database or a file; then the next one should not wait for it.
"""

from __future__ import annotations

from typing import Final

SHORT_SECONDS: Final = 0.00005
"""A job that takes longer is a long one. At this length a thread alone does as many as the interpreter can, the event
loop's part of each request counted: a second one could add nothing."""

_STEP: Final = 4
_LONG_FROM: Final = 8
_MOST: Final = 24


class JobLengths:
    """Long jobs count for more than short ones: one in four makes all of them wait for nobody. A single one does not:
    any job is interrupted now and then."""

    __slots__ = ("score",)

    def __init__(self) -> None:
        self.score = 0  # 0: there is nothing to be forgotten, a short job need not be noted

    @property
    def are_long(self) -> bool:
        """Whether each job should have a thread at once."""
        return self.score >= _LONG_FROM

    def note(self, seconds: float) -> None:
        """A job has taken so long. On any thread: a count that gets lost between two of them does not matter."""
        if seconds > SHORT_SECONDS:
            self.score = min(self.score + _STEP, _MOST)
        elif self.score:
            self.score -= 1
