"""The tables that people read (Markdown that lines up in a terminal), and the JSON that programs read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from bench.sample import Memory, Sample
from bench.scenarios import SCENARIOS, Load, Scenario
from bench.summary import Row, Spread, rows

_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A contestant that could not be measured in a scenario, and why."""

    scenario: str
    contestant: str
    reason: str


def report_text(samples: Sequence[Sample], left_out: Sequence[LeftOut]) -> str:
    """Every table of a run."""
    parts: list[str] = []
    for scenario in SCENARIOS.values():
        own = [sample for sample in samples if sample.scenario == scenario.name]
        missing = [entry for entry in left_out if entry.scenario == scenario.name]
        if own or missing:
            parts.append(f"{scenario.name}: {scenario.title}")
        for connections in sorted({sample.connections for sample in own}):
            cell = [sample for sample in own if sample.connections == connections]
            parts.append(_cell_text(scenario, connections, cell))
        if own:
            parts.append(_memory_text(scenario, own))
        parts += [f"  left out: {entry.contestant}: {entry.reason}" for entry in missing]
    return "\n\n".join(parts) + "\n"


def report_json(samples: Sequence[Sample], left_out: Sequence[LeftOut], facts: Mapping[str, object]) -> str:
    """`facts` about the run, then every sample, every row of the tables and every contestant that was left out."""
    tables: list[dict[str, object]] = []
    for name, connections in sorted({(sample.scenario, sample.connections) for sample in samples}):
        scenario = SCENARIOS[name]
        cell = [sample for sample in samples if (sample.scenario, sample.connections) == (name, connections)]
        tables += [
            {"scenario": name, "connections": connections, "base": scenario.base, **asdict(row)}
            for row in rows(cell, scenario.base, by_bytes=scenario.load is Load.DOWNLOAD)
        ]
    everything = {
        **facts,
        "rows": tables,
        "samples": [asdict(sample) for sample in samples],
        "left_out": [asdict(entry) for entry in left_out],
    }
    return json.dumps(everything, indent=1) + "\n"


def _cell_text(scenario: Scenario, connections: int, cell: Sequence[Sample]) -> str:
    by_bytes = scenario.load is Load.DOWNLOAD
    head = [
        f"{connections} connection{'s' if connections > 1 else ''}",
        "MB/s (min-max)" if by_bytes else "req/s (min-max)",
        "ratio (min-max)",
        "p50",
        "p99",
        "CPU s/GB" if by_bytes else "CPU s/1k",
        "CPU ratio",
        "in tree",
        "generator",
        "others",
        "errors",
    ]
    lines = [_cell_line(row, scenario.base, by_bytes=by_bytes) for row in rows(cell, scenario.base, by_bytes=by_bytes)]
    return table(head, lines)


def _cell_line(row: Row, base: str, *, by_bytes: bool) -> list[str]:
    rate = row.rate
    if by_bytes:
        rate = Spread(rate.median / 1e6, rate.lowest / 1e6, rate.highest / 1e6)
    return [
        row.contestant + (" (base)" if row.contestant == base else ""),
        f"{rate.median:.0f} ({rate.lowest:.0f}-{rate.highest:.0f})",
        _ratio(row.rate_ratio, with_span=True),
        duration(row.p50_seconds),
        duration(row.p99_seconds),
        f"{row.cost.median:.3f}",
        _ratio(row.cost_ratio, with_span=False),
        f"{row.tree_cost:.3f}",
        f"{row.generator_share:.0%}",
        f"{row.other_share:.0%}",
        str(row.errors),
    ]


def _memory_text(scenario: Scenario, own: Sequence[Sample]) -> str:
    with_peak = scenario.load in (Load.DOWNLOAD, Load.POST)
    lines = [
        _memory_line(row.contestant, entry, with_peak=with_peak)
        for row in rows(own, scenario.base, by_bytes=with_peak)
        for entry in row.memory
    ]
    head = ["memory", "process", "number", "USS MB each", "PSS MB each"]
    return table([*head, "USS MB before", "peak USS MB", "growth"] if with_peak else head, lines)


def _memory_line(contestant: str, entry: Memory, *, with_peak: bool) -> list[str]:
    line = [contestant, entry.role, str(entry.count), megabytes(entry.uss), megabytes(entry.pss)]
    if with_peak:
        line += [megabytes(entry.uss_before), megabytes(entry.uss_peak), megabytes(entry.uss_peak - entry.uss_before)]
    return line


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns: the first to the left, numbers to the right."""
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in (head, rule, *lines)
    )


def duration(seconds: float) -> str:
    """`420 us`, `3.1 ms`, `2.4 s`."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def megabytes(size: float) -> str:
    """Bytes as units of 2^20."""
    return f"{size / _MEGABYTE:.1f}"


def _ratio(ratio: Spread, *, with_span: bool) -> str:
    if ratio.median == 0.0:
        return "-"
    return f"{ratio.median:.2f}" + (f" ({ratio.lowest:.2f}-{ratio.highest:.2f})" if with_span else "")
