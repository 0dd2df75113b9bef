"""May what is left of a body go past the worker?"""

from __future__ import annotations

import pytest

from host.wire.frames import LEAST_HELD
from host.worker.body_handing import may_be_handed

MANY = 10 * LEAST_HELD


@pytest.mark.parametrize(
    ("length", "received", "most", "expected"),
    [
        (MANY, 0, None, True),
        (MANY, MANY - LEAST_HELD, None, True),
        (MANY, MANY - LEAST_HELD + 1, None, False),
        (MANY, MANY, None, False),
        (LEAST_HELD, 0, None, True),
        (LEAST_HELD - 1, 0, None, False),
        (0, 0, None, False),
        (None, 0, None, False),
        (MANY, 0, MANY, True),
        (MANY, 0, MANY - 1, False),
    ],
)
def test_enough_of_a_known_length_that_nobody_refuses(
    length: int | None, received: int, most: int | None, expected: bool
) -> None:
    """Every fact decides at its limit."""
    assert may_be_handed(length, received, most) is expected
