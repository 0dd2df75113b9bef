"""A whole run over the tiny server."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.__main__ import main
from bench.run import RunOptions, run
from bench.scenarios import Load, Scenario
from bench.server import Contestant
from bench.site import BIG_BYTES, SMALL_BYTES, MeasuredSite, write_site
from tests.bench.tiny_contestant import tiny_contestant

SCENARIO = Scenario(name="big", title="tiny", load=Load.DOWNLOAD, connections=(1,), base="tiny", expected=b"tiny")


def options(scenario: Scenario, contestant: Contestant) -> RunOptions:
    """Two rounds of one cell."""
    return RunOptions(scenarios=(scenario,), contestants=(contestant,), rounds=2, seconds=1)


@pytest.mark.slow
def test_each_round_gives_a_sample_with_costs_and_memory(tmp_path: Path) -> None:
    """What is measured is this server's."""
    samples, left_out = run(options(SCENARIO, tiny_contestant()), MeasuredSite(tmp_path), tmp_path / "run")
    assert left_out == []
    assert [sample.round for sample in samples] == [0, 1]
    for sample in samples:
        assert sample.requests > 0
        assert sample.bytes == sample.requests * 64
        assert sample.server_seconds >= sample.tree_seconds
        assert {entry.role for entry in sample.memory} == {"master", "worker"}


@pytest.mark.slow
def test_a_wrong_first_answer_leaves_a_contestant_out(tmp_path: Path) -> None:
    """A fast wrong answer would win."""
    wrong = Scenario(name="big", title="tiny", load=Load.DOWNLOAD, connections=(1,), base="tiny", expected=b"else")
    samples, left_out = run(options(wrong, tiny_contestant()), MeasuredSite(tmp_path), tmp_path / "run")
    assert samples == []
    assert [(entry.contestant, "answers 200" in entry.reason) for entry in left_out] == [("tiny", True)]


def test_connections_of_the_command_line_do_not_touch_the_download() -> None:
    """One client reads the big file."""
    found = RunOptions(scenarios=(SCENARIO,), contestants=(), rounds=1, seconds=1, connections=(7,))
    assert found.connections_of(SCENARIO) == (1,)


def test_the_site_has_its_files_and_isapy_its_plugins(tmp_path: Path) -> None:
    """Sizes are right; the big file takes no room on disk."""
    site = write_site(tmp_path / "site", with_program=False)
    assert (site.documents / "small.bin").stat().st_size == SMALL_BYTES
    big = (site.documents / "big.bin").stat()
    assert big.st_size == BIG_BYTES
    assert big.st_blocks * 512 < 1 << 20
    assert site.configuration.exists()
    assert len(list((site.root / "filters").glob("*.py"))) == 3


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    """A typing mistake must not measure nothing in silence."""
    with pytest.raises(SystemExit, match="no contestant ngnix; there are isapy"):
        main(["--contestants", "ngnix"])
    with pytest.raises(SystemExit, match="no scenario helo; there are hello"):
        main(["--scenarios", "helo"])
