"""The reserve of descriptors: kept, given up, and kept again, with a real limit of open files and a moved clock."""

from __future__ import annotations

import errno
import os

from host.listener.descriptors import ASKED_FOR, RELIEF_SECONDS, RESERVED, DescriptorReserve


class Table:
    """A table of open files of a size of its own: real descriptors, counted."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.opened: list[int] = []

    def open_one(self) -> int:
        self.opened = [descriptor for descriptor in self.opened if _is_open(descriptor)]
        if len(self.opened) >= self.size:
            raise OSError(errno.EMFILE, "too many open files")
        self.opened.append(os.eventfd(0))
        return self.opened[-1]

    @property
    def count(self) -> int:
        return sum(map(_is_open, self.opened))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_the_reserve_is_kept_and_some_more_are_asked_for() -> None:
    """Nothing changes while there are enough."""
    table = Table(RESERVED + ASKED_FOR)
    reserve = DescriptorReserve(table.open_one)
    for now in (0.0, 1.0):
        assert not reserve.look(now)
        assert table.count == RESERVED
    reserve.close()
    assert table.count == 0


def test_a_shortage_gives_the_reserve_up_and_is_said_once() -> None:
    """It is over after a minute with enough of them, and then the reserve is there again."""
    table = Table(RESERVED + ASKED_FOR)
    reserve = DescriptorReserve(table.open_one)
    reserve.look(0.0)
    table.size = RESERVED + ASKED_FOR - 1
    assert reserve.look(1.0)
    assert (reserve.is_short, table.count) == (True, 0)
    table.size = 2
    assert not reserve.look(2.0)
    assert (reserve.is_short, table.count) == (True, 0)
    table.size = RESERVED + ASKED_FOR
    assert not reserve.look(2.0 + RELIEF_SECONDS - 1)
    assert reserve.look(2.0 + RELIEF_SECONDS)
    assert (reserve.is_short, table.count) == (False, RESERVED)
    reserve.close()
