"""A program's standard output, read from the event loop when somebody asks for it: that is the back-pressure."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from typing import Final

PIECE_BYTES: Final = 65536
"""Bytes of one read: what a pipe holds."""


LENT_PIPE_BYTES: Final = 262144
"""What a pipe holds that is lent: with four times as much in one read, whoever reads and the program wait less for each
other. More was no faster."""


class OutputPipe:
    """The reading end of a pipe; owns `descriptor`, from which `first` has been read. One reader at a time."""

    def __init__(self, descriptor: int, first: bytes = b"") -> None:
        os.set_blocking(descriptor, False)
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._first = first
        self._waiter: asyncio.Future[bool] | None = None
        self._failure: Exception | None = None
        self._is_discarding = False
        self._is_lent = False
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
            if self._first:
                data, self._first = self._first, b""
                self.bytes_read += len(data)
                return data
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

    def lend(self) -> int:
        """A second descriptor of the pipe, made wide, for another process that reads it from now on until `take_back`.
        The caller's to close."""
        with contextlib.suppress(OSError):  # its user has many wide pipes already (pipe-user-pages-soft)
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, LENT_PIPE_BYTES)
        descriptor = os.dup(self._descriptor)
        self._is_lent = True
        self._waiter = self._loop.create_future()
        return descriptor

    def note(self, count: int, *, waits: bool) -> None:
        """Whoever it is lent to has read `count` bytes more; `waits`: and would read on, if there were any."""
        self.bytes_read += count
        self.waits_since = self._loop.time() if waits else None

    def look(self) -> None:
        """While it is lent: a pipe that holds bytes is not silent, whatever was said of it."""
        if self._is_lent and self.waits_since is not None and held_bytes(self._descriptor):
            self.waits_since = None

    def take_back(self, *, has_ended: bool) -> None:
        """It is not lent any more."""
        self._is_lent = False
        self.waits_since = None
        if has_ended:
            self.close()
        self._wake(True)

    async def back(self) -> None:
        """Returns when it is not lent any more, or has been closed. Raises what was given to `fail`."""
        if self._waiter is not None:
            try:
                await self._waiter
            finally:
                self._waiter = None
                self._is_lent = False
        if self._failure is not None:
            raise self._failure

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
            if (self._waiter is not None and not self._is_lent) or self._is_discarding:
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


def held_bytes(pipe: int) -> int:
    """How many lie in it unread."""
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"))[0])
