"""When the front (listener or inetinfo) is asked whether it is well, and when its silence means that it is not.

The front is no application pool: its limits are not configured. IIS 5 had no pings at all, IIS 6 none for HTTP.sys,
which cannot hang alone; ours is a process, and in IIS 5 isolation mode it runs filters and applications. All times are
monotonic seconds.
"""

from __future__ import annotations

from typing import Final

PING_SECONDS: Final = 5.0
"""How long after an answer the front is asked again."""

HUNG_SECONDS: Final = 30.0
"""How long its loop may leave a ping unanswered before it is replaced."""

START_SECONDS: Final = 90.0
"""How long it may take until it is ready (startupTimeLimit's default): inetinfo loads plugins."""


def is_front_ping_due(now: float, asked_at: float, answered_at: float) -> bool:
    """Whether the last ping was answered, long enough ago."""
    return answered_at >= asked_at and now - answered_at >= PING_SECONDS


def is_front_hung(now: float, asked_at: float, answered_at: float) -> bool:
    """Whether a ping has waited longer than it may."""
    return asked_at > answered_at and now - asked_at > HUNG_SECONDS


def is_front_well(now: float, answered_at: float) -> bool:
    """Whether there was a sign of life (an answer, or becoming ready) as lately as a front that is well gives one."""
    return now - answered_at <= HUNG_SECONDS + PING_SECONDS
