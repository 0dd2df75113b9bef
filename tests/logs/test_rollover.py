"""Which file is written now."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator

import pytest

from host.logs.rollover import httperr_naming, site_naming


def utc(text: str) -> float:
    """Seconds since the epoch of `2024-05-02 17:42:15` in UTC."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine is nine hours east of UTC."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("period", "name"),
    [
        ("Hourly", "u_ex24050217.log"),
        ("Daily", "u_ex240502.log"),
        ("Weekly", "u_ex240501.log"),
        ("Monthly", "u_ex2405.log"),
    ],
)
def test_dated_names(period: str, name: str) -> None:
    """IIS's names, for the afternoon of 2 May 2024."""
    assert site_naming(period, 0).name(utc("2024-05-02 17:42:15"), {}) == name


@pytest.mark.parametrize(
    ("period", "last", "first"),
    [
        ("Hourly", "2024-05-02 17:59:59", "2024-05-02 18:00:00"),
        ("Daily", "2024-02-28 23:59:59", "2024-02-29 00:00:00"),
        ("Weekly", "2024-05-04 23:59:59", "2024-05-05 00:00:00"),
        ("Monthly", "2024-12-31 23:59:59", "2025-01-01 00:00:00"),
    ],
)
def test_the_name_changes_at_the_boundary(period: str, last: str, first: str) -> None:
    """One second apart, two files; weeks begin on Sunday."""
    naming = site_naming(period, 0)
    assert naming.name(utc(last), {}) != naming.name(utc(first), {})
    assert naming.name(utc(first), {}) == naming.name(utc(first) + 1799, {})


@pytest.mark.parametrize(
    ("day", "week"),
    [("2024-05-01", 1), ("2024-05-04", 1), ("2024-05-05", 2), ("2024-06-01", 1), ("2024-06-02", 2), ("2024-06-30", 6)],
)
def test_week_of_the_month(day: str, week: int) -> None:
    """June 2024 begins on a Saturday: its second week begins on the next day."""
    assert site_naming("Weekly", 0).name(utc(f"{day} 12:00:00"), {})[8:10] == f"{week:02}"


def test_local_time_rollover_moves_days_but_not_hours(tokyo: None) -> None:
    """At 16:00 UTC it is the next day in Tokyo; hourly files stay on UTC."""
    at = utc("2024-05-02 16:00:00")
    assert site_naming("Daily", 0, is_local=True).name(at, {}) == "u_ex240503.log"
    assert site_naming("Daily", 0).name(at, {}) == "u_ex240502.log"
    assert site_naming("Hourly", 0, is_local=True).name(at, {}) == "u_ex24050216.log"


def test_max_size_counts_up() -> None:
    """The last file while there is room in it, then the next number; other files do not count."""
    naming = site_naming("MaxSize", 1000)
    assert naming.name(0, {}) == "u_extend1.log"
    assert naming.name(0, {"u_extend9.log": 999, "u_extend2.log": 5000}) == "u_extend9.log"
    assert naming.name(0, {"u_extend9.log": 1000}) == "u_extend10.log"
    assert naming.name(0, {"u_extend3.log.gz": 5, "u_ex240502.log": 9, "extend4.log": 1}) == "u_extend1.log"


def test_httperr_has_one_megabyte_files() -> None:
    """`httperr1.log`, then the next at 1 MB."""
    assert httperr_naming().name(0, {}) == "httperr1.log"
    assert httperr_naming().name(0, {"httperr1.log": 1048575}) == "httperr1.log"
    assert httperr_naming().name(0, {"httperr1.log": 1048576}) == "httperr2.log"


def test_unknown_period_is_refused() -> None:
    """A period IIS does not have."""
    with pytest.raises(ValueError, match="unknown log period Yearly"):
        site_naming("Yearly", 0)
