"""The output of a program, read from its pipe by the listener itself: a large answer does not pass through a worker.

The worker lends the pipe's reading end, and keeps one. What is read is written in the same turn of the loop, so one
buffer serves all pipes of a loop, and while the client takes nothing the pipe is not read: the program waits, memory
does not grow. Copying is faster here than splice(2), which takes the pages out of the pipe, so that the program must
be given new ones for each byte (docs/decisions/057-large-program-output-passes-no-worker.md).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, Protocol

from host.http1.writer import BodyFraming
from host.listener.file_turns import FileTurns
from host.wire.frames import PipeState

LOOK_SECONDS: Final = 0.25
"""A worker hears of a program that prints nothing after so long, or twice that: its time limits are in seconds."""

# Whatever the pipe's flags say: its worker has the same open file and can change them, and empty it under our hands.
_NOWAIT: Final = os.RWF_NOWAIT

Tell = Callable[[PipeState, int], None]


class PipeSink(Protocol):
    """The client's connection, as a pipe sees it."""

    is_write_paused: bool

    def write_through(self, prefix: bytes, data: memoryview, suffix: bytes) -> None:
        """To the client; `data` is another's again when this returns."""


class PipedOutput:
    """A pipe in the line of one response; its descriptor may still be on its way (-1).

    `tell(state, bytes)` reaches the worker; RETURNED and ENDED once, and last. `moved(bytes)` counts what the client
    gets, framing included. `over()` is called, never from inside `go_on`, when the response is to go on without it.
    """

    __slots__ = (
        "_framing",
        "_is_told_to_wait",
        "_is_waiting_for_turn",
        "_is_watching",
        "_left",
        "_looked_at_bytes",
        "_moved",
        "_over",
        "_sink",
        "_taken",
        "_tell",
        "_timer",
        "_turns",
        "descriptor",
        "is_over",
    )

    def __init__(
        self,
        turns: FileTurns,
        sink: PipeSink,
        framing: BodyFraming,
        most_bytes: int,
        tell: Tell,
        moved: Callable[[int], None],
        over: Callable[[], None],
    ) -> None:
        self._turns = turns
        self._sink = sink
        self._framing = framing
        self._left = most_bytes
        self._tell = tell
        self._moved = moved
        self._over = over
        self._taken = 0
        self._looked_at_bytes = 0  # what had been taken at the last look
        self._is_told_to_wait = False
        self._is_watching = False
        self._is_waiting_for_turn = False
        self._timer: asyncio.TimerHandle | None = None
        self.descriptor = -1
        self.is_over = False

    def go_on(self) -> None:
        """It is the first in line, and the client takes bytes: read it when there is something to read."""
        if self.descriptor < 0:
            return
        if not self._is_watching and not self._is_waiting_for_turn:
            self._is_watching = True
            self._turns.loop.add_reader(self.descriptor, self._readable)
        self._look_later()

    def give_back(self) -> None:
        """It cannot be read here: the worker goes on."""
        if not self.is_over:
            self._end(PipeState.RETURNED)

    def close(self) -> None:
        """Nobody wants the rest; nobody is told."""
        self.is_over = True
        self._stop_watching()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _readable(self) -> None:
        if self._sink.is_write_paused:
            self._stop_watching()
        elif self._turns.allowance():
            self._read()
        else:
            self._stop_watching()
            self._is_waiting_for_turn = True
            self._turns.wait(self._take_turn)

    def _take_turn(self, most: int) -> None:
        del most  # a portion is what the buffer holds
        self._is_waiting_for_turn = False
        if self.descriptor >= 0 and not self._sink.is_write_paused:
            self.go_on()
            self._read()

    def _read(self) -> None:
        buffer = self._turns.buffer
        if self._left < len(buffer):
            buffer = buffer[: self._left]
        try:
            count = os.preadv(self.descriptor, (buffer,), -1, _NOWAIT)
        except BlockingIOError:  # somebody else has read it, which is between that worker and its client
            return
        except OSError:  # EOPNOTSUPP: a pipe of a kernel before Linux 6.4, or one with a name
            self._end(PipeState.RETURNED)
            return
        if not count:
            self._end(PipeState.ENDED)
            return
        self._taken += count
        self._left -= count
        if self._is_told_to_wait:
            self._is_told_to_wait = False
            self._tell(PipeState.FLOWS, self._taken)
        self._turns.spend(count)
        prefix, allowed, suffix = self._framing.enclose(count)
        if allowed:
            self._moved(len(prefix) + allowed + len(suffix))
            self._sink.write_through(prefix, buffer[:allowed], suffix)
        if self.is_over:  # that was too much for the connection
            return
        if not self._left or allowed < count:  # a worker that lies has sent behind it what the head had promised
            self._end(PipeState.RETURNED)
        elif self._sink.is_write_paused:
            self._stop_watching()
        else:
            self._look_later()

    def _look_later(self) -> None:
        if self._timer is None and not self._is_told_to_wait:
            self._looked_at_bytes = self._taken
            self._timer = self._turns.loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Now and then, while the client takes what comes: nothing since the last time is worth a word."""
        self._timer = None
        if not self._is_watching or self._sink.is_write_paused:
            return
        if self._taken == self._looked_at_bytes:
            self._is_told_to_wait = True
            self._tell(PipeState.WAITS, self._taken)
        else:
            self._look_later()

    def _end(self, state: PipeState) -> None:
        self.close()
        self._tell(state, self._taken)
        self._turns.loop.call_soon(self._over)

    def _stop_watching(self) -> None:
        if self._is_watching:
            self._is_watching = False
            self._turns.loop.remove_reader(self.descriptor)
