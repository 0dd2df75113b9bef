"""The site logs and HTTPERR together."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from host.config.log_settings import LogFile
from host.logs.fields import DEFAULT_COLUMNS
from host.logs.w3c import header_block
from host.logs.writer import LogWriter
from tests.logs.records import MAY_SECOND, log_file, refusal_record, request_record


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = MAY_SECOND

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Standing at 2024-05-02 17:42:15 UTC."""
    return Clock()


def failing_report(text: str) -> None:
    raise AssertionError(text)


def test_requests_and_refusals_go_to_their_files(tmp_path: Path, clock: Clock) -> None:
    """`W3SVC<id>` per site, `HTTPERR` for refusals, all by one flush."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    settings = log_file(tmp_path / "LogFiles")
    waiting = [writer.has_lines]
    writer.request(request_record(), settings)
    writer.request(request_record(site_id=7, target="/seven"), settings)
    writer.request(request_record(target="/two"), settings)
    writer.refusal(refusal_record())
    waiting.append(writer.has_lines)
    writer.flush()
    assert [*waiting, writer.has_lines] == [False, True, False]
    first = (tmp_path / "LogFiles" / "W3SVC1" / "u_ex240502.log").read_text()
    assert first.startswith(header_block(DEFAULT_COLUMNS, MAY_SECOND))
    assert [line.split(" ")[4] for line in first.splitlines()[4:]] == ["/default.htm", "/two"]
    assert "/seven" in (tmp_path / "LogFiles" / "W3SVC7" / "u_ex240502.log").read_text()
    assert "400 - Hostname -" in (tmp_path / "HTTPERR" / "httperr1.log").read_text()
    writer.close()


def test_a_moved_clock_rolls_the_file_over(tmp_path: Path, clock: Clock) -> None:
    """Three days, three files."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    settings = log_file(tmp_path)
    for _ in range(3):
        writer.request(request_record(ended_at=clock.now), settings)
        writer.flush()
        clock.now += 86400
    writer.close()
    names = sorted(path.name for path in (tmp_path / "W3SVC1").iterdir())
    assert names == ["u_ex240502.log", "u_ex240503.log", "u_ex240504.log"]


def test_a_site_that_does_not_log_leaves_no_file(tmp_path: Path, clock: Clock) -> None:
    """logFile/@enabled=false."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    writer.request(request_record(), log_file(tmp_path, enabled=False))
    assert not writer.has_lines
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_changed_columns_begin_with_a_header_of_their_own(tmp_path: Path, clock: Clock) -> None:
    """A new configuration: the same file goes on, the new columns are announced."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    writer.request(request_record(), log_file(tmp_path))
    writer.request(request_record(), log_file(tmp_path, fields=("time", "sc-status")))
    writer.close()
    lines = (tmp_path / "W3SVC1" / "u_ex240502.log").read_text().splitlines()
    assert lines[-2:] == ["#Fields: time sc-status", "17:42:15 200"]
    assert len(lines) == 10


def test_an_equal_configuration_repeats_no_header(tmp_path: Path, clock: Clock) -> None:
    """Another snapshot with the same settings goes on where the last one stopped."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    for _ in range(3):
        writer.request(request_record(), log_file(tmp_path))
        writer.flush()
    writer.close()
    lines = (tmp_path / "W3SVC1" / "u_ex240502.log").read_text().splitlines()
    assert len([line for line in lines if line.startswith("#Fields")]) == 1
    assert len(lines) == 4 + 3


def test_a_line_is_cut_at_its_limit(tmp_path: Path, clock: Clock) -> None:
    """maxLogLineLength counts the line end."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    writer.request(request_record(target="/" + "x" * 500), log_file(tmp_path, max_line_length=100))
    writer.close()
    last = (tmp_path / "W3SVC1" / "u_ex240502.log").read_text().splitlines(keepends=True)[-1]
    assert len(last) == 100


def test_a_limit_counts_bytes_and_cuts_no_character(tmp_path: Path, clock: Clock) -> None:
    """A line of two-byte characters is cut between two of them; the line end is there in any case."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    settings = log_file(tmp_path, fields=("cs-username", "sc-status"), max_line_length=10)
    for user in ("\u00e9" * 50, "a" + "\u00e9" * 50, "abcd"):
        writer.request(request_record(user_name=user), settings)
    writer.close()
    lines = (tmp_path / "W3SVC1" / "u_ex240502.log").read_bytes().splitlines(keepends=True)[4:]
    assert [line.decode() for line in lines] == ["\u00e9" * 4 + "\n", "a" + "\u00e9" * 4 + "\n", "abcd 200\n"]


def test_all_sites_write_the_central_log(tmp_path: Path, clock: Clock) -> None:
    """One file in the folder W3SVC, in the order of the requests, with the site in each line."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    central = log_file(tmp_path, is_central=True, fields=("s-sitename", "cs-uri-stem"))
    for number, site_id in enumerate((1, 7, 1)):
        writer.request(request_record(site_id=site_id, target=f"/{number}"), central)
    writer.request(request_record(site_id=8), replace(central, enabled=False))
    writer.flush()
    assert [path.name for path in tmp_path.iterdir()] == ["W3SVC"]
    lines = (tmp_path / "W3SVC" / "u_ex240502.log").read_text().splitlines()
    assert lines[3:] == ["#Fields: s-sitename cs-uri-stem", "W3SVC1 /0", "W3SVC7 /1", "W3SVC1 /2"]
    writer.close()


def test_sites_change_between_their_own_log_and_the_central_one(tmp_path: Path, clock: Clock) -> None:
    """To the central log and back: every line is in the log that was in force, and no file stays open."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    own = log_file(tmp_path, fields=("cs-uri-stem",))
    first, second = (
        log_file(tmp_path, is_central=True, fields=fields) for fields in (("cs-uri-stem",), ("cs-method",))
    )
    open_files = len(os.listdir("/proc/self/fd"))
    for settings, target in ((own, "/1"), (first, "/2"), (second, "/3"), (own, "/4")):
        for site_id in (1, 2):
            writer.request(request_record(site_id=site_id, target=target), settings)
        writer.flush()
    assert len(os.listdir("/proc/self/fd")) == open_files + 2

    def lines(folder: str) -> list[str]:
        text = (tmp_path / folder / "u_ex240502.log").read_text()
        return [line for line in text.splitlines() if not line.startswith("#")]

    assert [lines("W3SVC1"), lines("W3SVC2")] == [["/1", "/4"], ["/1", "/4"]]
    assert lines("W3SVC") == ["/2", "/2", "GET", "GET"]
    writer.close()
    assert len(os.listdir("/proc/self/fd")) == open_files


def test_a_format_without_a_header_begins_with_its_first_line(tmp_path: Path, clock: Clock) -> None:
    """NCSA and IIS: nothing but lines, in files of their own names."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    for log_format in ("NCSA", "IIS"):
        writer.request(request_record(), log_file(tmp_path, format=log_format))
    writer.close()
    for name in ("u_nc240502.log", "u_in240502.log"):
        (line,) = (tmp_path / "W3SVC1" / name).read_text().splitlines()
        assert line.startswith("192.168.0.17")


def test_max_size_rolls_by_truncate_size(tmp_path: Path, clock: Clock) -> None:
    """period MaxSize: numbered files."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    settings = log_file(tmp_path, period="MaxSize", truncate_size=400)
    for _ in range(3):
        writer.request(request_record(), settings)
        writer.flush()
    writer.close()
    assert sorted(path.name for path in (tmp_path / "W3SVC1").iterdir()) == ["u_extend1.log", "u_extend2.log"]


def test_a_broken_site_log_keeps_the_others_alive(tmp_path: Path, clock: Clock) -> None:
    """One folder cannot be written: reported once, the other site and HTTPERR go on, nothing raises."""
    reports: list[str] = []
    (tmp_path / "bad").write_text("a file where a folder should be")
    writer = LogWriter(str(tmp_path), clock, report=reports.append)
    good, bad = log_file(tmp_path / "good"), log_file(tmp_path / "bad")
    for _ in range(3):
        writer.request(request_record(site_id=1), good)
        writer.request(request_record(site_id=2), bad)
        writer.refusal(refusal_record())
        writer.flush()
        clock.now += 1.5
    assert len(reports) == 1
    assert writer.has_lines
    writer.close()
    assert len((tmp_path / "good" / "W3SVC1" / "u_ex240502.log").read_text().splitlines()) == 4 + 3
    assert len((tmp_path / "HTTPERR" / "httperr1.log").read_text().splitlines()) == 4 + 3


def test_default_log_file_of_the_model_has_no_columns_to_show(tmp_path: Path, clock: Clock) -> None:
    """An empty selection is allowed and logs empty lines rather than failing the request."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    writer.request(request_record(), LogFile(directory=str(tmp_path)))
    writer.close()
    assert (tmp_path / "W3SVC1" / "u_ex240502.log").read_text().endswith("#Fields: \n\n")


def test_many_records_between_two_flushes_keep_their_order(tmp_path: Path, clock: Clock) -> None:
    """Records are formatted in batches, more than one here; a long line among them is cut alone."""
    writer = LogWriter(str(tmp_path), clock, report=failing_report)
    settings = log_file(tmp_path, fields=("cs-uri-stem",), max_line_length=100)
    targets = [f"/{number}" if number != 200 else "/" + "x" * 500 for number in range(300)]
    for target in targets:
        writer.request(request_record(target=target), settings)
    writer.flush()
    text = (tmp_path / "W3SVC1" / "u_ex240502.log").read_text()
    assert [line for line in text.splitlines() if not line.startswith("#")] == [target[:99] for target in targets]
    writer.close()
