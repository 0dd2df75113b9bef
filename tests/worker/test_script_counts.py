"""Counting scripts' programs in a worker."""

from __future__ import annotations

import asyncio

from host.api import ScriptRun
from host.wire.durations import percentile
from host.wire.script_messages import ScriptRow
from host.worker.script_counts import MOST_SCRIPTS, OTHER_SCRIPTS, ScriptCounts


def run_of(script: str, seconds: float = 0.01, how: str = "0", error: str = "", *, is_warm: bool = False) -> ScriptRun:
    return ScriptRun(script=script, request_id=f"r-{script}", seconds=seconds, exit=how, error=error, is_warm=is_warm)


def test_differences_are_told_once_by_a_timer() -> None:
    """Two runs of one script are one row; then nothing is told until another has ended."""

    async def main() -> list[list[ScriptRow]]:
        told: list[list[ScriptRow]] = []
        heard = asyncio.Event()

        def tell(rows: list[ScriptRow]) -> None:
            told.append(rows)
            heard.set()

        counts = ScriptCounts(asyncio.get_running_loop(), tell)
        counts.add(run_of("/a", 0.01, is_warm=True))
        counts.add(run_of("/a", 0.5, "SIGKILL", "it ran too long"))
        async with asyncio.timeout(60):
            await heard.wait()
        counts.tell()  # nothing has come since
        counts.add(run_of("/a"))
        counts.tell()
        return told

    first, second = asyncio.run(main())
    (row,) = first
    assert (row.runs, row.warm_runs, row.errors, row.longest_seconds) == (2, 1, 1, 0.5)
    assert row.exits == {"0": 1, "SIGKILL": 1}
    assert (row.last_error, row.last_error_request) == ("it ran too long", "r-/a")
    assert 0.45 < percentile(row.durations, 1.0) < 0.55
    assert [(row.runs, row.last_error) for row in second] == [(1, "")]


def test_names_beyond_the_limit_are_counted_together() -> None:
    """A site with ever new scripts costs no more memory."""

    async def main() -> list[ScriptRow]:
        told: list[ScriptRow] = []
        counts = ScriptCounts(asyncio.get_running_loop(), told.extend)
        for number in range(MOST_SCRIPTS + 5):
            counts.add(run_of(f"/{number}"))
        counts.tell()
        return told

    rows = asyncio.run(main())
    assert len(rows) == MOST_SCRIPTS + 1
    assert (rows[-1].script, rows[-1].runs) == (OTHER_SCRIPTS, 5)
