"""The tables of docs/reliability.md: pure functions over results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from bench.reliability.run import Result
from bench.report import table

_MOST_REASONS = 3


def report_text(results: Sequence[Result]) -> str:
    """One table a deed, the fewest failures first."""
    parts = []
    for deed in dict.fromkeys(result.deed for result in results):
        own = [result for result in results if result.deed is deed]
        lines = [_line(result) for result in sorted(own, key=lambda result: len(result.failures) / max(1, result.sent))]
        head = ["server", "how", "times", "requests", "failed", "of these repeatable", "slowest", "why"]
        parts.append(f"on every beat: {deed.value}\n\n{table(head, lines)}")
    return "\n\n".join(parts) + "\n"


def _line(result: Result) -> list[str]:
    reasons = [f"{count} x {reason}" for reason, count in result.reasons.most_common(_MOST_REASONS)]
    more = len(result.reasons) - len(reasons)
    if more > 0:
        reasons.append(f"{more} more kinds")
    return [
        result.contestant,
        result.how,
        str(result.deeds),
        str(result.sent),
        str(len(result.failures)),
        str(result.may_be_repeated),
        f"{result.slowest_seconds:.2f} s",
        ", ".join(reasons) or "-",
    ]


def report_json(results: Sequence[Result]) -> str:
    """Every result with every failure."""
    return json.dumps([{**asdict(result), "deed": result.deed.value} for result in results], indent=1) + "\n"
