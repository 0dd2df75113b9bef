"""Keeps the black box of a child, and reads it when the child has died.

The memory comes from a process that may run anybody's code: it is taken only if it is memory, and no more is read than
has its place there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress

from host.wire.black_box import FAULT_TEXT_BYTES, NOTES_BYTES, Blame, blame


class CrashSite:
    """Of one child process, from its start to its end."""

    def __init__(self) -> None:
        self._memory: int | None = None

    def take(self, descriptors: Sequence[int]) -> None:
        """The child has opened its black box. Every descriptor that came is ours from now on."""
        for descriptor in descriptors:
            if self._memory is None and _is_memory(descriptor):
                self._memory = descriptor
            else:
                os.close(descriptor)

    def look(self) -> Blame | None:
        """What native code it is in, as far as is noted. The process may live."""
        if self._memory is not None:
            with suppress(OSError):
                notes = os.pread(self._memory, NOTES_BYTES, 0)
                return blame(notes, os.pread(self._memory, FAULT_TEXT_BYTES, NOTES_BYTES))
        return None

    def read(self) -> Blame | None:
        """What native code it was in. Closes the box: to be asked once, when the process has ended."""
        found = self.look()
        if self._memory is not None:
            os.close(self._memory)
            self._memory = None
        return found


def _is_memory(descriptor: int) -> bool:
    """Reading anything else might block, or have effects."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError:
        return False
    return True
