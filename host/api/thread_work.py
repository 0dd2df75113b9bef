"""A call on a thread for a request that may be over before the call is: whether a thread is at work for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable


class ThreadWork:
    """Begun and ended on the thread; abandoned on the loop. A request is never given back while a thread is at work for
    it, and nothing is called for one that is over before a thread was free."""

    __slots__ = ("_ended", "_has_begun", "_loop", "is_abandoned", "is_over", "lock")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.lock = threading.Lock()
        """Held by who does something on the thread that must not be done once `is_abandoned`."""
        self.is_abandoned = False
        self.is_over = False
        self._has_begun = False
        self._ended: asyncio.Future[None] | None = None

    # --- on the thread

    def begin(self) -> bool:
        """Whether to go on: nobody has abandoned it. Then `end` is to be called, whatever happens."""
        with self.lock:
            self._has_begun = not self.is_abandoned
            return self._has_begun

    def end(self, drop: Callable[[], None] | None = None) -> None:
        """It is over. When it has been abandoned, nobody takes what it has made: then `drop` is called before anybody
        hears of the end, and must not raise."""
        with self.lock:
            self.is_over = True
            ended = self._ended
            if self.is_abandoned and drop is not None:
                drop()
        if ended is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_set, ended)

    # --- on the loop

    def abandon(self) -> bool:
        """Nobody takes what it makes. Whether a thread is at work: `ended` returns when it is not any more."""
        with self.lock:
            self.is_abandoned = True
            if self.is_over or not self._has_begun:
                return False
            if self._ended is None:
                self._ended = self._loop.create_future()
            return True

    async def ended(self) -> None:
        """Abandon it, and return when no thread is at work. Raises nothing."""
        if not self.abandon():
            return
        ended = self._ended
        assert ended is not None
        while not ended.done():
            with contextlib.suppress(asyncio.CancelledError):  # the end is awaited, however often we are told
                await asyncio.shield(ended)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
