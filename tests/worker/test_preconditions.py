"""preCondition."""

from __future__ import annotations

import pytest

from host.worker.preconditions import holds


@pytest.mark.parametrize(
    ("condition", "is_classic", "expected"),
    [
        ("", False, True),
        ("integratedMode", False, True),
        ("integratedMode", True, False),
        ("classicMode", True, True),
        ("bitness64", False, True),
        ("bitness32", False, False),
        ("classicMode, bitness64", True, True),
        ("classicMode,runtimeVersionv4.0", True, False),
        ("managedHandler", False, False),
    ],
)
def test_every_condition_of_the_list_must_hold(condition: str, is_classic: bool, expected: bool) -> None:
    """Conditions of .NET never hold here."""
    assert holds(condition, is_classic=is_classic) is expected
