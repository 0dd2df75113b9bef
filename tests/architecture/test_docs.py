"""Pages that a test can contradict: every file they name exists, every message that is linked leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.api.errors import SUBSTATUS_MEANINGS
from host.logs.events import EVENTS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """`host/...`, `tests/...` and the like in back-quotes are real paths."""
    named = re.findall(r"`((?:host|extensions|filters|tests|conf|bench|docs)/[\w./-]*)`", page.read_text())
    missing = sorted({name for name in named if not (ROOT / name).exists()})
    assert not missing, f"{page.name} names {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """No link to a page that is not there."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing, f"{page.name} links to {missing}"


def test_the_walk_of_the_architecture_page_is_complete_and_ordered() -> None:
    """Twelve steps, numbered without a gap."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", text, re.M)]
    assert numbers == list(range(1, 13))


def test_event_ids_are_unique_numbers_and_named_in_the_code() -> None:
    """An event that nobody writes, or two with one number, would mislead an operator."""
    numbers = [kind.number for kind in EVENTS.values()]
    assert len(set(numbers)) == len(numbers)
    code = "\n".join(
        path.read_text()
        for top in ("host", "extensions", "filters")
        for path in (ROOT / top).rglob("*.py")
        if path.name != "events.py"
    )
    unused = [name for name in EVENTS if f'"{name}"' not in code]
    assert not unused, f"events that nothing writes: {unused}"


def test_every_substatus_pair_is_plausible() -> None:
    """Statuses are errors, substatus fits sc-substatus."""
    for status, substatus in SUBSTATUS_MEANINGS:
        assert 400 <= status <= 599
        assert 0 <= substatus <= 999
