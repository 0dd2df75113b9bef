"""Stands where a connection's transport stands when its site's bandwidth is limited: what is written goes in portions.

The kernel is given little at a time, so what it holds of a slow client is bounded too. Only what connections use of a
transport is here.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Protocol

from host.listener.pacing import Lane, Outcome

_HIGH_WATER: Final = 64 * 1024
_MOST_AHEAD: Final = 64 * 1024  # bytes that the transport below may hold


class Writer(Protocol):
    """The protocol that writes."""

    is_write_paused: bool

    def pause_writing(self) -> None:
        """Enough is held."""

    def resume_writing(self) -> None:
        """It has been taken."""


class PacedTransport:
    """`inner` is the transport below, `lane` where this connection waits."""

    __slots__ = (
        "_held",
        "_high",
        "_is_eof_due",
        "_is_waiting",
        "_low",
        "_writer",
        "held_bytes",
        "inner",
        "is_ended",
        "lane",
    )

    def __init__(self, inner: Any, writer: Writer, lane: Lane) -> None:
        self.inner = inner
        self.lane = lane
        self._writer = writer
        self._held: deque[memoryview] = deque()
        self.held_bytes = 0
        self._is_waiting = False
        self._is_eof_due = False
        self.is_ended = False  # close() was called
        self.set_write_buffer_limits(_HIGH_WATER)
        inner.set_write_buffer_limits(4 * _MOST_AHEAD)  # it never comes to that: pausing is decided here

    def write(self, data: bytes) -> None:
        """Send it now if it may go, or later."""
        lane = self.lane
        if not self._held and len(data) <= lane.portion and lane.is_open:
            lane.spend(len(data))
            self.inner.write(data)
        elif data:
            self._held.append(memoryview(data))
            self.held_bytes += len(data)
            self._wait()
        if self.get_write_buffer_size() > self._high:
            self._pause()

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not got."""
        return self.held_bytes + int(self.inner.get_write_buffer_size())

    def set_write_buffer_limits(self, high: int) -> None:
        """Above so many bytes the writer is paused, at a quarter of them it goes on."""
        self._high, self._low = high, high // 4
        if self.get_write_buffer_size() > high:
            self._pause()

    def close(self) -> None:
        """Close when everything has been sent."""
        self.is_ended = True
        if not self.held_bytes:
            self.inner.close()

    def write_eof(self) -> None:
        """No more will be written. Raises OSError when the client is gone."""
        if self.held_bytes:
            self._is_eof_due = True
        else:
            self.inner.write_eof()

    def abort(self) -> None:
        """Close at once."""
        self.drop()
        self.inner.abort()

    def drop(self) -> None:
        """The connection is gone: forget what is held."""
        self._held.clear()
        self.held_bytes = 0
        self._is_waiting = False
        self.lane.leave(self._turn)

    def is_closing(self) -> bool:
        """Whether the end has begun."""
        return self.is_ended or bool(self.inner.is_closing())

    def pause_reading(self) -> None:
        """As below."""
        self.inner.pause_reading()

    def resume_reading(self) -> None:
        """As below."""
        self.inner.resume_reading()

    def get_extra_info(self, name: str) -> Any:
        """As below."""
        return self.inner.get_extra_info(name)

    def change_lane(self, lane: Lane) -> None:
        """What is held and what comes is sent in that lane from now on."""
        self.lane.leave(self._turn)
        self.lane = lane
        if self._is_waiting:
            lane.wait(self._turn)

    def unwrap(self) -> Any:
        """The transport below, with everything that was held."""
        data = b"".join(self._held)
        self.drop()
        if data:
            self.inner.write(data)
        return self.inner

    def _wait(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self.lane.wait(self._turn)

    def _pause(self) -> None:
        if not self._writer.is_write_paused:
            self._writer.pause_writing()
        self._wait()

    def _turn(self) -> Outcome:
        """Send a portion; let the writer go on, or end, when there is room."""
        if self.held_bytes:
            if self.inner.get_write_buffer_size() >= _MOST_AHEAD:
                return Outcome.STUCK
            data = self._take(self.lane.portion)
            self.lane.spend(len(data))
            self.inner.write(data)
        return self._after_turn()

    def _take(self, most: int) -> bytes:
        taken, held = [], self._held
        while held and most:
            piece = held.popleft()
            if len(piece) > most:
                held.appendleft(piece[most:])
                piece = piece[:most]
            most -= len(piece)
            taken.append(piece)
        data = b"".join(taken)
        self.held_bytes -= len(data)
        return data

    def _after_turn(self) -> Outcome:
        if self._writer.is_write_paused and self.get_write_buffer_size() <= self._low:
            self._writer.resume_writing()  # which never writes from inside
        if self.held_bytes:
            return Outcome.MORE
        if self._is_eof_due:
            self._is_eof_due = False
            self._end_output()
        if self.is_ended and not self.inner.is_closing():
            self.inner.close()
        if self._writer.is_write_paused and not self.inner.is_closing():
            return Outcome.STUCK
        self._is_waiting = False
        return Outcome.DONE

    def _end_output(self) -> None:
        try:
            self.inner.write_eof()
        except OSError:  # the client has reset the connection, and nobody has heard of it yet
            self.inner.abort()
