"""Lines that wait to be written: how many may, and which are lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.logs.appending import Appender, Batch
from host.logs.rolling_file import RollingFile
from host.logs.rollover import DatedNaming
from host.logs.waiting import LEAST_BYTES, MOST_BYTES, WaitingLines, room_for_lines

GIGABYTE = 1 << 30


def batch(*lines: str, is_last: bool = False) -> Batch:
    file = RollingFile("/nowhere", DatedNaming("Daily"), str, print)
    return Batch(file, list(lines), [0.0] * len(lines), is_last)


@pytest.mark.parametrize(
    ("memory", "listeners", "room"),
    [
        (0, 1, LEAST_BYTES),
        (GIGABYTE // 8, 1, LEAST_BYTES),
        (GIGABYTE, 1, 4 * 1024 * 1024),
        (GIGABYTE, 2, 2 * 1024 * 1024),
        (GIGABYTE, 64, LEAST_BYTES),
        (16 * GIGABYTE, 1, MOST_BYTES),
        (1024 * GIGABYTE, 2, MOST_BYTES),
    ],
)
def test_the_room_is_a_part_of_the_memory(memory: int, listeners: int, room: int) -> None:
    """Never less than a megabyte, never more than what a disk that does not answer shall cost."""
    assert room_for_lines(memory, listeners) == room


def test_the_newest_lines_beyond_the_room_are_lost_and_counted() -> None:
    """A smaller batch may still find room; what is taken leaves all of it, and a new count."""
    waiting = WaitingLines(10)
    assert not waiting
    waiting.add([batch("1234\n"), batch("12345\n", "1\n")])
    assert waiting.bound() == 2
    waiting.add([batch("abcd\n")])
    assert waiting.bound() == 0
    waiting.add([batch("x", is_last=True)])
    assert waiting.bound() == 1
    assert waiting.lost == 3
    taken, lost = waiting.take()
    assert ([(one.lines, one.is_last) for one in taken], lost) == (
        [(["1234\n"], False), (["abcd\n"], False), ([], True)],
        3,
    )
    assert not waiting
    waiting.add([batch("12345678\n", is_last=True)])
    assert waiting
    assert waiting.bound() == 0
    assert waiting.take()[1] == 0


def test_what_is_taken_at_once_is_never_lost() -> None:
    """The room is for what has to wait: a single turn of the loop may bring more."""
    waiting = WaitingLines(1)
    waiting.add([batch("more than one\n")])
    assert [one.lines for one in waiting.take()[0]] == [["more than one\n"]]


def test_a_large_heap_is_written_in_pieces_and_in_order(tmp_path: Path) -> None:
    """The disk has caught up: what has waited reaches the file whole, although no piece has all of it."""
    file = RollingFile(str(tmp_path), DatedNaming("Daily"), lambda _at: "", print)
    lines = [f"{number}\n" for number in range(20_000)]
    batches = [
        Batch(file, lines[first : first + 128], [0.0] * len(lines[first : first + 128]))
        for first in range(0, 20_000, 128)
    ]
    appender = Appender()
    appender.write(batches, 0.0)
    assert not appender.has_waiting
    assert file.path.read_text() == "".join(lines)
    file.close(0.0)
