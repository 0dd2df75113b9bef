"""Draws the automata of pools and workers for docs/architecture.md, from their tables.

`python -m tests.activation.automaton_page` writes the page anew; `test_automaton_page.py` compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

from host.activation import pool_transitions, worker_transitions

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
Table = Mapping[tuple[Any, Any], tuple[Any, tuple[Any, ...]]]


def picture(table: Table, start: Enum) -> str:
    """A Mermaid state diagram: one arrow for each pair of states, with the events that lead from one to the other."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), (following, _) in table.items():
        if following is not state:
            arrows.setdefault((state.value, following.value), []).append(event.value)
    lines = [f"    {source} --> {target} : {' / '.join(events)}" for (source, target), events in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {start.value}", *lines, "```"])


def rows(table: Table) -> str:
    """One line for every cell that changes something, in the table's order."""
    lines = [
        f"| {state.value} | {event.value} | {following.value} | {', '.join(command.value for command in commands)} |"
        for (state, event), (following, commands) in table.items()
        if following is not state or commands
    ]
    return "\n".join(["| State | Event | Next | What is done |", "| --- | --- | --- | --- |", *lines])


def sections() -> dict[str, str]:
    """Heading to text: what the page says of the two automata."""
    pool, worker = pool_transitions, worker_transitions
    return {
        "Life of a pool": "\n\n".join(
            [
                "Drawn from `host/activation/pool_transitions.py` by `tests/activation/automaton_page.py`; an\n"
                "event that is missing changes nothing. What a request gets in each state: `docs/configuration.md`.",
                picture(pool.TRANSITIONS, pool.PoolState.STOPPED),
                rows(pool.TRANSITIONS),
            ]
        ),
        "Life of a worker": "\n\n".join(
            [
                "Drawn from the table in `host/activation/worker_transitions.py` in the same way.",
                picture(worker.TRANSITIONS, worker.WorkerState.STARTING),
                rows(worker.TRANSITIONS),
            ]
        ),
    }


def with_sections(page: str) -> str:
    """The page with these sections as the tables have them."""
    for heading, text in sections().items():
        before, found, rest = page.partition(f"## {heading}\n")
        assert found, f"the page has no section {heading}"
        _, following, after = rest.partition("\n## ")
        page = f"{before}{found}\n{text}\n{following}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_sections(PAGE.read_text()))
