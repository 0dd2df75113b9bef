"""The process manager's decisions. Facts and the clock are handed in; times are seconds of one monotonic clock."""

from __future__ import annotations

import enum
from collections import deque
from typing import Final

RAPID_FAIL_SECONDS: Final = 60.0
"""The window of fastCgi/application/@rapidFailsPerMinute."""

_INSTANCES_A_PROCESSOR: Final = 4
_FEWEST_INSTANCES: Final = 8


def most_instances(configured: int, processors: int) -> int:
    """maxInstances; 0 is automatic: more than there are processors, for programs wait most of their time."""
    return configured or max(_FEWEST_INSTANCES, _INSTANCES_A_PROCESSOR * processors)


class Overdue(enum.Enum):
    """Which limit a request has passed; the value is the attribute's name."""

    ACTIVITY = "activityTimeout"
    REQUEST = "requestTimeout"


def overdue(
    now: float, began_at: float, quiet_since: float | None, *, activity_seconds: int, request_seconds: int
) -> Overdue | None:
    """The limit that has passed. `quiet_since`: the process has owed us something since then; None: it owes nothing
    (the client is being waited for)."""
    if now - began_at >= request_seconds:
        return Overdue.REQUEST
    if quiet_since is not None and now - quiet_since >= activity_seconds:
        return Overdue.ACTIVITY
    return None


class RapidFails:
    """Counts failed processes. `most` is rapidFailsPerMinute; 0: there is no limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: deque[float] = deque(maxlen=most + 1)

    def note(self, now: float) -> bool:
        """A process has failed. True when that was the one too many."""
        was_down = self.is_down(now)
        self._times.append(now)
        return not was_down and self.is_down(now)

    def is_down(self, now: float) -> bool:
        """Whether no process shall be started now: more than `most` have failed in the minute that ends now."""
        return 0 < self._most < len(self._times) and now - self._times[0] < RAPID_FAIL_SECONDS


class UploadPlaces:
    """Requests whose clients still send their bodies may have half of an application's processes."""

    def __init__(self, most_instances: int) -> None:
        self._left = most_instances // 2

    def begin(self) -> bool:
        """Take a place until `end`. False: there is none, the body is to be collected first."""
        if not self._left:
            return False
        self._left -= 1
        return True

    def end(self) -> None:
        """It is answered."""
        self._left += 1


class ErrorTextVerdict(enum.Enum):
    """What text on FCGI_STDERR does to an answer of which nothing has left yet."""

    PASS = "pass"
    REFUSE = "refuse"
    REFUSE_AND_TELL = "refuse and tell"
    REFUSE_AND_END = "refuse and end the process"


ERROR_TEXT_VERDICTS: Final = {
    "ReturnStdErrIn500": ErrorTextVerdict.REFUSE_AND_TELL,
    "ReturnGeneric500": ErrorTextVerdict.REFUSE,
    "IgnoreAndReturn200": ErrorTextVerdict.PASS,
    "TerminateProcess": ErrorTextVerdict.REFUSE_AND_END,
}
"""By stderrMode."""


def must_be_replaced(served: int, most_requests: int, generation: int, newest_generation: int) -> bool:
    """Whether a process shall answer no further request: it has answered enough, or it began before a change."""
    return served >= most_requests or generation != newest_generation


def is_idle_for_too_long(now: float, idle_since: float, idle_seconds: int) -> bool:
    """idleTimeout."""
    return now - idle_since >= idle_seconds


def died_of_itself(status: int, served: int, is_busy: bool) -> bool:
    """Whether the end of a process counts as a failure: not when it has answered, was idle and exits with 0, as
    php-cgi does after PHP_FCGI_MAX_REQUESTS."""
    return is_busy or status != 0 or served == 0
