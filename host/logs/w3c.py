"""W3C extended format: the header block of a file, one line of a request. Pure: text in, text out.

Columns are separated by one blank; a blank or a character that does not print becomes `+`; an empty value is `-`.
Dates and times are UTC whatever decides the file's name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, cast

from host.logs.fields import COLUMNS_BY_NAME, Column
from host.logs.record import RecordParts, RequestRecord

SOFTWARE: Final = "isapy"

FormatLine = Callable[[RecordParts], str]
"""Turns a record (or its parts in their order) into its line, line end included."""

_FORMATTER: Final = """\
def make(text, word, header_text, find_headers, stamp, site, computer):
    last_second, day, clock, last_fields, header = -1, "", "", b"", {{}}

    def format_line(record):
        nonlocal last_second, day, clock, last_fields, header
        {fields} = record
        second = int(ended_at)
        if second != last_second:
            last_second = second
            day, clock = stamp(second)
{prepare}        return f"{line}\\n"

    return format_line
"""
_SPLIT_TARGET: Final = """\
        if not target.isprintable() or " " in target:
            target = text(target)
        stem, _, query = target.partition("?")
"""
_SPLIT_HEADERS: Final = """\
        if raw_fields != last_fields:
            last_fields = raw_fields
            header = {}
            for name, value in find_headers(b"\\n" + last_fields):
                header[name.lower()] = header_text(value)
"""


def column_text(value: str) -> str:
    """A value as one column."""
    if not value:
        return "-"
    if value.isprintable():
        return value.replace(" ", "+")
    return "".join(character if character.isprintable() and character != " " else "+" for character in value)


@lru_cache(maxsize=2048)
def _header_text(raw_value: bytes) -> str:
    """A header field's value as one column. User agents come again and again, hence the cache."""
    return column_text(raw_value.rstrip(b" \t").decode("utf-8", "replace"))


@lru_cache(maxsize=256)
def _word(value: str) -> str:
    """A value of which there are few (methods, versions) as one column."""
    return column_text(value)


@lru_cache(maxsize=8)
def date_and_time(second: int) -> tuple[str, str]:
    """UTC date and time of a second since the epoch, as the logs write them."""
    day, _, clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second)).partition(" ")
    return day, clock


def header_block(columns: Sequence[str], at: float) -> str:
    """What opens a file, and what a restart repeats in it."""
    day, clock = date_and_time(int(at))
    return f"#Software: {SOFTWARE}\n#Version: 1.0\n#Date: {day} {clock}\n#Fields: {' '.join(columns)}\n"


def compile_formatter(columns: Sequence[str], *, computer_name: str = "", log_site_id: bool = True) -> FormatLine:
    """The formatter of these columns (W3C names, in their order). Raises ValueError for an unknown column.

    `log_site_id`: s-sitename shows `W3SVC1` rather than the site's name (`logFile/@logSiteId`).
    """
    unknown = [name for name in columns if name not in COLUMNS_BY_NAME]
    if unknown:
        raise ValueError(f"unknown log column {unknown[0]}: the columns are {' '.join(COLUMNS_BY_NAME)}")
    chosen = [COLUMNS_BY_NAME[name] for name in columns]
    namespace: dict[str, Any] = {}
    # The source is made of the constants above and nothing else: no text of a request or of a configuration enters it.
    exec(_source(chosen), namespace)
    make = namespace["make"]
    site = _site_id if log_site_id else _site_name
    computer = column_text(computer_name)
    find_headers = _header_finder(chosen)
    return cast(FormatLine, make(column_text, _word, _header_text, find_headers, date_and_time, site, computer))


def _source(columns: Sequence[Column]) -> str:
    steps = []
    if any(column.expression.startswith(("stem", "query")) for column in columns):
        steps.append(_SPLIT_TARGET)
    if any(column.header for column in columns):
        steps.append(_SPLIT_HEADERS)
    line = " ".join(f"{{{column.expression}}}" for column in columns)
    return _FORMATTER.format(fields=", ".join(RequestRecord._fields), prepare="".join(steps), line=line)


def _header_finder(columns: Sequence[Column]) -> Callable[[bytes], list[tuple[bytes, bytes]]]:
    """One search for all header fields the columns need. The literal line feed lets the engine skip by memchr."""
    names = "|".join(re.escape(column.header) for column in columns if column.header)
    return re.compile(rf"\n({names}):[ \t]*([^\r\n]*)".encode(), re.IGNORECASE).findall


def _site_id(site_id: int, _site_name: str) -> str:
    return f"W3SVC{site_id}"


def _site_name(_site_id: int, site_name: str) -> str:
    return column_text(site_name)
