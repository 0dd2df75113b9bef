"""Counts the programs of scripts that have ended, and tells the service about once a second while some do.

What is told is the difference to what was told before, and the service adds it up: so counts outlive the worker, and
one that is killed takes at most the last second with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from host.api import ScriptRun
from host.wire.durations import BUCKETS, bucket_of
from host.wire.script_messages import ScriptRow

TOLD_AFTER_SECONDS: Final = 1.0
MOST_SCRIPTS: Final = 500
"""Scripts that are told apart in one message; what comes beyond is counted together."""

OTHER_SCRIPTS: Final = "(other scripts)"
_LONGEST_ERROR: Final = 500


@dataclass(slots=True)
class _Count:
    runs: int = 0
    warm_runs: int = 0
    errors: int = 0
    durations: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    longest_seconds: float = 0.0
    exits: dict[str, int] = field(default_factory=dict)
    last_error: tuple[str, str, float] = ("", "", 0.0)


class ScriptCounts:
    """What has not been told yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[list[ScriptRow]], None]) -> None:
        self._loop = loop
        self._tell = tell
        self._counts: dict[str, _Count] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, run: ScriptRun) -> None:
        """A program has ended. To be called on the loop."""
        count = self._counts.get(run.script)
        if count is None:
            name = run.script if len(self._counts) < MOST_SCRIPTS else OTHER_SCRIPTS
            count = self._counts.setdefault(name, _Count())
        count.runs += 1
        count.warm_runs += run.is_warm
        count.durations[bucket_of(run.seconds)] += 1
        count.longest_seconds = max(count.longest_seconds, run.seconds)
        count.exits[run.exit] = count.exits.get(run.exit, 0) + 1
        if run.error:
            count.errors += 1
            count.last_error = (run.error[:_LONGEST_ERROR], run.request_id, time.time())
        if self._timer is None:
            self._timer = self._loop.call_later(TOLD_AFTER_SECONDS, self.tell)

    def tell(self) -> None:
        """Tell what has come since the last time, and begin anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        counts, self._counts = self._counts, {}
        if counts:
            self._tell([_row(script, count) for script, count in counts.items()])


def _row(script: str, count: _Count) -> ScriptRow:
    error, request_id, at = count.last_error
    return ScriptRow(
        script=script,
        runs=count.runs,
        warm_runs=count.warm_runs,
        errors=count.errors,
        durations=count.durations,
        longest_seconds=count.longest_seconds,
        exits=count.exits,
        last_error=error,
        last_error_request=request_id,
        last_error_at=at,
    )
