"""Sends pieces of files with sendfile, without their bytes passing through Python.

The transport's own descriptor cannot be watched (uvloop refuses), so the work is done on a duplicate of it. The caller
makes sure that the transport holds no unsent bytes while a piece is under way. What goes out in one turn of the loop is
shared by all connections (`file_turns`), so that large files do not starve the others. Where bandwidth is limited,
pieces go out in the lane's portions.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from host.listener.file_turns import FileTurns
from host.listener.pacing import Lane, Outcome


class FileSender:
    """The piece under way on one connection.

    `done(ok)` is called when it is sent, or when the file turns out too short; `broken()` when the socket does not take
    it (the client is gone) or the file cannot be read: the connection must go.
    """

    __slots__ = (
        "_broken",
        "_descriptor",
        "_done",
        "_is_waiting",
        "_is_watching",
        "_lane",
        "_left",
        "_offset",
        "_prefix",
        "_socket",
        "_turns",
    )

    def __init__(self, turns: FileTurns, transport: Any, broken: Callable[[], None], lane: Lane | None = None) -> None:
        """Raises OSError when there is no descriptor left for the duplicate."""
        self._turns = turns
        self._broken = broken
        self._lane = lane
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self._socket.setblocking(False)
        self._descriptor = -1
        self._offset = self._left = 0
        self._prefix = b""
        self._is_waiting = self._is_watching = False
        self._done: Callable[[bool], None] | None = None

    @property
    def left_bytes(self) -> int:
        """Bytes of the piece under way that the kernel has not taken."""
        return len(self._prefix) + self._left

    def send(self, prefix: bytes, descriptor: int, offset: int, length: int, done: Callable[[bool], None]) -> None:
        """Send `prefix`, then the piece. `descriptor` is owned and closed here; `done` is never called from inside."""
        self._prefix, self._descriptor, self._offset, self._left, self._done = prefix, descriptor, offset, length, done
        if self._lane is None:
            self._wait()
        else:
            self._lane.wait(self._paced_turn)

    def close(self) -> None:
        """Drop what is under way; `done` is not called."""
        self._done = None
        if self._lane is not None:
            self._lane.leave(self._paced_turn)
        self._stop_watching()
        self._close_descriptor()
        self._socket.close()

    def _wait(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._turns.wait(self._waited)

    def _waited(self, most: int) -> None:
        self._is_waiting = False
        self._turn(most)

    def _writable(self) -> None:
        """The kernel takes bytes again, and will say so again while it does."""
        most = self._turns.allowance()
        if most:
            self._turn(most)
        else:
            self._stop_watching()
            self._wait()

    def _turn(self, most: int) -> None:
        if self._descriptor < 0:
            return
        before = self.left_bytes
        try:
            is_sent = self._send_some(most)
        except BlockingIOError:
            is_sent = False
        except OSError:
            self._broken()
            return
        sent = before - self.left_bytes
        self._turns.spend(sent)
        if is_sent:
            self._finish(self._left == 0)
        elif not self._is_watching:
            if sent >= most:
                self._wait()
            else:
                self._is_watching = True
                self._turns.loop.add_writer(self._socket.fileno(), self._writable)

    def _paced_turn(self) -> Outcome:
        """A turn in the lane."""
        lane, before = self._lane, self.left_bytes
        if lane is None or self._descriptor < 0:
            return Outcome.DONE
        try:
            is_sent = self._send_some(lane.portion)
        except BlockingIOError:
            is_sent = False
        except OSError:
            self._broken()
            return Outcome.DONE
        sent = before - self.left_bytes
        lane.spend(sent)
        if is_sent:
            self._finish(self._left == 0)
            return Outcome.DONE
        return Outcome.MORE if sent else Outcome.STUCK

    def _send_some(self, most: int) -> bool:
        """One turn's worth; whether there is nothing left to do. A file that has become shorter ends early."""
        while self._prefix:
            count = self._socket.send(self._prefix, socket.MSG_MORE)
            self._prefix = self._prefix[count:]
        wanted = min(self._left, most)
        count = os.sendfile(self._socket.fileno(), self._descriptor, self._offset, wanted) if wanted else 0
        self._offset += count
        self._left -= count
        return self._left == 0 or count == 0

    def _finish(self, ok: bool) -> None:
        self._stop_watching()
        self._close_descriptor()
        done, self._done = self._done, None
        if done is not None:
            done(ok)

    def _stop_watching(self) -> None:
        if self._is_watching:
            self._is_watching = False
            self._turns.loop.remove_writer(self._socket.fileno())

    def _close_descriptor(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
