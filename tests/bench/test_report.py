"""Tables for people, JSON for programs."""

from __future__ import annotations

import json

from bench.report import LeftOut, duration, megabytes, report_json, report_text, table
from bench.sample import Memory
from tests.bench.samples import sample

WORKER = Memory(role="worker", count=1, uss=2**20 * 7.0, pss=2**20 * 9.0, uss_before=2**20 * 6, uss_peak=2**20 * 8)


def test_a_table_lines_up() -> None:
    """Every line is as long as the others; the first column stands to the left, numbers to the right."""
    lines = table(["name", "n"], [["a", "1"], ["longer", "100"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2:] == ["| a      |   1 |", "| longer | 100 |"]


def test_durations_and_sizes_carry_their_units() -> None:
    """Three magnitudes of time; sizes in units of 2^20 bytes."""
    assert [duration(seconds) for seconds in (0.00042, 0.0031, 2.44)] == ["420 us", "3.1 ms", "2.4 s"]
    assert megabytes(3 * 2**20) == "3.0"


def test_the_report_names_base_ratio_cost_and_memory() -> None:
    """What a reader looks for is on the contestant's line."""
    text = report_text([sample("nginx"), sample("isapy", requests=500, memory=(WORKER,))], [])
    line = next(line for line in text.splitlines() if line.startswith("| isapy"))
    assert "500 (500-500)" in line
    assert "0.50 (0.50-0.50)" in line
    assert "1.000" in line
    assert "nginx (base)" in text
    assert any("worker" in line and "7.0" in line and "9.0" in line for line in text.splitlines())


def test_a_download_shows_megabytes_and_the_growth_of_memory() -> None:
    """Flat memory is a growth of nothing."""
    text = report_text([sample("nginx", scenario="big", connections=1, requests=10**6, memory=(WORKER,))], [])
    assert "1000 (1000-1000)" in text
    line = next(line for line in text.splitlines() if "worker" in line)
    assert [cell.strip() for cell in line.split("|")][-4:-1] == ["6.0", "8.0", "2.0"]


def test_a_contestant_that_was_left_out_is_named_with_the_reason() -> None:
    """Silence would look like a result."""
    text = report_text([sample("nginx")], [LeftOut("static", "isapy", "not ready")])
    assert "left out: isapy: not ready" in text


def test_without_its_base_a_row_has_no_ratio() -> None:
    """A dash instead of a number that means nothing."""
    line = next(line for line in report_text([sample("isapy")], []).splitlines() if line.startswith("| isapy"))
    assert [cell.strip() for cell in line.split("|")][3] == "-"


def test_json_holds_facts_rows_samples_and_who_was_left_out() -> None:
    """Everything that the tables were made of."""
    text = report_json([sample("nginx"), sample("isapy")], [LeftOut("cgi", "apache", "gone")], {"rounds": 1})
    found = json.loads(text)
    assert found["rounds"] == 1
    assert [row["contestant"] for row in found["rows"]] == ["nginx", "isapy"]
    assert found["rows"][0]["base"] == "nginx"
    assert len(found["samples"]) == 2
    assert found["left_out"] == [{"scenario": "cgi", "contestant": "apache", "reason": "gone"}]
