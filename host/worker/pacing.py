"""cpu/@action="Throttle" where no cgroup can do it: a worker that has used more than its share takes no new request
until time has paid for it. Requests in hand go on; nothing is stopped in the middle.

An account is kept in processor seconds: it grows with the clock by the share, and falls by what the process uses. While
it is overdrawn, the credits of finished requests are kept back; a timer gives them out again when it is settled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

PACED_CREDITS: Final = 4
"""Requests that may come to a paced worker beyond those it has in hand: what has been promised cannot be taken back, so
this is how far an account is overdrawn at once."""

LOOK_SECONDS: Final = 0.05
"""A paced worker looks at its account so often, and then takes up to `PACED_CREDITS` more requests."""

MOST_SAVED_SECONDS: Final = 0.25
"""A worker that was idle may use this much of the clock's time at full speed before it is slowed down again."""


class Account:
    """Pure bookkeeping in processor seconds; clocks are passed in."""

    def __init__(self) -> None:
        self._share = 0.0
        self._saved = 0.0
        self._clock = 0.0
        self._used = 0.0

    def set_share(self, share: float, clock: float, used: float) -> None:
        """From now on so much is earned a second. What was used before the first share is not counted."""
        if self._share:
            self.balance(clock, used)
        else:
            self._clock, self._used = clock, used
        self._share = share

    def balance(self, clock: float, used: float) -> float:
        """What is in hand at that moment; negative: overdrawn."""
        earned, spent = (clock - self._clock) * self._share, used - self._used
        self._clock, self._used = clock, used
        self._saved = min(self._saved + earned - spent, MOST_SAVED_SECONDS * self._share)
        return self._saved


class Pacer:
    """The account of this process, looked at again and again; `settled()` is called on the loop each time that requests
    may be taken."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settled: Callable[[], None]) -> None:
        self._loop = loop
        self._settled = settled
        self._account = Account()
        self._timer = loop.call_later(LOOK_SECONDS, self._look)

    def set_share(self, share: float) -> None:
        """The service's word: processor seconds a second that this worker may use."""
        self._account.set_share(share, self._loop.time(), time.process_time())

    def must_wait(self) -> bool:
        """Whether no new request may be taken now."""
        return self._account.balance(self._loop.time(), time.process_time()) < 0.0

    def close(self) -> None:
        """Stop looking."""
        self._timer.cancel()

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        if not self.must_wait():
            self._settled()
