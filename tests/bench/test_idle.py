"""What an idle connection costs: the measurement over a real server, and its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.contestants import CONTESTANTS
from bench.idle import TAKING_PART, IdleCost, kept_connections, measure, report
from bench.server import Server
from bench.site import write_site
from tests.bench.tiny_contestant import tiny_contestant


def test_connections_are_kept_after_their_answer(tmp_path: Path) -> None:
    """Each has had its whole answer, and none has been closed; a server that refuses is an error."""
    server = Server(tiny_contestant(), tmp_path / "tiny", write_site(tmp_path / "site", with_program=False))
    try:
        server.start("/")
        with kept_connections(server.port, "/", 5) as opened:
            assert len({connection.getsockname() for connection in opened}) == 5
            for connection in opened:
                connection.setblocking(False)
                with pytest.raises(BlockingIOError):
                    connection.recv(1)
    finally:
        server.stop()
    with pytest.raises(OSError), kept_connections(server.port, "/", 1):
        pass


@pytest.mark.slow
def test_an_idle_connection_of_isapy_is_measured(tmp_path: Path) -> None:
    """It costs the listener something, and less than lighttpd's 3.9 KB with room to spare for this small number."""
    tmp_path.chmod(0o755)
    site = write_site(tmp_path / "site", with_program=False)
    cost = measure("isapy", "static", tmp_path, site, connections=600)
    assert (cost.contestant, cost.scenario, cost.connections, cost.role) == ("isapy", "static", 600, "listener")
    assert 500 < cost.front < 8000


def test_the_table_has_a_row_for_each() -> None:
    """Bytes, rounded."""
    text = report([IdleCost("isapy", "static", 10000, "listener", 2551.4, 2554.6)])
    assert text.splitlines()[-1] == "| isapy | static | 10000 | 2551 | listener | 2555 |"


def test_all_that_take_part_have_a_path_for_their_scenario() -> None:
    """A name that nobody has would end the run."""
    for name, scenario in TAKING_PART:
        assert scenario in CONTESTANTS[name].paths
