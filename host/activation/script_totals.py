"""What the workers have told of scripts, added up by pool: it outlives workers, recycles and mode switches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from host.wire.durations import BUCKETS
from host.wire.script_messages import ScriptRow

MOST_SCRIPTS: Final = 1000
"""Scripts of one pool that are told apart; what comes beyond is counted together."""

OTHER_SCRIPTS: Final = "(other scripts)"
_MOST_EXITS: Final = 32
_OTHER_EXITS: Final = "other"
_NOTHING: Final = ScriptRow(
    script="", runs=0, warm_runs=0, errors=0, durations=[0] * BUCKETS, longest_seconds=0.0, exits={}
)


class ScriptTotals:
    """By pool (or process of IIS 5 isolation mode) and script."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, ScriptRow]] = {}

    def add(self, pool: str, rows: Iterable[ScriptRow]) -> None:
        """What a process of that pool has told."""
        known = self._rows.setdefault(pool, {})
        for row in rows:
            script = row.script if row.script in known or len(known) < MOST_SCRIPTS else OTHER_SCRIPTS
            known[script] = _sum(script, known.get(script, _NOTHING), row)

    def rows(self) -> Iterator[tuple[str, ScriptRow]]:
        """(pool, totals of a script), the scripts that have run most first."""
        for pool, known in sorted(self._rows.items()):
            for row in sorted(known.values(), key=lambda row: (-row.runs, row.script)):
                yield pool, row


def _sum(script: str, one: ScriptRow, other: ScriptRow) -> ScriptRow:
    """Two counts as one under the name `script`; `other` is the newer."""
    last = other if other.last_error else one
    return ScriptRow(
        script=script,
        runs=one.runs + other.runs,
        warm_runs=one.warm_runs + other.warm_runs,
        errors=one.errors + other.errors,
        durations=_added(one.durations, other.durations),
        longest_seconds=max(one.longest_seconds, other.longest_seconds),
        exits=_exits(one.exits, other.exits),
        last_error=last.last_error,
        last_error_request=last.last_error_request,
        last_error_at=last.last_error_at,
    )


def _added(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)]


def _exits(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    total = dict(one)
    for how, count in other.items():
        key = how if how in total or len(total) < _MOST_EXITS else _OTHER_EXITS
        total[key] = total.get(key, 0) + count
    return total
