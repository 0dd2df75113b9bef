"""A program's standard output, read from the event loop when somebody asks for it: that is the back-pressure."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Final

PIECE_BYTES: Final = 65536
"""Bytes of one read: what a pipe holds."""


class OutputPipe:
    """The reading end of a pipe; owns `descriptor`. One reader at a time."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._waiter: asyncio.Future[bool] | None = None
        self._failure: Exception | None = None
        self._is_discarding = False
        self.waits_since: float | None = None
        """Loop time since when the pipe has been empty; None while nobody waits for it."""
        self.bytes_read = 0
        """What somebody has read; what was dropped is not counted."""
        self.is_closed = False

    async def read(self, patience_seconds: float | None = None) -> bytes | None:
        """The next bytes; empty at the end. None when nothing came for `patience_seconds`.

        Raises what was given to `fail`.
        """
        while not self.is_closed:
            if self._failure is not None:
                raise self._failure
            try:
                data = os.read(self._descriptor, PIECE_BYTES)
            except BlockingIOError:
                if not await self._readable(patience_seconds):
                    return None
                continue
            if not data:
                self.close()
            self.bytes_read += len(data)
            return data
        if self._failure is not None:
            raise self._failure
        return b""

    def discard(self) -> None:
        """Read and drop the rest: a program that prints more than is wanted should not die of it."""
        if not self.is_closed and not self._is_discarding:
            self._is_discarding = True
            self.waits_since = self._loop.time()
            self._loop.add_reader(self._descriptor, self._drop)

    def fail(self, failure: Exception) -> None:
        """Whoever reads gets `failure` from now on."""
        self._failure = failure
        self._wake(True)

    def close(self) -> None:
        """No more output is wanted, or none comes: readers get the end."""
        if not self.is_closed:
            self.is_closed = True
            self.waits_since = None
            if self._waiter is not None or self._is_discarding:
                self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._wake(True)

    def _drop(self) -> None:
        self.waits_since = self._loop.time()
        with contextlib.suppress(BlockingIOError):
            if not os.read(self._descriptor, PIECE_BYTES):
                self.close()

    async def _readable(self, patience_seconds: float | None) -> bool:
        self._waiter = self._loop.create_future()
        self.waits_since = self._loop.time()
        self._loop.add_reader(self._descriptor, self._wake, True)
        timer = None
        if patience_seconds is not None:
            timer = self._loop.call_later(patience_seconds, self._wake, False)
        try:
            return await self._waiter
        finally:
            self._waiter = self.waits_since = None
            if timer is not None:
                timer.cancel()
            if not self.is_closed:
                self._loop.remove_reader(self._descriptor)

    def _wake(self, is_readable: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(is_readable)
