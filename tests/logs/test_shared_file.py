"""One log that two listeners write: lines stay whole and behind the header that describes them."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from host.logs.rolling_file import RollingFile
from host.logs.rollover import DatedNaming, NumberedNaming
from host.logs.shared_file import SharedFile
from tests.logs.test_rolling_file import NOON, Reports, small_disk

__all__ = ["small_disk"]
HEADER = "#Software: isapy\n#Date: {}\n#Fields: {}\n"
DAILY = DatedNaming("Daily")


@pytest.fixture
def reports() -> Reports:
    """An empty list of reports."""
    return Reports()


def shared(
    folder: Path, reports: Reports, fields: str = "a b", naming: DatedNaming | NumberedNaming = DAILY
) -> SharedFile:
    return SharedFile(str(folder), naming, lambda at: HEADER.format(at, fields) if fields else "", reports.append)


def put(file: RollingFile, text: str, at: float = NOON) -> None:
    file.append(f"{text}\n", at)
    file.flush(at)


def told(folder: Path, name: str = "u_ex240502.log") -> list[str]:
    """Lines of a file; of a header only what it says of the fields."""
    lines = (folder / name).read_text().splitlines()
    return [line for line in lines if not line.startswith(("#Software", "#Date"))]


def test_the_header_stands_there_once_for_all_who_write(tmp_path: Path, reports: Reports) -> None:
    """Whoever comes first writes it; one that is started again finds it, too."""
    one, two = shared(tmp_path, reports), shared(tmp_path, reports)
    put(one, "1 1", NOON)
    put(two, "2 2", NOON + 0.5)
    put(one, "1 3", NOON + 0.6)
    two.close(NOON + 1)
    again = shared(tmp_path, reports)
    put(again, "2 4", NOON + 1)
    assert told(tmp_path) == ["#Fields: a b", "1 1", "2 2", "1 3", "2 4"]
    assert reports == []


def test_lines_are_behind_their_own_fields_whoever_has_heard_of_others_first(tmp_path: Path, reports: Reports) -> None:
    """While the configuration changes, one writes other fields and the other does not yet."""
    one, two = shared(tmp_path, reports), shared(tmp_path, reports)
    put(one, "1 1")
    put(two, "2 2")
    two.close(NOON)
    new_two = shared(tmp_path, reports, "a b c")
    put(new_two, "2 2 3")
    put(one, "1 4")
    put(new_two, "2 2 5")
    one.close(NOON)
    new_one = shared(tmp_path, reports, "a b c")
    put(new_one, "1 1 6")
    old, new = "#Fields: a b", "#Fields: a b c"
    assert told(tmp_path) == [old, "1 1", "2 2", new, "2 2 3", old, "1 4", new, "2 2 5", "1 1 6"]


def test_a_header_that_stands_far_back_is_repeated(tmp_path: Path, reports: Reports) -> None:
    """A log of a gigabyte is not read for it."""
    one = shared(tmp_path, reports)
    put(one, "x" * 2_200_000)
    put(shared(tmp_path, reports), "2 2")
    put(one, "1 3")
    assert [line for line in told(tmp_path) if len(line) < 100] == ["#Fields: a b", "#Fields: a b", "2 2", "1 3"]


def test_formats_without_a_header_get_none(tmp_path: Path, reports: Reports) -> None:
    """NCSA and IIS."""
    one, two = shared(tmp_path, reports, ""), shared(tmp_path, reports, "")
    put(one, "1")
    put(two, "2")
    assert told(tmp_path) == ["1", "2"]


def test_a_file_that_one_has_filled_is_left_by_both(tmp_path: Path, reports: Reports) -> None:
    """By size: the next number has its own header, once."""
    naming = NumberedNaming("httperr", 100)
    one, two = shared(tmp_path, reports, naming=naming), shared(tmp_path, reports, naming=naming)
    put(one, "1 " + "x" * 20)
    put(two, "2 2")
    put(one, "1 " + "x" * 60)
    put(two, "2 3")
    put(one, "1 4")
    assert told(tmp_path, "httperr1.log")[-1].startswith("1 x")
    assert told(tmp_path, "httperr2.log") == ["#Fields: a b", "2 3", "1 4"]
    assert len(list(tmp_path.iterdir())) == 2


def test_an_emptied_file_begins_with_a_header_again(tmp_path: Path, reports: Reports) -> None:
    """logrotate's copytruncate."""
    one, two = shared(tmp_path, reports), shared(tmp_path, reports)
    put(one, "1 1")
    put(two, "2 2")
    os.truncate(one.path, 0)
    put(one, "1 3")
    put(two, "2 4")
    assert told(tmp_path) == ["#Fields: a b", "1 3", "2 4"]


def test_a_line_that_finds_no_room_leaves_no_piece_behind(tmp_path: Path, reports: Reports, small_disk: None) -> None:
    """On a full disk each keeps its lines; none ends up inside another's."""
    one, two = shared(tmp_path, reports, ""), shared(tmp_path, reports, "")
    put(one, "1" * 59)
    put(two, "2" * 29 + "\n" + "2" * 29)
    put(one, "1" * 5)
    assert told(tmp_path) == ["1" * 59, "2" * 29, "1" * 5]
    assert len(reports) == 1
    os.truncate(one.path, 0)
    put(two, "2", NOON + 2)
    assert told(tmp_path) == ["2" * 29, "2"]
    assert "0 lines were lost" in reports[1]


def _write_many(folder: Path, name: str, count: int) -> None:
    reports = Reports()
    file = shared(folder, reports, naming=NumberedNaming("httperr", 20_000))
    for number in range(count):
        file.append(f"{name} {number} {'x' * (number % 200)}\n", NOON)
        if number % 3 == 0:
            file.flush(NOON)
    file.close(NOON)
    assert reports == []


def test_processes_that_write_at_once_lose_nothing_and_tear_nothing(tmp_path: Path) -> None:
    """Three of them, through many files: every line once, whole, and one header in each file."""
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(tmp_path, name, 1500)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    files = list(tmp_path.iterdir())
    assert len(files) > 10
    lines = [line for file in files for line in told(tmp_path, file.name)]
    assert lines.count("#Fields: a b") == len(files)
    expected = {f"{name} {number} {'x' * (number % 200)}" for name in "abc" for number in range(1500)}
    written = [line for line in lines if not line.startswith("#")]
    assert len(written) == len(expected)
    assert set(written) == expected
