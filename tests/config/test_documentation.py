"""docs/configuration.md and the schema say the same, in both directions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.config.schema import FOREIGN_SECTIONS, SECTIONS, UNSUPPORTED_SECTIONS, elements_of
from host.config.section_reader import LOCK_ATTRIBUTES
from tests.config.page import attribute_row, element_line, section_heading, section_lines, unsupported_line

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()


def part_of(path: str) -> str:
    """The page's text on one section."""
    _, _, rest = PAGE.partition(f"\n{section_heading(SECTIONS[path])}\n")
    return re.split(r"\n#{2,3} ", rest)[0]


@pytest.mark.parametrize("path", SECTIONS)
def test_a_section_is_described_as_it_is_declared(path: str) -> None:
    """Every element and attribute with type, default, range and meaning (print them: python -m tests.config.page)."""
    part = part_of(path)
    missing = [line for line in list(section_lines(SECTIONS[path]))[1:] if line not in part]
    assert part
    assert not missing


@pytest.mark.parametrize("path", SECTIONS)
def test_the_page_describes_nothing_that_is_not_declared(path: str) -> None:
    """Every row and every element line of the page comes from the schema."""
    elements = dict(elements_of(SECTIONS[path]))
    known = {element_line(name, element) for name, element in elements.items()}
    known |= {attribute_row(attribute) for element in elements.values() for attribute in element.attributes}
    lines = [line for line in part_of(path).splitlines() if line.startswith(("| ", "`<"))]
    stray = [line for line in lines if line not in known and not line.startswith(("| attribute |", "| --- |"))]
    assert not stray


def test_every_section_heading_is_a_section() -> None:
    """No heading is left of a section that went away."""
    assert re.findall(r"^### (\S+)$", PAGE, re.MULTILINE) == list(SECTIONS)


def test_the_lists_of_what_is_not_supported_are_complete() -> None:
    """Both ways."""
    listed = [line for line in PAGE.splitlines() if line.startswith("- `system.")]
    assert listed == [unsupported_line(path) for path in UNSUPPORTED_SECTIONS]
    assert [name for name in sorted(FOREIGN_SECTIONS) if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize(
    "word",
    [
        *sorted(LOCK_ATTRIBUTES),
        *("overrideMode", "allowOverride", "inheritInChildApplications", "configSource", "%ISAPY_ROOT%"),
        *("%ISAPY_CONF%", "%ISAPY_STATE%", "%ISAPY_BUNDLED%", "mode=\"IIS5\"", "isapy check"),
    ],
)  # fmt: skip
def test_the_page_explains(word: str) -> None:
    """What the tables do not show."""
    assert word in PAGE
