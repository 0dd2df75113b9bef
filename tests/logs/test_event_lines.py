"""The event log read again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from host.logs.event_lines import EventFiles, parse_line
from host.logs.event_log import EventLog, LoggedEvent
from tests.logs.records import MAY_SECOND


def everything(_event: LoggedEvent) -> bool:
    return True


def texts(events: list[LoggedEvent]) -> list[str]:
    return [event.text for event in events]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("plain words", {}),
        ("", {"pool": "Shop"}),
        ("worker Shop#1 ended by SIGSEGV", {"pool": "Shop", "pid": "4711", "why": 'said "no" = x'}),
        ("Traceback:\n  line\x1b[2J", {"empty": "", "lines": "a\nb", "back": "a\\b c"}),
        ('"quoted" at its beginning', {"a": '"'}),
        ('in the middle "a=b" and on', {"x.y-z": "1"}),
        ("Größe äöü → ✓", {"name": "Größe"}),
        ("ends with a blank ", {}),
        ("standard error: x service=another pool=Evil", {"service": "mine", "pool": "Shop"}),
        ('standard error: x pool="E v"', {"service": "mine"}),
        ("pool=Evil", {"service": "mine"}),
        ('an open quote k="x', {"why": "two words"}),
        ('ends in a field, and holds a "quote" a=b', {}),
    ],
)
def test_a_line_says_what_was_written(tmp_path: Path, text: str, fields: dict[str, str]) -> None:
    """Text and fields come back as they were, whatever they hold."""
    written = EventLog(tmp_path / "events.log", lambda: MAY_SECOND).write("worker-died", text, fields)
    event = parse_line((tmp_path / "events.log").read_text().rstrip("\n"))
    assert event is not None
    assert (event.at, event.id, event.number, event.level) == (int(MAY_SECOND), "worker-died", 5009, "warning")
    assert (event.text, dict(event.fields)) == (text, fields)
    assert list(event.fields) == list(written.fields)


def test_what_an_older_isapy_wrote_is_read_with_the_fields_that_it_has_set() -> None:
    """They stand at the end; one of the same name further in front is a part of the text."""
    event = parse_line("2024-05-02T17:42:15Z information 6042 cgi-stderr x pool=Evil service=mine pool=Shop")
    assert event is not None
    assert (event.text, event.fields) == ("x pool=Evil", {"service": "mine", "pool": "Shop"})


@pytest.mark.parametrize("line", ["", "hello", "2024-05-02 17:42:15 warning 5009 x y", "#Fields: a b"])
def test_other_lines_are_no_events(line: str) -> None:
    """A file that somebody edited still reads."""
    assert parse_line(line) is None


def test_the_last_events_are_found_in_older_files_too(tmp_path: Path) -> None:
    """As many as match, oldest first; a file that is missing is empty."""
    path = tmp_path / "events.log"
    with EventFiles(path) as files:
        assert files.last(5, everything) == []
    log = EventLog(path, time.time, size_limit=150)
    for number in range(9):
        log.write("process-started" if number % 2 else "process-ended", f"number {number}")
    assert (tmp_path / "events.2.log").exists()
    for count in (0, 1, 4, 9, 50):
        with EventFiles(path) as files:
            assert texts(files.last(count, everything)) == [f"number {n}" for n in range(9)][9 - min(count, 9) :]
    with EventFiles(path) as files:
        assert texts(files.last(2, lambda event: event.id == "process-ended")) == ["number 6", "number 8"]


def test_what_is_appended_is_read_once_and_over_every_rollover(tmp_path: Path) -> None:
    """Also when several files were begun between two looks, and when there was no file at first."""
    path = tmp_path / "events.log"
    log = EventLog(path, time.time, size_limit=150)
    with EventFiles(path) as files:
        assert files.appended() == []
        seen: list[str] = []
        written = 0
        for burst in (1, 1, 1, 2, 3, 5, 1, 7, 2):
            for _ in range(burst):
                log.write("process-started", f"number {written}")
                written += 1
            seen += texts(files.appended())
            assert files.appended() == []
        assert seen == [f"number {number}" for number in range(written)]


def test_a_line_is_read_when_its_end_is_there(tmp_path: Path) -> None:
    """Half a line is no event yet; an emptied file is read from its beginning."""
    path = tmp_path / "events.log"
    whole = EventLog(tmp_path / "other.log", time.time).write("process-started", "first words").line.encode()
    path.write_bytes(whole[:40])
    with EventFiles(path) as files:
        assert files.last(5, everything) == []
        with path.open("ab") as file:
            file.write(whole[40:] + b"\n")
        assert texts(files.appended()) == ["first words"]
        path.write_bytes(b"")
        assert files.appended() == []
        path.write_bytes(whole + b"\n")
        assert texts(files.appended()) == ["first words"]
