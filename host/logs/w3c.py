"""W3C extended format: the header block of a file, one line of a request. Pure: text in, text out.

Columns are separated by one blank; a blank or a character that does not print becomes `+`; an empty value is `-`.
Dates and times are UTC whatever decides the file's name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Final

from host.config.log_settings import CustomField
from host.logs.custom_fields import CustomColumns, custom_columns, host_name
from host.logs.fields import COLUMNS_BY_NAME, Column
from host.logs.record import RecordParts, RequestRecord
from host.remembered import Remembered

SOFTWARE: Final = "isapy"
_LONGEST_CHARACTER: Final = 4  # bytes, in UTF-8
_MOST_WORDS: Final = 2048
_LONGEST_WORD: Final = 64
_LONGEST_VALUE: Final = 512  # bytes
_MOST_HEADERS: Final = 256
_LONGEST_HEADERS: Final = 4096  # bytes, as of those that the listener recognizes

FindHeaders = Callable[[bytes], list[tuple[bytes, bytes]]]
FormatLine = Callable[[RecordParts], str]
"""Turns a record (or its parts in their order) into its line, line end included."""

_FORMATTER: Final = """\
def make(text, word, headers, stamp, site, computer, find_answer, all_values, host_name, cut, keys):
    begin, end, day, clock = 0.0, 0.0, "", ""

    def format_line(record):
        nonlocal begin, end, day, clock
        {fields} = record
        if not begin <= ended_at < end:
            begin = ended_at // 1.0
            end = begin + 1.0
            day, clock = stamp(int(begin))
{prepare}        return f"{line}\\n"

    return format_line
"""
_SPLIT_TARGET: Final = """\
        if not target.isprintable() or " " in target:
            target = text(target)
        stem, _, query = target.partition("?")
"""
_FIND_HEADERS: Final = """\
        header = headers[raw_fields]
"""
_SPLIT_ANSWER: Final = """\
        answer = all_values(find_answer, details.raw_head) if details else {}
"""


def column_text(value: str) -> str:
    """A value as one column."""
    if not value:
        return "-"
    if value.isprintable():
        return value.replace(" ", "+")
    return "".join(character if character.isprintable() and character != " " else "+" for character in value)


def _new_header_text(raw_value: bytes) -> str:
    """A header field's value as one column."""
    return column_text(raw_value.rstrip(b" \t").decode("utf-8", "replace"))


_header_text: Final = Remembered(_new_header_text, _MOST_WORDS, _LONGEST_VALUE)  # user agents come again and again


_WORDS: Final = Remembered(column_text, _MOST_WORDS, _LONGEST_WORD)


def within_bytes(text: str, limit: int) -> str:
    """As much of the text as fits into so many bytes of UTF-8; no character is cut in two."""
    if len(text) * _LONGEST_CHARACTER <= limit:
        return text
    raw = text.encode("utf-8", "backslashreplace")
    return text if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore")


@lru_cache(maxsize=8)
def date_and_time(second: int) -> tuple[str, str]:
    """UTC date and time of a second since the epoch, as the logs write them."""
    day, _, clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second)).partition(" ")
    return day, clock


def header_block(columns: Sequence[str], at: float) -> str:
    """What opens a file, and what a restart repeats in it."""
    day, clock = date_and_time(int(at))
    return f"#Software: {SOFTWARE}\n#Version: 1.0\n#Date: {day} {clock}\n#Fields: {' '.join(columns)}\n"


def compile_formatter(
    columns: Sequence[str],
    *,
    computer_name: str = "",
    log_site_id: bool = True,
    custom_fields: Sequence[CustomField] = (),
    max_custom_field_length: int = 4096,
) -> FormatLine:
    """The formatter of these columns (W3C names, in their order), custom ones behind them. Raises ValueError for an
    unknown column.

    `log_site_id`: s-sitename shows `W3SVC1` rather than the site's name (`logFile/@logSiteId`).
    `max_custom_field_length`: bytes of UTF-8 of one custom field.
    """
    unknown = [name for name in columns if name not in COLUMNS_BY_NAME]
    if unknown:
        raise ValueError(f"unknown log column {unknown[0]}: the columns are {' '.join(COLUMNS_BY_NAME)}")
    chosen = [COLUMNS_BY_NAME[name] for name in columns]
    custom = custom_columns(custom_fields)
    namespace: dict[str, Any] = {}
    # The source is made of the constants above and in custom_fields.py, and nothing else: no text of a request or of a
    # configuration enters it.
    exec(_source(chosen, custom), namespace)
    line: FormatLine = namespace["make"](
        column_text,
        _WORDS,
        _headers(
            (*(column.header for column in chosen if column.header), *custom.request_headers),
            is_joined=bool(custom.request_headers),
        ),
        date_and_time,
        _site_id if log_site_id else _site_name,
        column_text(computer_name),
        _header_finder(custom.answer_headers),
        _all_values,
        host_name,
        partial(_custom_value, limit=max_custom_field_length),
        custom.keys,
    )
    return line


def _source(columns: Sequence[Column], custom: CustomColumns) -> str:
    expressions = (*(column.expression for column in columns), *custom.expressions)
    steps = []
    if any(word in expression for expression in expressions for word in ("stem", "query", "target")):
        steps.append(_SPLIT_TARGET)
    if custom.request_headers or any(column.header for column in columns):
        steps.append(_FIND_HEADERS)
    if custom.answer_headers:
        steps.append(_SPLIT_ANSWER)
    line = " ".join(f"{{{expression}}}" for expression in expressions)
    return _FORMATTER.format(fields=", ".join(RequestRecord._fields), prepare="".join(steps), line=line)


def _header_finder(names: Sequence[str]) -> FindHeaders:
    """One search for all header fields the columns need. The literal line feed lets the engine skip by memchr."""
    pattern = "|".join(re.escape(name) for name in names)
    return re.compile(rf"\n({pattern}):[ \t]*([^\r\n]*)".encode(), re.IGNORECASE).findall


@lru_cache(maxsize=64)
def _headers(names: tuple[str, ...], *, is_joined: bool) -> Remembered[bytes, dict[bytes, str]]:
    """These fields of a header block, by name in lower case. Sites with the same columns share what is remembered:
    browsers take turns between a few sets of fields, and searching costs more than all the rest of a line."""
    values_of = _all_values if is_joined else _last_values
    return Remembered(partial(values_of, _header_finder(names)), _MOST_HEADERS, _LONGEST_HEADERS)


def _last_values(find: FindHeaders, raw_fields: bytes) -> dict[bytes, str]:
    """Header fields by lower-case name; of one that came several times the last."""
    return {name.lower(): _header_text[value] for name, value in find(b"\n" + raw_fields)}


def _all_values(find: FindHeaders, raw_fields: bytes) -> dict[bytes, str]:
    """Header fields by lower-case name; one that came several times is joined as a list (RFC 9110 5.3)."""
    values: dict[bytes, str] = {}
    for raw_name, raw_value in find(b"\n" + raw_fields):
        name, value = raw_name.lower(), _header_text[raw_value]
        before = values.get(name, "-")
        values[name] = f"{before},+{value}" if "-" not in (before, value) else value if before == "-" else before
    return values


def _custom_value(value: str | int, limit: int) -> str:
    """A custom field's value, cut to its limit."""
    return within_bytes(str(value), limit) or "-"


def _site_id(site_id: int, _site_name: str) -> str:
    return f"W3SVC{site_id}"


def _site_name(_site_id: int, site_name: str) -> str:
    return column_text(site_name)
