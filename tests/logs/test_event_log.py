"""The event log."""

from __future__ import annotations

import resource
from pathlib import Path

from host.logs.event_log import KEPT_EVENTS, MOST_CHARACTERS, MOST_REMEMBERED, EventLog
from host.logs.events import EVENTS
from tests.logs.records import MAY_SECOND


def standing_clock() -> float:
    return MAY_SECOND


def test_an_event_is_one_line_with_its_number_and_level(tmp_path: Path) -> None:
    """Time in UTC, level, number, id, text, fields."""
    echoed: list[str] = []
    log = EventLog(tmp_path / "logs" / "events.log", standing_clock, echoed.append)
    log.write("worker-died", "worker Shop#1 ended by SIGSEGV", {"pool": "Shop", "pid": "4711", "why": 'said "no" = x'})
    line = (
        "2024-05-02T17:42:15Z warning 5009 worker-died worker Shop#1 ended by SIGSEGV "
        'pool=Shop pid=4711 why="said \\"no\\" = x"'
    )
    assert (tmp_path / "logs" / "events.log").read_text() == line + "\n"
    assert echoed == [line]
    assert log.recent[-1].fields["pid"] == "4711"


def test_nothing_breaks_out_of_its_line(tmp_path: Path) -> None:
    """A traceback, an escape sequence or a line separator stays inside quotes; a strange key is made harmless."""
    log = EventLog(tmp_path / "events.log", standing_clock)
    log.write("plugin-failed", "Traceback:\n  line\x1b[2J", {"a b\n=": "x\u2028y", "empty": ""})
    text = (tmp_path / "events.log").read_text()
    assert len(text.splitlines()) == 1
    assert '"Traceback:\\n  line\\u001b[2J" a_b__="x\\u2028y" empty=""' in text


def test_an_unknown_id_is_noted_with_number_zero(tmp_path: Path) -> None:
    """A child that says nonsense does not end the service."""
    event = EventLog(tmp_path / "events.log", standing_clock).write("no such\nid", "hm")
    assert (event.number, event.level) == (0, "warning")
    assert "warning 0 no_such_id hm\n" in (tmp_path / "events.log").read_text()


def test_a_full_file_is_rotated_and_five_are_kept(tmp_path: Path) -> None:
    """events.1.log is the youngest of the old ones."""
    log = EventLog(tmp_path / "events.log", standing_clock, size_limit=10)
    for number in range(8):
        log.write("process-started", f"number {number}")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"events.{n}.log" for n in range(1, 6)]
    assert "number 7" in (tmp_path / "events.1.log").read_text()
    assert "number 3" in (tmp_path / "events.5.log").read_text()


def test_fields_of_every_line_stand_in_the_file_alone(tmp_path: Path) -> None:
    """They tell whose event it is where several services write; before the event's own."""
    echoed: list[str] = []
    log = EventLog(tmp_path / "events.log", standing_clock, echoed.append, common={"service": "0a1b2c3d"})
    log.write("process-started", "one", {"pid": "7"})
    assert (tmp_path / "events.log").read_text().endswith(" process-started one service=0a1b2c3d pid=7\n")
    assert echoed[0].endswith(" process-started one pid=7")
    assert log.recent[0].fields == {"pid": "7"}


def test_the_last_thousand_stay_in_memory(tmp_path: Path) -> None:
    """For `isapy list`-like questions, whatever the file does."""
    log = EventLog(tmp_path / "events.log", standing_clock)
    for number in range(KEPT_EVENTS + 5):
        log.write("process-started", str(number))
    assert len(log.recent) == KEPT_EVENTS
    assert (log.recent[0].text, log.recent[-1].text) == ("5", str(KEPT_EVENTS + 4))


def test_an_unwritable_file_is_said_once_and_tried_again(tmp_path: Path) -> None:
    """The event itself still reaches the console and memory."""
    echoed: list[str] = []
    obstacle = tmp_path / "logs"
    obstacle.write_text("in the way")
    log = EventLog(obstacle / "events.log", standing_clock, echoed.append)
    log.write("process-started", "one")
    log.write("process-started", "two")
    assert len([line for line in echoed if " 6051 log-failed " in line]) == 1
    assert [event.text for event in log.recent if event.id == "process-started"] == ["one", "two"]
    obstacle.unlink()
    log.write("process-started", "three")
    again, third = (obstacle / "events.log").read_text().splitlines()
    assert again.endswith("is written again; events missing in it: 2")
    assert third.endswith("three")


def test_an_event_after_a_torn_one_has_a_line_of_its_own(tmp_path: Path) -> None:
    """A disk that becomes full takes the beginning of an event; what is written later must not continue that line."""
    log = EventLog(tmp_path / "events.log", standing_clock)
    log.write("process-started", "one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "events.log").stat().st_size + 30, hard))
    try:
        log.write("process-started", "torn")
        log.write("process-started", "lost")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.write("process-started", "last")
    first, torn, again, last = (tmp_path / "events.log").read_text().splitlines()
    assert (first[-3:], len(torn), last[-4:]) == ("one", 30, "last")
    assert again.endswith("events missing in it: 2")


def test_a_service_begins_its_own_line_after_one_that_another_service_could_not_end(tmp_path: Path) -> None:
    """It found the disk full, or was killed, and has ended."""
    path = tmp_path / "events.log"
    for before, lines in ((b"", 1), (b"whole\n", 2), (b"whole\nto", 3)):
        path.write_bytes(before)
        EventLog(path, standing_clock).write("process-started", "mine")
        found = path.read_text().splitlines()
        assert len(found) == lines
        assert found[-1].endswith("process-started mine")


def test_ids_have_one_number_each() -> None:
    """Numbers are what monitoring matches: none twice, all with a known level."""
    assert len({kind.number for kind in EVENTS.values()}) == len(EVENTS)
    assert {kind.level for kind in EVENTS.values()} == {"information", "warning", "error"}


def test_a_text_without_measure_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    """An exception's message can be a whole request; a thousand events stay in memory."""
    log = EventLog(tmp_path / "events.log")
    long = "first" + "x" * (2 * MOST_CHARACTERS) + "last"
    event = log.write("plugin-error", long, {"stacks": long, "pool": "A"})
    for text in (event.text, event.fields["stacks"]):
        assert len(text) < MOST_CHARACTERS + 100
        assert text.startswith("firstx")
        assert f" {MOST_CHARACTERS + 9} characters left out " in text
        assert text.endswith("xlast")
    assert event.fields["pool"] == "A"
    kept = log.recent[-1]
    assert kept.text.startswith("firstx")
    assert kept.text.endswith("xlast")
    assert max(len(kept.text), len(kept.fields["stacks"])) < MOST_REMEMBERED + 100
