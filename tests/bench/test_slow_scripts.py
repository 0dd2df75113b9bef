"""What many slow CGI programs cost: the measurement over a real isapy, and its table."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.contestants import CONTESTANTS
from bench.scenarios import SCENARIOS
from bench.site import PROGRAMS, write_site
from bench.slow_scripts import TAKING_PART, SlowCost, measure, report, write_slow_site


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isapy", "isapy-iis5"])
def test_running_programs_have_no_threads_in_isapy(tmp_path: Path, name: str) -> None:
    """As many threads with forty more programs as before, little memory, and all end when their clients leave."""
    tmp_path.chmod(0o755)
    costs = {cost.role: cost for cost in measure(name, tmp_path, write_slow_site(tmp_path / "site", 40), scripts=40)}
    assert {"service", "worker" if name == "isapy" else "inetinfo"} <= costs.keys()
    assert "program" not in costs
    for cost in costs.values():
        assert cost.threads == cost.threads_before > 0
        assert cost.bytes_each < 200_000, cost
        assert cost.left_seconds is not None, cost


def test_the_table_has_a_row_for_each_kind_of_process() -> None:
    """Thousands of bytes; and whether the programs ended in the end."""
    cost = {"contestant": "apache", "role": "apache2 worker", "scripts": 1000, "threads_before": 81, "threads": 1053}
    gone, stays = (SlowCost(**cost, bytes_each=76123.0, left_seconds=end) for end in (1.25, None))  # type: ignore[arg-type]
    rows = report([gone, stays]).splitlines()[2:]
    assert rows[0] == "| apache | apache2 worker | 1000 | 76.1 | 81 | 1053 | 1.2 s |"
    assert rows[1].endswith("| still there |")


def test_all_that_take_part_are_contestants() -> None:
    """A name that nobody has would end the run."""
    assert set(TAKING_PART) <= CONTESTANTS.keys()


def test_the_measured_programs_say_what_their_scenario_expects(tmp_path: Path) -> None:
    """Compiled and run by hand; `swallow` refuses a body of another length, `flood` writes what it announces."""
    programs = write_site(tmp_path / "site").documents / "cgi-bin"
    assert {path.name for path in programs.iterdir()} == {*PROGRAMS, "hello-python", "hello-perl"}
    for scenario, name in (("cgi", "hello"), ("cgi-python", "hello-python"), ("cgi-perl", "hello-perl")):
        assert SCENARIOS[scenario].expected in _output(programs / name)
    assert _output(programs / "swallow", b"x" * 100_000, announced=100_000).endswith(b"bytes: 100000\n")
    assert _output(programs / "swallow", b"x", announced=2).startswith(b"Status: 500")
    head, _, body = _output(programs / "flood").partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert len(body) == 10**8


def _output(path: Path, body: bytes = b"", *, announced: int = 0) -> bytes:
    """What the program writes for a body of that announced length."""
    environment = {
        "REQUEST_METHOD": "POST" if announced else "GET",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(announced),
    }
    return subprocess.run([path], input=body, env=environment, stdout=subprocess.PIPE, check=True, timeout=90).stdout
