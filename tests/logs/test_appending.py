"""Lines that are written on a thread, and a disk that takes its time: a FIFO that nobody reads."""

from __future__ import annotations

import os
import queue
from collections.abc import Mapping
from pathlib import Path

from host.logs.appending import Appender, AppendingThread, Batch
from host.logs.rolling_file import RollingFile
from host.logs.rollover import DatedNaming
from host.logs.waiting import LEAST_BYTES
from host.logs.writer import LogWriter
from tests.logs.records import MAY_SECOND, log_file, refusal_record, request_record

NAME = "u_ex240502.log"
WAIT_SECONDS = 90.0


def read_all(fifo: Path) -> str:
    """Everything that is written into it until every writer has closed it."""
    with fifo.open() as file:
        return file.read()


def slow_log(folder: Path, site_id: int = 1) -> Path:
    """A site's log on a disk that does not answer: whoever opens it waits until somebody reads."""
    (folder / f"W3SVC{site_id}").mkdir(parents=True)
    fifo = folder / f"W3SVC{site_id}" / NAME
    os.mkfifo(fifo)
    return fifo


class FullHands(Appender):
    """A disk whose state the test decides."""

    is_busy = True


def test_nobody_waits_for_a_disk_that_does_not_answer(tmp_path: Path) -> None:
    """Requests and refusals are noted all the while; when the disk answers, every line is there, once, in order."""
    fifo = slow_log(tmp_path)
    reports: list[str] = []
    writer = LogWriter(
        str(tmp_path), lambda: MAY_SECOND, report=reports.append, appending=AppendingThread(reports.append)
    )
    settings = log_file(tmp_path, fields=("cs-uri-stem",))
    for number in range(5):
        writer.request(request_record(target=f"/{number}"), settings)
        writer.refusal(refusal_record(target=f"/refused{number}"))
        writer.flush()
        assert number == 0 or writer.has_lines
    reader = os.open(fifo, os.O_RDONLY)  # the disk answers
    writer.close()
    with os.fdopen(reader) as file:
        assert file.read().splitlines()[4:] == [f"/{number}" for number in range(5)]
    refused = (tmp_path / "HTTPERR" / "httperr1.log").read_text().splitlines()[4:]
    assert [line.split(" ")[8] for line in refused] == [f"/refused{number}" for number in range(5)]
    assert reports == []


def test_the_end_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A disk that never answers keeps no process alive: its last lines are given up, and that is told."""
    fifo = slow_log(tmp_path)
    reports: list[str] = []
    thread = AppendingThread(reports.append, last_seconds=0.05)
    writer = LogWriter(str(tmp_path), lambda: MAY_SECOND, report=reports.append, appending=thread)
    writer.request(request_record(), log_file(tmp_path))
    writer.flush()
    writer.close()
    assert len(reports) == 1
    assert "their last lines are given up" in reports[0]
    assert read_all(fifo).startswith("#Software")  # and the thread ends


def test_as_much_waits_as_there_is_room_for_and_no_more(tmp_path: Path) -> None:
    """The newest lines are lost; it is told when it begins, and how many there were when the disk has caught up."""
    room = 3 * LEAST_BYTES
    reports: list[str] = []
    disk = FullHands()
    writer = LogWriter(str(tmp_path), lambda: MAY_SECOND, report=reports.append, appending=disk, room=room)
    settings = log_file(tmp_path, fields=("cs-uri-stem",))
    line = "/" + "x" * 1022
    for _ in range(4):
        for _ in range(room // 2048):
            writer.request(request_record(target=line), settings)
        writer.flush()
    assert len(reports) == 1
    assert "lines are lost until it has caught up" in reports[0]
    disk.is_busy = False
    writer.flush()
    writer.close()
    assert (tmp_path / "W3SVC1" / NAME).read_text().count(line) == room // 1024
    assert f"{room // 1024} lines were lost" in reports[1]
    assert len(reports) == 2
    writer.request(request_record(target="/again"), settings)
    writer.flush()
    assert len(reports) == 2


def test_a_log_that_is_closed_meanwhile_is_closed_nevertheless(tmp_path: Path) -> None:
    """Other settings while the disk is busy, and too many lines: the lines are lost, the file does not stay open."""
    reports: list[str] = []
    disk = FullHands()
    writer = LogWriter(str(tmp_path), lambda: MAY_SECOND, report=reports.append, appending=disk)
    for fields in (("cs-uri-stem",), ("cs-method",)):
        for _ in range(LEAST_BYTES // 1024 + 1):
            writer.request(request_record(target="/" + "x" * 1100), log_file(tmp_path, fields=fields))
    writer.flush()
    disk.is_busy = False
    before = len(os.listdir("/proc/self/fd"))
    writer.flush()
    writer.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_thread_outlives_what_it_does_not_understand(tmp_path: Path) -> None:
    """The last resort: told, and the next lines are written."""

    class Broken(DatedNaming):
        """No name for any file."""

        def name(self, at: float, sizes: Mapping[str, int]) -> str:
            raise LookupError(f"{at} {sizes}")

    told: queue.Queue[str] = queue.Queue()
    thread = AppendingThread(told.put)
    broken, good = (
        RollingFile(str(tmp_path), naming, lambda _at: "", told.put)
        for naming in (Broken("Daily"), DatedNaming("Daily"))
    )
    thread.write([Batch(broken, ["a\n"], [MAY_SECOND])], MAY_SECOND)
    assert "LookupError" in told.get(timeout=WAIT_SECONDS)
    thread.close([Batch(good, ["b\n"], [MAY_SECOND], is_last=True)], MAY_SECOND)
    assert (tmp_path / NAME).read_text() == "b\n"


def test_a_thread_that_had_nothing_to_do_is_never_begun(tmp_path: Path) -> None:
    """The end of a process that has logged nothing waits for nobody."""
    thread = AppendingThread(print)
    assert (thread.is_busy, thread.has_waiting) == (False, False)
    thread.close([Batch(RollingFile(str(tmp_path), DatedNaming("Daily"), str, print), [], [], is_last=True)], 0.0)
    assert list(tmp_path.iterdir()) == []
