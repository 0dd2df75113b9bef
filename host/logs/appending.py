"""Who writes lines to the logs' files: at once, or on a thread of its own.

A disk may take its time: a share that does not answer, a device that is worn out, a kernel that makes writers wait. No
request shall feel it, so in a front a thread writes; it has one batch at a time in hand, and what comes meanwhile waits
with whoever collects it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from host.logs.rolling_file import RollingFile

_PIECE: Final = 4096
"""Lines that are encoded and written in one go: a disk that has caught up must not cost the loop, which needs the same
interpreter, more than a millisecond at a time."""

LAST_SECONDS: Final = 5.0
"""How long the end of a process waits for a disk that takes its time."""


class Batch(NamedTuple):
    """Lines for one file, each with its time. `is_last`: nothing more comes for it, and it is closed behind them."""

    file: RollingFile
    lines: list[str]
    times: list[float]
    is_last: bool = False


class Appending(Protocol):
    """What takes batches. No method raises for a file that cannot be written (`RollingFile` reports it)."""

    @property
    def is_busy(self) -> bool:
        """Whether a batch is in hand: `write` must wait."""

    @property
    def has_waiting(self) -> bool:
        """Whether some file has lines that could not be written yet: `write` tries again, with or without a batch."""

    def write(self, batches: Sequence[Batch], now: float) -> None:
        """Write these, in their order."""

    def close(self, batches: Sequence[Batch], now: float) -> None:
        """Write these, the last ones of all."""


class Appender:
    """Writes at once."""

    is_busy: bool = False

    def __init__(self) -> None:
        self._waiting: list[RollingFile] = []

    @property
    def has_waiting(self) -> bool:
        """Whether some file has lines that could not be written yet."""
        return bool(self._waiting)

    def write(self, batches: Sequence[Batch], now: float) -> None:
        """Write these, and what is left of earlier ones."""
        waiting = self._waiting
        for file, lines, times, is_last in batches:
            if lines:
                file.extend(lines, times)
                if len(file.lines) >= _PIECE:
                    file.flush(now)
            if is_last:
                file.close(now)
                waiting = [one for one in waiting if one is not file]
            elif file not in waiting:
                waiting.append(file)
        for file in waiting:
            file.flush(now)
        self._waiting = [file for file in waiting if file.has_lines]

    close = write


class AppendingThread:
    """Writes on a thread, which begins with the first batch. `report` is called on that thread with one sentence;
    `last_seconds` is how long the end waits."""

    def __init__(self, report: Callable[[str], None], last_seconds: float = LAST_SECONDS) -> None:
        self._appender = Appender()
        self._report = report
        self._jobs: queue.SimpleQueue[tuple[Sequence[Batch], float] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._is_busy = False
        self._last_seconds = last_seconds

    @property
    def is_busy(self) -> bool:
        """Whether a batch is in the thread's hands."""
        return self._is_busy

    @property
    def has_waiting(self) -> bool:
        """Whether some file has lines that could not be written yet."""
        return self._appender.has_waiting

    def write(self, batches: Sequence[Batch], now: float) -> None:
        """Hand these over. The caller has seen that the thread is not busy."""
        if self._thread.ident is None:
            self._thread.start()
        self._is_busy = True
        self._jobs.put((batches, now))

    def close(self, batches: Sequence[Batch], now: float) -> None:
        """Hand over the last ones, and wait for them: not for ever, because a disk may never answer."""
        if self._thread.ident is None:
            self._appender.close(batches, now)
            return
        self._jobs.put((batches, now))
        self._jobs.put(None)
        self._thread.join(self._last_seconds)
        if self._thread.is_alive():
            self._report(f"the logs' disk takes longer than {self._last_seconds:g} s: their last lines are given up")

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._appender.write(*job)
            except Exception as error:  # the last resort: logs that stop for good would be worse than lines that miss
                self._report(f"lines of the logs were lost: {error!r}")
            self._is_busy = False
