"""`webLimits/@minBytesPerSecond`, judged over a whole response as HTTP.sys does.

A connection goes only when it has been waited for longer than the response would need at that rate. What counts is the
time in which the listener had bytes that the client did not take; while a worker thinks, or bandwidth is limited, no
time is the client's. Time comes in as an argument.
"""

from __future__ import annotations

import math


class RateWatch:
    """The time that one response has cost its client. `base`: bytes handed to the connection before that response."""

    __slots__ = ("_base", "_since", "_waited")

    def __init__(self, base: int, now: float) -> None:
        self._base = base
        self._waited = 0.0
        self._since: float | None = now

    def go_on(self, now: float) -> None:
        """The client is waited for."""
        if self._since is None:
            self._since = now

    def pause(self, now: float) -> None:
        """The client is not waited for."""
        if self._since is not None:
            self._waited += now - self._since
            self._since = None

    def forgive(self, now: float) -> None:
        """The time since the last `go_on` was not the client's."""
        self._since = now

    def seconds_left(self, handed_bytes: int, rate: int, now: float) -> float:
        """How long the client may still be waited for; `handed_bytes` of the connection, `rate` in bytes per second, 0
        for no limit."""
        if not rate:
            return math.inf
        waited = self._waited + (now - self._since if self._since is not None else 0.0)
        return (handed_bytes - self._base) / rate - waited
