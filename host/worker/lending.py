"""Which answers the front reads from the program's pipe by itself: those that are large, and that nobody here reads.

A loan costs a descriptor, two frames and a turn of the loop in each process: a small answer is sooner sent than lent.
"""

from __future__ import annotations

from typing import Final

from host.wire.frames import NO_PIPE_LIMIT

LEND_BYTES: Final = 256 * 1024
"""From here on a loan pays: so much is still to come, or has come of an answer whose length nobody knows."""


def may_lend(*, is_lendable: bool, has_data_filters: bool, takes_pipes: bool) -> bool:
    """Whether nobody here needs to see the bytes. `is_lendable`: the body is the program's output as it comes, not what
    a filter has made of it. `has_data_filters`: somebody looks at every byte. `takes_pipes`: the front reads this
    worker's pipes."""
    return is_lendable and takes_pipes and not has_data_filters


def bytes_to_lend(sent: int, promised: int) -> int:
    """How many bytes the front may read at most; 0: it is lent nothing now. `sent` bytes of the body have been sent,
    `promised` is its Content-Length (-1: there is none)."""
    if promised < 0:
        return NO_PIPE_LIMIT if sent >= LEND_BYTES else 0
    left = promised - sent
    return left if left >= LEND_BYTES else 0
