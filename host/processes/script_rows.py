"""What the workers have told of scripts, as rows for the administrator."""

from __future__ import annotations

from host.activation.script_totals import ScriptTotals
from host.admin.script_messages import ScriptRow
from host.wire.durations import percentile


def script_rows(totals: ScriptTotals, now: float) -> list[ScriptRow]:
    """Every script of every pool, the busiest first; `now` in seconds since the epoch."""
    return [
        ScriptRow(
            pool=pool,
            script=row.script,
            runs=row.runs,
            warm_runs=row.warm_runs,
            errors=row.errors,
            p50=_milliseconds(min(percentile(row.durations, 0.5), row.longest_seconds)),
            p95=_milliseconds(min(percentile(row.durations, 0.95), row.longest_seconds)),
            p99=_milliseconds(min(percentile(row.durations, 0.99), row.longest_seconds)),
            longest=_milliseconds(row.longest_seconds),
            exits=row.exits,
            last_error=row.last_error,
            last_error_request=row.last_error_request,
            last_error_seconds=max(0.0, now - row.last_error_at) if row.last_error_at else None,
        )
        for pool, row in totals.rows()
    ]


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
