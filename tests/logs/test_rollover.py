"""Which file is written now."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator
from typing import Any

import pytest

from host.config.log_settings import CustomField, LogFile
from host.logs.rollover import Naming, httperr_naming, site_naming


def utc(text: str) -> float:
    """Seconds since the epoch of `2024-05-02 17:42:15` in UTC."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def naming_of(period: str, **changes: Any) -> Naming:
    """What names the files of a log with that period."""
    return site_naming(LogFile(period=period, **changes))


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
    assert naming_of(period).name(utc("2024-05-02 17:42:15"), {}) == name


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
    naming = naming_of(period)
    assert naming.name(utc(last), {}) != naming.name(utc(first), {})
    assert naming.name(utc(first), {}) == naming.name(utc(first) + 1799, {})


@pytest.mark.parametrize(
    ("day", "week"),
    [("2024-05-01", 1), ("2024-05-04", 1), ("2024-05-05", 2), ("2024-06-01", 1), ("2024-06-02", 2), ("2024-06-30", 6)],
)
def test_week_of_the_month(day: str, week: int) -> None:
    """June 2024 begins on a Saturday: its second week begins on the next day."""
    assert naming_of("Weekly").name(utc(f"{day} 12:00:00"), {})[8:10] == f"{week:02}"


def test_local_time_rollover_moves_days_but_not_hours(tokyo: None) -> None:
    """At 16:00 UTC it is the next day in Tokyo; hourly files stay on UTC."""
    at = utc("2024-05-02 16:00:00")
    assert naming_of("Daily", local_time_rollover=True).name(at, {}) == "u_ex240503.log"
    assert naming_of("Daily").name(at, {}) == "u_ex240502.log"
    assert naming_of("Hourly", local_time_rollover=True).name(at, {}) == "u_ex24050216.log"


def test_max_size_counts_up() -> None:
    """The last file while there is room in it, then the next number; other files do not count."""
    naming = naming_of("MaxSize", truncate_size=1000)
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
        naming_of("Yearly")


@pytest.mark.parametrize(
    ("log_format", "hourly", "daily", "weekly", "monthly", "by_size"),
    [
        ("W3C", "u_ex24050217.log", "u_ex240502.log", "u_ex240501.log", "u_ex2405.log", "u_extend1.log"),
        ("IIS", "u_in24050217.log", "u_in240502.log", "u_in240501.log", "u_in2405.log", "u_inetsv1.log"),
        ("NCSA", "u_nc24050217.log", "u_nc240502.log", "u_nc240501.log", "u_nc2405.log", "u_ncsa1.log"),
    ],
)
def test_each_format_has_names_of_its_own(
    log_format: str, hourly: str, daily: str, weekly: str, monthly: str, by_size: str
) -> None:
    """IIS's names, so that logs of two formats in one folder are told apart."""
    periods = {"Hourly": hourly, "Daily": daily, "Weekly": weekly, "Monthly": monthly, "MaxSize": by_size}
    at = utc("2024-05-02 17:42:15")
    assert {period: naming_of(period, format=log_format).name(at, {}) for period in periods} == periods


def test_a_log_with_custom_fields_says_so_in_its_name() -> None:
    """`_x`, in dated and in numbered names; the numbers count among themselves."""
    custom = (CustomField(name="Forwarded", source_name="X-Forwarded-For"),)
    at = utc("2024-05-02 17:42:15")
    assert naming_of("Daily", custom_fields=custom).name(at, {}) == "u_ex240502_x.log"
    numbered = naming_of("MaxSize", truncate_size=1000, custom_fields=custom)
    assert numbered.name(at, {}) == "u_extend1_x.log"
    assert numbered.name(at, {"u_extend4.log": 7, "u_extend2_x.log": 1000}) == "u_extend3_x.log"


def test_an_unknown_format_is_refused() -> None:
    """A format that isapy does not write is no silent W3C."""
    with pytest.raises(ValueError, match="unknown log format Custom"):
        naming_of("Daily", format="Custom")
