"""The process manager's decisions, with a moved clock."""

from __future__ import annotations

import pytest

from host.fastcgi.policy import (
    Overdue,
    RapidFails,
    UploadPlaces,
    died_of_itself,
    is_idle_for_too_long,
    most_instances,
    must_be_replaced,
    overdue,
)


@pytest.mark.parametrize(("configured", "processors", "most"), [(3, 64, 3), (0, 1, 8), (0, 2, 8), (0, 16, 64)])
def test_as_many_processes_as_configured_or_chosen(configured: int, processors: int, most: int) -> None:
    """0 is automatic: four for each processor, at least eight."""
    assert most_instances(configured, processors) == most


@pytest.mark.parametrize(("processes", "most"), [(1, 0), (2, 1), (3, 1), (8, 4)])
def test_half_of_the_processes_may_wait_for_clients(processes: int, most: int) -> None:
    """Never the only one."""
    places = UploadPlaces(processes)
    assert [places.begin() for _ in range(most + 1)] == [True] * most + [False]
    if most:
        places.end()
        assert places.begin()


@pytest.mark.parametrize(
    ("now", "quiet_since", "expected"),
    [
        (109.9, 100.0, None),
        (110.0, 100.0, Overdue.ACTIVITY),
        (129.9, None, None),
        (130.0, None, Overdue.REQUEST),
        (130.0, 100.0, Overdue.REQUEST),
        (129.0, 125.0, None),
    ],
)
def test_a_request_is_overdue(now: float, quiet_since: float | None, expected: Overdue | None) -> None:
    """Begun at 100; ten seconds of silence, thirty in all; silence that the process is not to blame for is none."""
    assert overdue(now, 100.0, quiet_since, activity_seconds=10, request_seconds=30) is expected


def test_rapid_fails_are_counted_in_a_minute() -> None:
    """Two are borne, the third one is one too many; it is over when the first of them is a minute old."""
    fails = RapidFails(2)
    assert [fails.note(now) for now in (0.0, 10.0)] == [False, False]
    assert not fails.is_down(10.0)
    assert fails.note(20.0)
    assert fails.is_down(59.9)
    assert not fails.is_down(60.0)
    assert fails.note(65.0)  # 10, 20 and 65


def test_failures_far_from_one_another_are_borne_for_ever() -> None:
    """One every half minute."""
    fails = RapidFails(2)
    assert not any(fails.note(30.0 * n) for n in range(100))


def test_without_a_limit_nothing_is_too_much() -> None:
    """rapidFailsPerMinute="0"."""
    fails = RapidFails(0)
    assert not any(fails.note(0.0) for _ in range(100))
    assert not fails.is_down(0.0)


def test_when_a_process_is_replaced() -> None:
    """Enough requests, or it began before a change."""
    assert must_be_replaced(200, 200, 1, 1)
    assert must_be_replaced(1, 200, 0, 1)
    assert not must_be_replaced(199, 200, 1, 1)


def test_when_a_process_is_idle_for_too_long() -> None:
    """To the second."""
    assert is_idle_for_too_long(400.0, 100.0, 300)
    assert not is_idle_for_too_long(399.9, 100.0, 300)


@pytest.mark.parametrize(
    ("status", "served", "is_busy", "is_failure"),
    [(0, 5, False, False), (0, 0, False, True), (1, 5, False, True), (-9, 5, False, True), (0, 5, True, True)],
)
def test_which_ends_are_failures(status: int, served: int, is_busy: bool, is_failure: bool) -> None:
    """Not that of a process that has answered and exits with 0, as php-cgi does after its requests."""
    assert died_of_itself(status, served, is_busy) == is_failure
