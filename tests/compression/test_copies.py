"""Compressed copies: made in the background, current, shared, within their limit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from host.api import SourceFile, file_stamp
from host.compression.copies import (
    MOST_ORDERS,
    OWN_FOLDER,
    SETTLED_NANOSECONDS,
    Copies,
    Order,
    is_settled,
    make_room,
    sweep,
)
from tests.compression.private_folder import make_private_folder, settle
from tests.compression.test_encoders import TEXT, decode
from tests.extensions.requests import open_descriptors

NO_LIMIT = 0


class Background:
    """Does what was ordered when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], object], Callable[[object], None]]] = []
        self.now = 1000.0

    def run(self, function: Callable[[], object], done: Callable[[object], None]) -> None:
        self.waiting.append((function, done))

    def work(self) -> int:
        """Until nothing is left; how much there was."""
        count = 0
        while self.waiting:
            function, done = self.waiting.pop(0)
            done(function())
            count += 1
        return count


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pool's temporary folder."""
    return make_private_folder(tmp_path, monkeypatch)


def make_source(folder: Path, name: str = "page.txt", content: bytes = TEXT) -> SourceFile:
    """A file that has not been touched for long, as far as its times tell."""
    path = folder / name
    path.write_bytes(content)
    settle(path)
    return SourceFile(path=str(path), stamp=file_stamp(path.stat()), media_type="text/plain")


def make_copies(background: Background) -> Copies:
    return Copies(background.run, lambda: background.now)


def test_a_copy_is_made_once_and_found_from_then_on(private: Path, tmp_path: Path) -> None:
    """Beside the requests; what is ordered again meanwhile is made once."""
    background = Background()
    copies = make_copies(background)
    source = make_source(tmp_path, content=TEXT[:30000])
    order = Order(source, "gzip", 7, NO_LIMIT)
    assert copies.find(source, "gzip", 7) is None
    copies.order(order)
    copies.order(order)
    assert background.work() == 1
    copy = copies.find(source, "gzip", 7)
    assert copy is not None
    assert copy.is_useful
    assert copy.content is not None
    assert decode("gzip", copy.content) == TEXT[:30000]
    assert copies.find(source, "gzip", 6) is None
    assert [path.stat().st_mode & 0o777 for path in (private / "compressed-copies").iterdir()] == [0o600]


def test_a_large_copy_is_a_file(private: Path, tmp_path: Path) -> None:
    """It is sent by descriptor; when somebody has cleared it away, it is ordered anew."""
    background = Background()
    copies = make_copies(background)
    source = make_source(tmp_path, content=os.urandom(20000) * 2)
    copies.order(Order(source, "gzip", 7, NO_LIMIT))
    background.work()
    copy = copies.find(source, "gzip", 7)
    assert copy is not None
    assert copy.content is None
    descriptor = copies.open(source, copy, "gzip", 7)
    with open(descriptor, "rb") as stream:
        assert len(stream.read()) == copy.size
    for path in (private / "compressed-copies").iterdir():
        path.unlink()
    assert copies.open(source, copy, "gzip", 7) == -1
    assert copies.find(source, "gzip", 7) is None


def test_a_file_that_changed_has_no_copy(private: Path, tmp_path: Path) -> None:
    """Neither when it is asked for, nor when it changes before the copy is made."""
    background = Background()
    copies = make_copies(background)
    old = make_source(tmp_path)
    copies.order(Order(old, "gzip", 7, NO_LIMIT))
    background.work()
    new = make_source(tmp_path, content=TEXT + b"more")
    assert copies.find(new, "gzip", 7) is None
    copies.order(Order(old, "br", 7, NO_LIMIT))
    background.work()
    assert copies.find(old, "br", 7) is None
    (tmp_path / "page.txt").unlink()
    copies.order(Order(new, "gzip", 7, NO_LIMIT))
    background.work()
    assert copies.find(new, "gzip", 7) is None


def test_a_file_that_was_written_just_now_waits(tmp_path: Path) -> None:
    """Its times may not tell of another write within the same tick; neither if its clock is ahead of ours."""
    path = tmp_path / "page.txt"
    path.write_bytes(TEXT)
    os.utime(path, ns=(0, 0))  # as rsync and tar do: the time of the change tells
    written = path.stat().st_ctime_ns
    ages = (0, SETTLED_NANOSECONDS, SETTLED_NANOSECONDS + 1, -SETTLED_NANOSECONDS)
    assert [is_settled(path.stat(), written + age) for age in ages] == [False, False, True, False]


def test_what_does_not_become_smaller_is_remembered_as_such(private: Path, tmp_path: Path) -> None:
    """It is sent as it is, and nothing of it lies on disk."""
    background = Background()
    copies = make_copies(background)
    source = make_source(tmp_path, content=os.urandom(5000))
    copies.order(Order(source, "gzip", 7, NO_LIMIT))
    background.work()
    copy = copies.find(source, "gzip", 7)
    assert copy is not None
    assert not copy.is_useful
    assert list((private / "compressed-copies").iterdir()) == []


def test_the_workers_of_a_garden_share_their_copies(private: Path, tmp_path: Path) -> None:
    """The second worker finds what the first has made, under the name that tells state, coding and level."""
    background = Background()
    first, second = make_copies(background), make_copies(background)
    source = make_source(tmp_path)
    for copies in (first, second):
        copies.order(Order(source, "zstd", 7, NO_LIMIT))
    background.work()
    (made,) = (private / "compressed-copies").iterdir()
    assert first.find(source, "zstd", 7) == second.find(source, "zstd", 7)
    first.close()
    assert made.exists()


def test_without_a_private_folder_there_is_one_for_the_process(private: Path, tmp_path: Path) -> None:
    """Nobody else may put files there that would be sent; it goes with the process."""
    private.chmod(0o777)
    background = Background()
    copies = make_copies(background)
    source = make_source(tmp_path)
    copies.order(Order(source, "gzip", 7, NO_LIMIT))
    background.work()
    (folder,) = private.iterdir()
    assert folder.name.startswith(f"{OWN_FOLDER}{os.getpid()}-")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert copies.find(source, "gzip", 7) is not None
    copies.close()
    assert list(private.iterdir()) == []


def test_what_a_killed_process_has_left_is_swept(tmp_path: Path) -> None:
    """By the next one; what is somebody else's, or looks like it only, stays."""
    with subprocess.Popen(["true"]) as gone:
        pass
    dead, living = f"{OWN_FOLDER}{gone.pid}-abc", f"{OWN_FOLDER}{os.getpid()}-abc"
    names = [dead, living, f"{OWN_FOLDER}x-abc", f"other-{gone.pid}-abc"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "copy").write_bytes(b"x")
    (tmp_path / "target").mkdir()
    (tmp_path / f"{OWN_FOLDER}{gone.pid}-link").symlink_to(tmp_path / "target")
    sweep(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()) == sorted(
        [*names[1:], "target"]
    )


def test_the_folder_may_be_cleared_away(private: Path, tmp_path: Path) -> None:
    """It is made again; what cannot be made is no failure of any request."""
    background = Background()
    copies = make_copies(background)
    source = make_source(tmp_path)
    folder = private / "compressed-copies"
    copies.order(Order(source, "gzip", 7, NO_LIMIT))
    background.work()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    copies.order(Order(source, "br", 7, NO_LIMIT))
    background.work()
    assert copies.find(source, "br", 7) is not None
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("in the way")
    copies.order(Order(source, "zstd", 7, NO_LIMIT))
    background.work()
    assert copies.find(source, "zstd", 7) is None


def test_nothing_stays_open_and_nothing_stays_behind(private: Path, tmp_path: Path) -> None:
    """Whether a copy was made or not."""
    background = Background()
    copies = make_copies(background)
    source = make_source(tmp_path)
    before = open_descriptors()
    copies.order(Order(source, "gzip", 7, NO_LIMIT))
    copies.order(Order(source, "br", 7, 10))
    background.work()
    assert open_descriptors() == before
    assert copies.find(source, "br", 7) is None
    assert len(list((private / "compressed-copies").iterdir())) == 1


def test_the_copies_that_nobody_wanted_go_first(tmp_path: Path) -> None:
    """Until nine tenths of the limit are used; one that is larger than that is not kept."""
    for number in range(10):
        path = tmp_path / str(number)
        path.write_bytes(b"x" * 100)
        os.utime(path, (number, number))
    assert make_room(str(tmp_path), 100, 1000)
    assert len(list(tmp_path.iterdir())) == 10
    (tmp_path / "new").write_bytes(b"x" * 100)
    assert make_room(str(tmp_path), 100, 1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3", "4", "5", "6", "7", "8", "9", "new"]
    assert not make_room(str(tmp_path), 901, 1000)
    assert make_room(str(tmp_path), 10**9, NO_LIMIT)


def test_a_file_is_frequent_within_its_period() -> None:
    """frequentHitThreshold hits within frequentHitTimePeriod, counted from the first."""
    background = Background()
    copies = make_copies(background)
    hits = []
    for seconds in (0, 11, 9, 0):
        background.now += seconds
        hits.append(copies.is_frequent("/a", 2, 10))
    assert hits == [False, False, True, True]
    assert copies.is_frequent("/b", 1, 10)


def test_orders_are_bounded(tmp_path: Path) -> None:
    """A client that walks through a large site does not fill the memory with what is to be done."""
    background = Background()
    copies = make_copies(background)
    for number in range(MOST_ORDERS + 10):
        source = SourceFile(path=f"/nowhere/{number}", stamp=(1, 1, 1, 1, 1), media_type="a/b")
        copies.order(Order(source, "gzip", 7, NO_LIMIT))
    assert background.work() == MOST_ORDERS
