"""A program's standard error: drained at all times, so that it never holds the program up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

from host.gateway.error_output import ErrorOutput

_PIECE_BYTES: Final = 65536
_READS_AT_ONCE: Final = 16


class ErrorPipe:
    """The reading end of a pipe; owns `descriptor`, from which `first` has been read. `report` gets each line that
    belongs in the event log."""

    def __init__(self, descriptor: int, report: Callable[[str], None], first: bytes = b"") -> None:
        os.set_blocking(descriptor, False)
        self._loop = asyncio.get_running_loop()
        self.descriptor = descriptor
        self._report = report
        self.text = ErrorOutput()
        self.quiet_since = self._loop.time()
        """Loop time of the last bytes."""
        self.is_closed = False
        self._loop.add_reader(descriptor, self.drain)
        self._take(first)

    def drain(self) -> None:
        """Take what is there now; closes itself at the end."""
        for _ in range(_READS_AT_ONCE):
            if self.is_closed:
                return
            try:
                data = os.read(self.descriptor, _PIECE_BYTES)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            self.quiet_since = self._loop.time()
            self._take(data)

    def close(self) -> None:
        """Nobody listens any more."""
        if not self.is_closed:
            self.is_closed = True
            self._loop.remove_reader(self.descriptor)
            os.close(self.descriptor)
            for line in self.text.receive_end():
                self._report(line)

    def _take(self, data: bytes) -> None:
        for line in self.text.receive(data):
            self._report(line)
