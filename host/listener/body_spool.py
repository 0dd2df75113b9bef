"""What is taken off a client that sends its whole body before it reads, while the program that reads the body writes.

Neither can go on then: the answer waits for the client, the client for the body to go, the body for the program, and
the program for its answer. The rest of the body waits here instead, in memory without a name that is given back to the
kernel when it has gone; it needs no file, which the listener could not open. All connections share one room, so that
strangers cannot fill the machine. What finds none waits in the client, as it would without (decision 076).
"""

from __future__ import annotations

import os
from typing import Final

ROOM_BYTES: Final = 128 * 1024 * 1024  # of one listener process, for all of its clients
MOST_OF_ONE: Final = 64 * 1024 * 1024  # and for one body: nobody gets all of the room
_FLAGS: Final = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE


class SpoolRoom:
    """How much may wait here, and how many bodies have begun to."""

    __slots__ = ("begun", "left_bytes")

    def __init__(self, most_bytes: int = ROOM_BYTES) -> None:
        self.left_bytes = most_bytes
        self.begun = 0

    def begin(self) -> BodySpool | None:
        """A place for one body; None: there is none."""
        if self.left_bytes <= 0:
            return None
        try:
            file = os.memfd_create("isapy-body", os.MFD_CLOEXEC)
        except OSError:  # no descriptor is left, for example
            return None
        self.begun += 1
        return BodySpool(self, file)


class BodySpool:
    """One body's place; `file` is owned. What was added is taken in that order. It is closed when it is empty again:
    pages that were given to a pipe must not be written anew."""

    __slots__ = ("_added", "_file", "_room", "_taken")

    def __init__(self, room: SpoolRoom, file: int) -> None:
        self._room = room
        self._file = file
        self._added = self._taken = 0

    @property
    def has_room(self) -> bool:
        """Whether the client should be read. One reading may exceed the room by what it brings."""
        return self._room.left_bytes > 0 and self._added < MOST_OF_ONE

    @property
    def waiting_bytes(self) -> int:
        """What has not been taken."""
        return self._added - self._taken

    def add(self, data: bytes) -> None:
        """Keep it. Raises OSError."""
        rest = memoryview(data)
        while rest:
            count = os.pwrite(self._file, rest, self._added)
            self._added += count
            self._room.left_bytes -= count
            rest = rest[count:]

    def take(self, most: int) -> bytes:
        """The next bytes. Raises OSError."""
        data = os.pread(self._file, min(most, self.waiting_bytes), self._taken)
        self._taken += len(data)
        return data

    def move(self, pipe: int, most: int) -> None:
        """Give the next bytes to a pipe. Raises BlockingIOError when it takes none, OSError when nobody reads it."""
        count = min(most, self.waiting_bytes)
        self._taken += os.splice(self._file, pipe, count, offset_src=self._taken, flags=_FLAGS)

    def close(self) -> None:
        """Give the memory back; once or more often."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._room.left_bytes += self._added
            self._added = self._taken = 0
