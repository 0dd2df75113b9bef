"""`isapy list scripts` on a running service, in both isolation modes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.admin.commands import RecyclePool
from host.admin.script_messages import ListScripts, ScriptRow, Scripts
from tests.running_service import RunningService, running, wait_until
from tests.sample_site import write_program, write_site

pytestmark = pytest.mark.slow

WARM = f"#!{sys.executable}\nprint('Content-Type: text/plain\\n')\n"
FAILS = "#!/bin/sh\necho no header line here\necho why it failed >&2\nexit 3\n"


@pytest.fixture(params=["WorkerProcess", "IIS5"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningService]:
    """A site with a script that works and one that fails."""
    config = write_site(tmp_path, mode=request.param)
    write_program(tmp_path / "wwwroot" / "cgi-bin" / "fails.cgi", FAILS)
    write_program(tmp_path / "wwwroot" / "cgi-bin" / "warm.cgi", WARM)
    with running(tmp_path, config) as service:
        yield service


def scripts_of(service: RunningService) -> dict[str, ScriptRow]:
    reply = service.ask(ListScripts())
    assert isinstance(reply, Scripts)
    return {Path(row.script).name: row for row in reply.rows}


def test_runs_are_counted_and_outlive_a_recycle(service: RunningService) -> None:
    """Counts, percentiles, exits and the last error with its request; workers may come and go."""
    for _ in range(3):
        assert service.get("/cgi-bin/hello.cgi").status == 200
    assert service.get("/cgi-bin/fails.cgi").status == 502

    def counted(hellos: int) -> dict[str, ScriptRow]:
        rows = scripts_of(service)
        is_told = "fails.cgi" in rows and "hello.cgi" in rows and rows["hello.cgi"].runs >= hellos
        return rows if is_told else {}

    rows = wait_until(lambda: counted(3), service.folder, "the runs are counted")
    hello, fails = rows["hello.cgi"], rows["fails.cgi"]
    assert (hello.runs, hello.errors, hello.exits, hello.last_error) == (3, 0, {"0": 3}, "")
    assert 0 <= hello.p50 <= hello.p95 <= hello.p99 <= hello.longest
    assert (fails.runs, fails.errors, fails.exits) == (1, 1, {"3": 1})
    assert "why it failed" in fails.last_error
    assert fails.last_error_seconds is not None
    assert service.has_event("cgi-failed", f"request {fails.last_error_request}")
    if hello.pool == "inetinfo":
        return  # which nothing recycles
    service.ask(RecyclePool(name=hello.pool))
    assert service.get("/cgi-bin/hello.cgi").status == 200
    assert wait_until(lambda: counted(4), service.folder, "the fourth run is counted")["hello.cgi"].runs == 4


def test_warm_runs_are_told_from_cold_ones(service: RunningService) -> None:
    """The first run is cold, because its interpreter is started by it; a shell script never has a warm one."""
    assert service.get("/cgi-bin/hello.cgi").status == 200

    def warm() -> dict[str, ScriptRow]:
        assert service.get("/cgi-bin/warm.cgi").status == 200
        rows = scripts_of(service)
        return rows if "hello.cgi" in rows and "warm.cgi" in rows and rows["warm.cgi"].warm_runs else {}

    rows = wait_until(warm, service.folder, "a warm run is counted")
    assert 0 < rows["warm.cgi"].warm_runs < rows["warm.cgi"].runs
    assert rows["hello.cgi"].warm_runs == 0
