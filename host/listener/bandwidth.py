"""`limits/@maxBandwidth` and `webLimits/@maxGlobalBandwidth`: how many bytes may go to clients now.

An account is kept in bytes: it grows with the clock by the limit, up to BURST_SECONDS of it, and falls by what is sent.
Something may be sent while it is above zero, and at most a portion at once: so far an account can be overdrawn, and
nothing is ever too large to be sent. Time comes in as an argument.
"""

from __future__ import annotations

from typing import Final

UNLIMITED: Final = 4294967295
"""The attribute's largest number: no limit."""

BURST_SECONDS: Final = 0.25
"""What a quiet site may save up: more than the time between two looks of the shared timer, also on a busy machine."""

_PORTION_SECONDS: Final = 0.05
_SMALLEST_PORTION: Final = 512
_LARGEST_PORTION: Final = 64 * 1024


class Account:
    """The bytes of one limit. `rate` is in bytes per second."""

    __slots__ = ("_balance", "_filled_at", "rate")

    def __init__(self, rate: int, now: float) -> None:
        self.rate = rate
        self._balance = rate * BURST_SECONDS
        self._filled_at = now

    def has_credit(self, now: float) -> bool:
        """Whether something may be sent at that moment of the clock (seconds)."""
        if now > self._filled_at:
            most = self.rate * BURST_SECONDS
            self._balance = min(most, self._balance + (now - self._filled_at) * self.rate)
            self._filled_at = now
        return self._balance > 0

    def spend(self, count: int) -> None:
        """So many bytes were sent."""
        self._balance -= count

    @property
    def portion(self) -> int:
        """Bytes that one connection may send before others have their turn."""
        return min(_LARGEST_PORTION, max(_SMALLEST_PORTION, int(self.rate * _PORTION_SECONDS)))
