"""How long to wait before a process is started again whose predecessors failed; requests wait in the queue meanwhile.

The first failure costs nothing: a worker that crashed once is replaced at once. Failures that follow one another
without a success between them double the pause up to a bound, so that a process that always dies costs a start now and
then and not all of the machine's time. A success is a process that was ready and stayed alive for a while after it.
Rapid-fail protection is another matter: it gives up, and it may be switched off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

FIRST_PAUSE_SECONDS: Final = 0.25
"""After the second failure in a row; doubled by every further one."""

LONGEST_PAUSE_SECONDS: Final = 30.0
"""Well below a site's connectionTimeout (120 s by default): who waits in the queue sees more than one attempt."""

SETTLED_SECONDS: Final = 2.0
"""A process that has been ready for so long was a success, whatever happens to it later."""


def failures_in_a_row(earlier: Sequence[float], ready_at: float | None, now: float) -> tuple[float, ...]:
    """The series after a process failed at `now`: `earlier` and this one, or this one alone if it had been a success.

    All are monotonic seconds; `ready_at` is when the process became ready, None when it never did.
    """
    was_success = ready_at is not None and now - ready_at >= SETTLED_SECONDS
    return (now,) if was_success else (*earlier, now)


def seconds_to_wait(in_a_row: Sequence[float], now: float) -> float:
    """How long the next start still has to wait at `now`; 0.0: it may be made at once.

    `in_a_row` are the instants of the failures since the last success, oldest first (monotonic seconds).
    """
    if len(in_a_row) < 2:
        return 0.0
    doublings = min(len(in_a_row) - 2, 32)  # no power of two that a float cannot hold
    pause = min(FIRST_PAUSE_SECONDS * 2.0**doublings, LONGEST_PAUSE_SECONDS)
    return max(0.0, in_a_row[-1] + pause - now)
