"""The comparison's own parts: the pages of every peer are right, failures are told apart, isapy runs through."""

from __future__ import annotations

import io
import os
import runpy
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.reliability.__main__ import main
from bench.reliability.contestants import CONTESTANTS, write_pages
from bench.reliability.report import report_text
from bench.reliability.run import Deed, Result, run
from tests.chaos.client import Count, Failure
from tests.chaos.requests import KINDS

NUMBER = 83


def failure(**facts: object) -> Failure:
    """A page on a kept connection that was closed before a byte came, unless said otherwise."""
    known: dict[str, object] = {
        "kind": "page",
        "number": 1,
        "error": "closed",
        "connected": 1.0,
        "began": 2.0,
        "ended": 3.0,
        "reused": True,
        "received": 0,
        "status": 0,
    }
    return Failure(**{**known, **facts})  # type: ignore[arg-type]


def result(contestant: str, failures: tuple[Failure, ...]) -> Result:
    """Ten pages."""
    count = Count(sent=10, answered=10 - len(failures), failed=len(failures), slowest_seconds=0.25)
    return Result(
        contestant=contestant,
        deed=Deed.RECYCLE,
        how="SIGHUP",
        deeds=3,
        seconds=6.0,
        counts={"page": count},
        failures=failures,
    )


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_wsgi_pages_answer_every_kind_rightly(tmp_path: Path, kind: str) -> None:
    """A peer that answered wrongly would seem to lose requests."""
    site = write_pages(tmp_path / "site")
    application = runpy.run_path(str(site.root / "pages_wsgi.py"))["application"]
    body = b"".join(KINDS[kind].body(NUMBER))
    statuses: list[str] = []
    answer: Iterable[bytes] = application(
        {
            "PATH_INFO": CONTESTANTS["gunicorn"].paths[kind],
            "QUERY_STRING": f"n={NUMBER}",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        },
        lambda status, _fields: statuses.append(status),
    )
    assert b"".join(answer) == KINDS[kind].expected(NUMBER)
    assert statuses == ["200 OK"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "file"])
def test_the_cgi_pages_answer_every_kind_rightly(tmp_path: Path, kind: str) -> None:
    """What Apache runs."""
    site = write_pages(tmp_path / "site")
    body = b"".join(KINDS[kind].body(NUMBER))
    environment = {"QUERY_STRING": f"n={NUMBER}", "CONTENT_LENGTH": str(len(body)), "PATH": os.environ["PATH"]}
    script = site.documents / CONTESTANTS["apache"].paths[kind].lstrip("/")
    ran = subprocess.run([str(script)], input=body, env=environment, capture_output=True, check=True)
    _, _, answer = ran.stdout.partition(b"\r\n\r\n")
    assert answer == KINDS[kind].expected(NUMBER)


def test_what_a_client_may_repeat_is_told_apart() -> None:
    """Idempotent, on a kept connection, and not a byte of an answer."""
    found = result(
        "x",
        (
            failure(),
            failure(kind="upload"),
            failure(reused=False),
            failure(received=5, status=200),
            failure(error="status 502", status=502),
            failure(error="ConnectionResetError"),
        ),
    )
    assert found.may_be_repeated == 2


def test_the_table_names_how_often_why_and_how_slow_the_best_first() -> None:
    """What is published."""
    text = report_text([result("loses", (failure(), failure(), failure(kind="wait"))), result("keeps", ())])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert rows[2] == ["keeps", "SIGHUP", "3", "10", "0", "0", "0.25 s", "-"]
    assert rows[3] == ["loses", "SIGHUP", "3", "10", "3", "3", "0.25 s", "2 x page: closed, 1 x wait: closed"]


def test_an_unknown_contestant_is_refused_with_the_known_ones() -> None:
    """A typing mistake must not compare nothing in silence."""
    with pytest.raises(SystemExit, match="no contestant gunicron; there are isapy"):
        main(["--contestants", "gunicron"])


@pytest.mark.slow
@pytest.mark.parametrize("deed", [Deed.RECYCLE, Deed.KILL])
def test_isapy_runs_through_and_is_really_disturbed(tmp_path: Path, deed: Deed) -> None:
    """Recycled under load without a loss; killed with what a kill may cost."""
    site = write_pages(tmp_path / "site")
    found = run(CONTESTANTS["isapy"], site, tmp_path / "run", deed=deed, seconds=1.5, beat=0.5, seed=2)
    assert found.deeds >= 1
    assert all(count.answered > 0 for count in found.counts.values())
    if deed is Deed.RECYCLE:
        assert found.failures == ()
    assert {one.kind for one in found.failures} <= {"upload", "stream", "file"}
