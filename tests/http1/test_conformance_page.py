"""docs/http-conformance.md names tests that exist."""

from __future__ import annotations

import re

from tests.running_service import ROOT

PAGE = (ROOT / "docs" / "http-conformance.md").read_text()


def test_every_row_names_a_test_file_that_exists() -> None:
    """Section, rule, what isapy does, where that is demanded."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| [0-9]", line)]
    assert len(rows) > 40
    for row in rows:
        assert len(row) == 4, row
        named = re.findall(r"`([a-z0-9_/]+(?:\.py)?)`", row[3])
        assert named, row
        for name in named:
            file = "tests/conformance/test_bad_input.py" if name == "bad_input" else name
            assert (ROOT / file).is_file(), row
