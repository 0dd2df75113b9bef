"""The recycling schedule over moved clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from host.activation.schedule import look_at_schedule, time_of_day

HALF_PAST_TWO = 2 * 3600 + 1800
NIGHT = (HALF_PAST_TWO, 3 * 3600)
BERLIN = ZoneInfo("Europe/Berlin")


def clock(text: str) -> datetime:
    """`2025-03-30 01:59` of the wall."""
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("mark", "now", "due"),
    [
        ("2025-05-02 02:29:59", "2025-05-02 02:30:00", HALF_PAST_TWO),
        ("2025-05-02 02:29:58", "2025-05-02 02:29:59", None),
        ("2025-05-02 02:30:00", "2025-05-02 02:30:01", None),  # that one has been told
        ("2025-05-02 02:29:00", "2025-05-02 03:00:00", 3 * 3600),  # the latest of two that were missed
        ("2025-05-01 23:59:59", "2025-05-02 00:00:00", None),
        ("2025-05-01 03:30:00", "2025-05-02 02:45:00", HALF_PAST_TWO),  # slept over the change of days
        ("2025-05-01 12:00:00", "2025-05-09 12:00:00", 3 * 3600),  # slept for a week: once
        ("2025-05-01 12:00:00", "2025-05-02 01:00:00", None),
    ],
)
def test_a_time_of_day_is_due_once_when_the_clock_has_come_to_it(mark: str, now: str, due: int | None) -> None:
    """Between the last look and this one, the latest of several."""
    look = look_at_schedule(NIGHT, clock(mark), clock(now))
    assert look == (clock(now), due)


def test_midnight_belongs_to_the_day_that_begins() -> None:
    """00:00:00 is a time of day like others."""
    assert look_at_schedule((0,), clock("2025-05-01 23:59:59"), clock("2025-05-02 00:00:00")).due == 0


def test_without_a_schedule_nothing_is_ever_due() -> None:
    """Whatever the clock does."""
    assert look_at_schedule((), clock("2020-01-01 00:00"), clock("2025-01-01 00:00")).due is None


def due_in_a_night(first: datetime, schedule: tuple[int, ...]) -> list[tuple[str, int]]:
    """Look once a minute for ten hours of real time; what was due, and what the wall clock said then."""
    found, mark = [], first.astimezone(BERLIN).replace(tzinfo=None)
    for minute in range(1, 600):
        now = (first + timedelta(minutes=minute)).astimezone(BERLIN).replace(tzinfo=None)
        look = look_at_schedule(schedule, mark, now)
        mark = look.mark
        if look.due is not None:
            found.append((f"{now:%H:%M}", look.due))
    return found


def test_a_time_that_summer_time_jumps_over_is_caught_up_once() -> None:
    """02:30 does not exist in that night: the recycle comes with the jump to 03:00."""
    night = datetime(2025, 3, 29, 22, 0, tzinfo=UTC)
    assert due_in_a_night(night, (HALF_PAST_TWO,)) == [("03:00", HALF_PAST_TWO)]


def test_a_time_that_comes_twice_in_a_night_recycles_once() -> None:
    """02:30 exists twice when summer time ends."""
    night = datetime(2025, 10, 25, 21, 0, tzinfo=UTC)
    assert due_in_a_night(night, (HALF_PAST_TWO,)) == [("02:30", HALF_PAST_TWO)]


def test_after_a_clock_was_set_back_the_schedule_follows_the_new_time() -> None:
    """By more than a zone's step: the old mark would silence the schedule until that time comes again."""
    look = look_at_schedule(NIGHT, clock("2025-05-02 14:00"), clock("2025-05-02 01:00"))
    assert look.mark == clock("2025-05-02 01:00")
    assert look.due is None
    assert look_at_schedule(NIGHT, look.mark, clock("2025-05-02 02:31")).due == HALF_PAST_TWO


def test_a_time_of_day_is_shown_as_people_write_it() -> None:
    """For the event."""
    assert time_of_day(HALF_PAST_TWO) == "02:30"
