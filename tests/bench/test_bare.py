"""The bare servers answer as the scenarios that they take part in demand."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from bench.scenarios import SCENARIOS
from bench.server import Contestant, Server
from bench.servers.bare import BARE, BARE_CGI
from bench.site import write_site


@pytest.mark.slow
def test_the_bare_cgi_server_gives_the_program_s_answer_and_leaves_no_process(tmp_path: Path) -> None:
    """It would be no measure if it did less than that; a connection's process ends with the server."""
    server = Server(BARE_CGI, tmp_path / "bare", write_site(tmp_path / "site"))
    path = BARE_CGI.paths["cgi"]
    try:
        server.start(path)
        assert server.get(path) == (200, b"Hello from C\n")
        tree = [root for pid in server.roots for root in psutil.Process(pid).children(recursive=True)]
    finally:
        server.stop()
    assert not any(process.is_running() for process in tree)


@pytest.mark.parametrize("contestant", [BARE, BARE_CGI], ids=lambda contestant: contestant.name)
def test_a_bare_server_takes_part_in_scenarios_that_exist(contestant: Contestant) -> None:
    """A name with a slip would leave it out without a word."""
    assert set(contestant.paths) <= set(SCENARIOS)
