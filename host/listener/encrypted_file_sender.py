"""Sends pieces of files over TLS: read in pieces as the client takes them, since sendfile cannot encrypt.

The same serves a plain connection for which no descriptor is left (FileSender needs a second one).

What FileSender does for plain connections, with the same face. Memory holds what the transport may hold, not the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from host.listener.file_turns import FileTurns

PIECE_BYTES: Final = 128 * 1024
_WEIGHT: Final = 2
"""What a byte counts among those that go out in one turn of the loop: encryption costs time that others wait."""


class EncryptedFileSender:
    """The piece under way on one connection; see FileSender for `done` and `broken`. `resume` when the transport takes
    bytes again."""

    __slots__ = (
        "_broken",
        "_descriptor",
        "_done",
        "_is_waiting",
        "_left",
        "_offset",
        "_transport",
        "_turns",
        "is_paused",
    )

    def __init__(self, turns: FileTurns, transport: Any, broken: Callable[[], None]) -> None:
        self._turns = turns
        self._transport = transport
        self._broken = broken
        self._descriptor = -1
        self._offset = self._left = 0
        self._done: Callable[[bool], None] | None = None
        self._is_waiting = False
        self.is_paused = False  # the transport holds enough

    @property
    def left_bytes(self) -> int:
        """Bytes of the piece under way that have not been handed to the transport."""
        return self._left

    def send(self, prefix: bytes, descriptor: int, offset: int, length: int, done: Callable[[bool], None]) -> None:
        """Send `prefix`, then the piece. `descriptor` is owned and closed here; `done` is never called from inside."""
        self._descriptor, self._offset, self._left, self._done = descriptor, offset, length, done
        if prefix:
            self._transport.write(prefix)
        self._wait()

    def resume(self) -> None:
        """The transport takes bytes again."""
        self.is_paused = False
        if self._descriptor >= 0:
            self._wait()

    def close(self) -> None:
        """Drop what is under way; `done` is not called."""
        self._done = None
        self._close_descriptor()

    def _wait(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._turns.wait(self._turn)

    def _turn(self, most: int) -> None:
        self._is_waiting = False
        sent = 0
        while self._descriptor >= 0 and not self.is_paused and sent * _WEIGHT < most:
            try:
                data = os.pread(self._descriptor, min(self._left, PIECE_BYTES), self._offset)
            except OSError:
                self._broken()
                return
            self._offset += len(data)
            self._left -= len(data)
            sent += len(data)
            if data:
                self._transport.write(data)  # may call pause_writing
            if not data or self._left == 0:
                self._finish(self._left == 0)
                break
        self._turns.spend(sent * _WEIGHT)
        if self._descriptor >= 0 and not self.is_paused:
            self._wait()

    def _finish(self, ok: bool) -> None:
        self._close_descriptor()
        done, self._done = self._done, None
        if done is not None:
            done(ok)

    def _close_descriptor(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
