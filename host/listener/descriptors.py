"""Running out of open files: noticed, survived, said once.

The listener refuses connections long before (`endpoints.descriptor_budget`); this is for a limit that somebody lowers
meanwhile, or a machine whose table of files is full. A few descriptors are kept in reserve. Once a second some more are
asked for (nobody may know that a connection would have taken the last one); when there are not so many, the
reserve is given up for what is in hand, and no more connections are taken than there are. After RELIEF_SECONDS with
enough of them all may come again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Final

RESERVED: Final = 8
ASKED_FOR: Final = 4
RELIEF_SECONDS: Final = 60.0
SHORTAGES: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
"""What accept() says when there is nothing left to accept with."""


class DescriptorReserve:
    """The reserve of one listener. `open_one` opens a descriptor; it raises OSError when there is none."""

    def __init__(self, open_one: Callable[[], int] | None = None) -> None:
        self._open_one = open_one or _open_one
        self._reserve: list[int] = []
        self._short_until: float | None = None

    @property
    def is_short(self) -> bool:
        """Whether no connection may be taken beyond those that there are."""
        return self._short_until is not None

    def look(self, now: float) -> bool:
        """Try to keep the reserve, at that moment of the clock (seconds); whether `is_short` has changed."""
        was_short = self.is_short
        try:
            while len(self._reserve) < RESERVED + ASKED_FOR:
                self._reserve.append(self._open_one())
        except OSError:
            self.close()
            self._short_until = now + RELIEF_SECONDS
        else:
            for _ in range(ASKED_FOR):
                os.close(self._reserve.pop())
            if self._short_until is not None and now >= self._short_until:
                self._short_until = None
        return self.is_short is not was_short

    def close(self) -> None:
        """Give the reserve up."""
        while self._reserve:
            os.close(self._reserve.pop())


def _open_one() -> int:
    return os.eventfd(0, os.EFD_CLOEXEC)
