"""Which time limit of a program has passed."""

from __future__ import annotations

import pytest

from host.programs.time_limits import Overdue, RunFacts, TimeLimits, overdue

LIMITS = TimeLimits(in_all=100, first_byte=10, silence=5)
SILENT = RunFacts(
    started_at=1000.0,
    is_over=False,
    is_answered=False,
    has_printed=False,
    waits_since=1000.0,
    took_input_at=0.0,
    awaits_client=False,
)
PRINTING = SILENT._replace(has_printed=True, waits_since=1050.0)


@pytest.mark.parametrize(
    ("facts", "now", "expected"),
    [
        (SILENT, 1009.9, None),
        (SILENT, 1010.0, Overdue.FIRST_BYTE),
        (SILENT._replace(took_input_at=1004.0), 1013.9, None),
        (SILENT._replace(took_input_at=1004.0), 1014.0, Overdue.FIRST_BYTE),
        (SILENT._replace(awaits_client=True), 1099.9, None),
        (SILENT._replace(awaits_client=True), 1100.0, Overdue.IN_ALL),
        (PRINTING, 1054.9, None),
        (PRINTING, 1055.0, Overdue.SILENCE),
        (PRINTING._replace(took_input_at=1052.0), 1056.9, None),
        (PRINTING._replace(waits_since=None), 1099.9, None),  # the client takes nothing: nobody waits for the program
        (PRINTING._replace(awaits_client=True), 1099.9, None),
        (PRINTING._replace(is_answered=True), 1099.9, None),
        (PRINTING._replace(is_answered=True), 1100.0, Overdue.IN_ALL),
        (PRINTING._replace(is_over=True), 5000.0, None),
    ],
)
def test_only_the_programs_own_silence_counts(facts: RunFacts, now: float, expected: Overdue | None) -> None:
    """Neither a client that sends slowly nor one that takes nothing ends a program; the time in all always does."""
    assert overdue(LIMITS, facts, now) is expected


def test_limits_that_nobody_set_do_not_pass() -> None:
    """Zero is none, but for the time in all."""
    limits = TimeLimits(in_all=100)
    assert overdue(limits, SILENT, 1099.9) is None
    assert overdue(limits, PRINTING, 1099.9) is None
    assert overdue(limits, PRINTING, 1100.0) is Overdue.IN_ALL


def test_each_limit_knows_its_seconds() -> None:
    """For the page and the event."""
    assert [LIMITS.seconds_of(one) for one in Overdue] == [100, 10, 5]
