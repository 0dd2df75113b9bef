"""docs/cgi.md claims nothing that no test demands."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_behaviour_of_the_cgi_page_names_tests_that_exist() -> None:
    """Each row of the table has at least one, by its name."""
    known = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    table = (ROOT / "docs" / "cgi.md").read_text().partition("## Each behaviour")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, row
        assert not set(named) - known, row
