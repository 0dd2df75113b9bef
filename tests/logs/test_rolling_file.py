"""One log on disk: batches, rollover, and what happens when the disk says no."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.logs.handed_folders import HandedFolders
from host.logs.rolling_file import KEPT_BYTES, RollingFile
from host.logs.rollover import DatedNaming, NumberedNaming

NOON = 1714651200.0  # 2024-05-02 12:00:00 UTC
MIDNIGHT = NOON + 12 * 3600


class Reports(list[str]):
    """What the operator was told."""


@pytest.fixture
def reports() -> Reports:
    """An empty list of reports."""
    return Reports()


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Files may not grow beyond 100 bytes: a write stops short, the next one fails with EFBIG (as on a full disk)."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def daily(folder: Path, reports: Reports) -> RollingFile:
    return RollingFile(str(folder), DatedNaming("Daily"), lambda at: f"#header {int(at)}\n", reports.append)


def test_nothing_is_written_before_flush(tmp_path: Path, reports: Reports) -> None:
    """A file begins with its first batch, not with the configuration."""
    file = daily(tmp_path / "W3SVC1", reports)
    waiting = [file.has_lines]
    file.append("one\n", NOON)
    waiting.append(file.has_lines)
    assert not (tmp_path / "W3SVC1").exists()
    file.flush(NOON)
    assert [*waiting, file.has_lines] == [False, True, False]
    assert file.path.read_text() == f"#header {int(NOON)}\none\n"
    file.close(NOON)


def test_lines_before_midnight_stay_in_the_old_file(tmp_path: Path, reports: Reports) -> None:
    """Both sides of midnight in one batch: two files."""
    file = daily(tmp_path, reports)
    file.append("before\n", MIDNIGHT - 0.01)
    file.append("after\n", MIDNIGHT)
    file.flush(MIDNIGHT + 0.01)
    file.close(MIDNIGHT + 0.01)
    lines = {path.name: path.read_text().splitlines()[1:] for path in tmp_path.iterdir()}
    assert lines == {"u_ex240502.log": ["before"], "u_ex240503.log": ["after"]}


def test_a_restart_repeats_the_header_in_the_same_file(tmp_path: Path, reports: Reports) -> None:
    """As IIS does after a restart on the same day."""
    for text in ("one\n", "two\n"):
        file = daily(tmp_path, reports)
        file.append(text, NOON)
        file.close(NOON)
    header = f"#header {int(NOON)}"
    assert (tmp_path / "u_ex240502.log").read_text().splitlines() == [header, "one", header, "two"]


def test_numbered_files_roll_at_their_size_and_go_on_after_a_restart(tmp_path: Path, reports: Reports) -> None:
    """The next number when the limit is reached; a restart goes on in the last file."""
    for _ in range(2):
        file = RollingFile(str(tmp_path), NumberedNaming("httperr", 100), lambda at: "#\n", reports.append)
        for _ in range(3):
            file.append("x" * 59 + "\n", NOON)
            file.flush(NOON)
        file.close(NOON)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes == {"httperr1.log": 122, "httperr2.log": 62 + 62, "httperr3.log": 122}


def test_a_folder_that_is_handed_over_is_reached_by_its_descriptor(tmp_path: Path, reports: Reports) -> None:
    """Its path need not lead there. A dated log, a numbered one, rotation by rename; the next descriptor of that path
    counts from the next file on."""
    folder, moved, other = tmp_path / "W3SVC1", tmp_path / "moved", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    handed = HandedFolders()
    handed.take(str(folder), os.open(folder, os.O_RDONLY))
    folder.rename(moved)
    dated = RollingFile(str(folder), DatedNaming("Daily"), lambda at: "#\n", reports.append, handed)
    numbered = RollingFile(str(folder), NumberedNaming("httperr", 10), lambda at: "#\n", reports.append, handed)
    for second, text in enumerate(("one\n", "two\n")):
        for file in (dated, numbered):
            file.append(text * 3, NOON)
            file.flush(NOON + second)
    assert not folder.exists()
    assert sorted(path.name for path in moved.iterdir()) == ["httperr1.log", "httperr2.log", "u_ex240502.log"]
    (moved / "u_ex240502.log").rename(moved / "rotated")
    handed.take(str(folder), os.open(other, os.O_RDONLY))
    dated.append("three\n", NOON + 3)
    dated.flush(NOON + 3)
    assert (other / "u_ex240502.log").read_text() == "#\nthree\n"
    assert (moved / "rotated").read_text() == "#\n" + "one\n" * 3 + "two\n" * 3
    assert reports == []


def test_a_new_file_is_its_folders_owners(tmp_path: Path, reports: Reports) -> None:
    """What root has begun in IIS 5 isolation, the listener's user goes on with after a switch. Whoever is not root has
    only folders of its own here."""
    folder = tmp_path / "W3SVC1"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 65534, -1)
    file = daily(folder, reports)
    file.append("one\n", NOON)
    file.close(NOON)
    assert file.path.stat().st_uid == folder.stat().st_uid
    assert reports == []


def test_an_empty_file_with_another_name_elsewhere_keeps_its_owner(tmp_path: Path, reports: Reports) -> None:
    """Whose the folder is would be given a file of root's."""
    folder = tmp_path / "W3SVC1"
    folder.mkdir()
    other = tmp_path / "other"
    other.touch()
    os.link(other, folder / "u_ex240502.log")
    if os.geteuid() == 0:
        os.chown(folder, 65534, -1)
    file = daily(folder, reports)
    file.append("one\n", NOON)
    file.close(NOON)
    assert other.read_text().endswith("one\n")
    assert other.stat().st_uid == os.geteuid()


def test_a_moved_file_is_left_alone(tmp_path: Path, reports: Reports) -> None:
    """logrotate renames the file: the next batch (a second later at most) begins a new one."""
    file = daily(tmp_path, reports)
    file.append("one\n", NOON)
    file.flush(NOON)
    file.path.rename(tmp_path / "moved.log")
    file.append("two\n", NOON + 2)
    file.flush(NOON + 2)
    file.close(NOON + 2)
    assert (tmp_path / "u_ex240502.log").read_text().endswith("two\n")
    assert "two" not in (tmp_path / "moved.log").read_text()
    assert reports == []


def test_a_file_that_was_emptied_goes_on_from_its_beginning(tmp_path: Path, reports: Reports) -> None:
    """logrotate's copytruncate: no hole of NULs, and a log that rolls by size counts from there."""
    file = RollingFile(str(tmp_path), NumberedNaming("httperr", 100), lambda at: "", reports.append)
    for at, expected in ((NOON, 60), (NOON + 2, 60), (NOON + 4, 60)):
        file.append("x" * 59 + "\n", at)
        file.flush(at)
        assert file.path.stat().st_size == expected
        os.truncate(file.path, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["httperr1.log"]
    file.close(NOON + 4)


def test_a_deleted_folder_is_made_again(tmp_path: Path, reports: Reports) -> None:
    """Somebody cleans up while isapy runs."""
    file = daily(tmp_path / "W3SVC1", reports)
    for at in (NOON, NOON + 2):
        file.append(f"{at}\n", at)
        file.flush(at)
        assert file.path.read_text().endswith(f"{at}\n")
        shutil.rmtree(tmp_path / "W3SVC1")
    assert reports == []
    file.close(NOON + 2)


def test_an_unwritable_folder_is_reported_once_and_tried_again(tmp_path: Path, reports: Reports) -> None:
    """A file stands where the folder should be; once it is gone every line kept is written."""
    obstacle = tmp_path / "logs"
    obstacle.write_text("in the way")
    file = daily(obstacle, reports)
    for number in range(5):
        file.append(f"{number}\n", NOON + number)
        file.flush(NOON + number)
    assert len(reports) == 1
    assert str(obstacle) in reports[0]
    obstacle.unlink()
    file.append("5\n", NOON + 4.5)
    file.flush(NOON + 4.5)
    assert not obstacle.exists(), "tried again within a second"
    file.flush(NOON + 5.5)
    assert (obstacle / "u_ex240502.log").read_text().splitlines()[1:] == list("012345")
    assert len(reports) == 2
    assert "written again; 0 lines were lost" in reports[1]
    file.close(NOON + 6)


def test_what_cannot_be_kept_is_counted(tmp_path: Path, reports: Reports) -> None:
    """A megabyte is kept in memory, no more; the report says how many lines were lost."""
    obstacle = tmp_path / "logs"
    obstacle.write_text("in the way")
    file = daily(obstacle, reports)
    line = "y" * 1023 + "\n"
    for _ in range(KEPT_BYTES // 1024 + 10):
        file.append(line, NOON)
    file.flush(NOON)
    file.append("later\n", NOON)
    file.flush(NOON + 0.5)
    obstacle.unlink()
    file.flush(NOON + 2)
    assert (obstacle / "u_ex240502.log").read_text().count(line) == KEPT_BYTES // 1024
    assert "11 lines were lost" in reports[1]
    file.close(NOON + 2)


def test_a_full_disk_loses_no_line_and_writes_none_twice(tmp_path: Path, reports: Reports, small_disk: None) -> None:
    """A write that stops short is continued where it stopped."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = daily(tmp_path, reports)
    lines = [f"line {number:04}" for number in range(50)]
    for line in lines:
        file.append(line + "\n", NOON)
    file.flush(NOON)
    assert file.path.stat().st_size == 100
    assert len(reports) == 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits[1], limits[1]))
    file.flush(NOON + 2)
    assert file.path.read_text().splitlines()[1:] == lines
    file.close(NOON + 2)


def test_a_symbolic_link_is_not_followed(tmp_path: Path, reports: Reports) -> None:
    """A link planted in a log folder leads to no other file."""
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / "u_ex240502.log").symlink_to(target)
    file = daily(tmp_path, reports)
    file.append("one\n", NOON)
    file.flush(NOON)
    assert target.read_text() == "precious"
    assert len(reports) == 1
    file.close(NOON)


def test_a_batch_across_midnight_goes_to_two_files(tmp_path: Path, reports: Reports) -> None:
    """Lines that come together are told apart by their times."""
    file = daily(tmp_path, reports)
    file.extend(["one\n", "two\n"], [MIDNIGHT - 2, MIDNIGHT - 1])
    file.extend(["three\n", "four\n"], [MIDNIGHT - 0.01, MIDNIGHT])
    file.flush(MIDNIGHT)
    file.close(MIDNIGHT)
    assert (tmp_path / "u_ex240502.log").read_text().splitlines()[1:] == ["one", "two", "three"]
    assert (tmp_path / "u_ex240503.log").read_text().splitlines()[1:] == ["four"]
