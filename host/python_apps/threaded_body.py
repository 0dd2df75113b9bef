"""A response's body that a thread makes while the loop sends it: at most `ROOM_BYTES` wait between the two.

The application stays on one thread from its call to `close()`: database connections, thread-local and context
variables of a generator would not survive a change.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Final

from host.api import ClientGone

ROOM_BYTES: Final = 65536
"""What may wait for the client. A thread that is ahead by more than that waits."""


class ThreadedBody:
    """The thread calls `push` and `finish`, the loop iterates and closes. `culprit` is the application's name."""

    def __init__(self, loop: asyncio.AbstractEventLoop, culprit: str) -> None:
        self.culprit = culprit
        self._loop = loop
        self._state = threading.Condition(threading.Lock())
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_complete = False
        self._is_abandoned = False
        self._failure: BaseException | None = None
        self._waiters: list[asyncio.Future[None]] = []

    # --- the thread's side

    def push(self, piece: bytes) -> None:
        """Hand a piece over, as soon as there is room. Raises ClientGone when nobody takes it any more."""
        with self._state:
            while self._size >= ROOM_BYTES and not self._is_abandoned:
                self._state.wait()
            if self._is_abandoned:
                raise ClientGone("the client closed its connection")
            self._pieces.append(piece)
            self._size += len(piece)
            wakes = bool(self._waiters)
        if wakes:
            self._call_loop()

    def finish(self, failure: BaseException | None = None) -> None:
        """There is nothing more, or the application has failed. The thread is done with the request."""
        with self._state:
            self._is_complete = True
            self._failure = failure
        self._call_loop()

    # --- the loop's side

    def __aiter__(self) -> ThreadedBody:
        return self

    async def __anext__(self) -> bytes:
        while True:
            with self._state:
                if self._pieces:
                    data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
                    self._pieces.clear()
                    self._size = 0
                    self._state.notify()
                    return data
                if self._is_complete:
                    if self._failure is not None:
                        try:
                            raise self._failure
                        finally:
                            self._failure = None  # its traceback leads here: no circle is left for the collector
                    raise StopAsyncIteration
                waiter = self._new_waiter()
            await waiter

    async def aclose(self) -> None:
        """Nobody takes more. Returns when the thread has closed the application's iterable."""
        with self._state:
            self._is_abandoned = True
            self._pieces.clear()
            self._size = 0
            self._state.notify()
        while True:
            with self._state:
                if self._is_complete:
                    return
                waiter = self._new_waiter()
            await waiter

    def _new_waiter(self) -> asyncio.Future[None]:
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        return waiter

    def _call_loop(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _wake(self) -> None:
        with self._state:
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
