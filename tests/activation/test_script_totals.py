"""What workers have told, added up."""

from __future__ import annotations

from host.activation.script_totals import MOST_SCRIPTS, OTHER_SCRIPTS, ScriptTotals
from host.wire.durations import BUCKETS, bucket_of
from host.wire.script_messages import ScriptRow


def row(script: str, runs: int, seconds: float, how: str = "0", error: str = "") -> ScriptRow:
    durations = [0] * BUCKETS
    durations[bucket_of(seconds)] = runs
    return ScriptRow(
        script=script,
        runs=runs,
        warm_runs=0,
        errors=int(bool(error)),
        durations=durations,
        longest_seconds=seconds,
        exits={how: runs},
        last_error=error,
        last_error_request="7" if error else "",
        last_error_at=100.0 if error else 0.0,
    )


def test_rows_of_several_workers_are_added() -> None:
    """Counts, histograms, exits; the last error stays when the next row has none."""
    totals = ScriptTotals()
    totals.add("Shop", [row("/a", 3, 0.1, "1", "broken"), row("/b", 1, 0.1)])
    totals.add("Shop", [row("/a", 2, 2.0)])
    totals.add("Other", [row("/a", 1, 0.1)])
    rows = list(totals.rows())
    assert [(pool, each.script, each.runs) for pool, each in rows] == [
        ("Other", "/a", 1),
        ("Shop", "/a", 5),
        ("Shop", "/b", 1),
    ]
    total = rows[1][1]
    assert (total.exits, total.longest_seconds, sum(total.durations)) == ({"1": 3, "0": 2}, 2.0, 5)
    assert (total.last_error, total.last_error_request, total.last_error_at) == ("broken", "7", 100.0)


def test_memory_is_bounded() -> None:
    """Scripts and exits beyond the limits are counted together."""
    totals = ScriptTotals()
    totals.add("Shop", [row(f"/{number}", 1, 0.1, str(number)) for number in range(MOST_SCRIPTS + 3)])
    totals.add("Shop", [row("/0", 1, 0.1, str(number)) for number in range(100)])
    rows = {each.script: each for _, each in totals.rows()}
    assert len(rows) == MOST_SCRIPTS + 1
    assert rows[OTHER_SCRIPTS].runs == 3
    assert sum(rows["/0"].exits.values()) == 101
    assert len(rows["/0"].exits) <= 33
