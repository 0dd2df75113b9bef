"""The table of columns."""

from __future__ import annotations

from host.logs.fields import COLUMNS, DEFAULT_COLUMNS

IIS_DEFAULT = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) "
    "sc-status sc-substatus sc-win32-status time-taken"
)
IIS_DEFAULT_FLAGS = (
    "Date, Time, ClientIP, UserName, ServerIP, Method, UriStem, UriQuery, TimeTaken, HttpStatus, Win32Status, "
    "ServerPort, UserAgent, HttpSubStatus, Referer"
)


def test_default_columns_are_those_of_iis_in_its_order() -> None:
    """The default `#Fields` line of IIS 7 and later."""
    assert " ".join(DEFAULT_COLUMNS) == IIS_DEFAULT


def test_default_flags_are_those_of_the_configuration_default() -> None:
    """The default of logExtFileFlags names the same columns."""
    assert {column.flag for column in COLUMNS if column.is_default} == set(IIS_DEFAULT_FLAGS.split(", "))


def test_names_and_flags_are_unique() -> None:
    """A flag selects one column."""
    assert len({column.name for column in COLUMNS}) == len({column.flag for column in COLUMNS}) == len(COLUMNS) == 22
