"""HttpApplicationFactory: an application's objects, made when they are needed and kept for the next request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from host.api.managed import HttpApplication

TRIM_SECONDS: Final = 30.0
"""How often the list of free objects is looked at."""


def trim_count(free: int) -> int:
    """How many of so many free objects to let go of: 3 % and one, while more than one is free (as ASP.NET does)."""
    return min(free * 3 // 100 + 1, free - 1) if free > 1 else 0


class HttpApplicationFactory:
    """The free list. There is no upper bound: as many objects are made as requests need at a time."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        make: Callable[[], HttpApplication],
        dispose: Callable[[HttpApplication], None],
    ) -> None:
        self._loop = loop
        self._make = make
        self._dispose = dispose
        self._free: list[HttpApplication] = []
        self._timer: asyncio.TimerHandle | None = None
        self.made = 0

    def take(self) -> HttpApplication:
        """A free object, or a new one. Raises whatever making it raises."""
        if self._free:
            return self._free.pop()
        application = self._make()
        self.made += 1
        return application

    def give_back(self, application: HttpApplication) -> None:
        """Its request is over."""
        application.enter(None)
        self._free.append(application)
        if self._timer is None and len(self._free) > 1:
            self._timer = self._loop.call_later(TRIM_SECONDS, self._trim)

    def close(self) -> None:
        """The application ends: every free object is disposed of."""
        if self._timer is not None:
            self._timer.cancel()
        while self._free:
            self._dispose(self._free.pop())

    def _trim(self) -> None:
        self._timer = None
        for _ in range(trim_count(len(self._free))):
            self._dispose(self._free.pop(0))  # the one that has been free longest
        if len(self._free) > 1:
            self._timer = self._loop.call_later(TRIM_SECONDS, self._trim)
