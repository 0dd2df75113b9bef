"""The formats of a site's log: W3C extended, Microsoft IIS, NCSA common. Pure: a record in, its line out.

The two older formats have fixed fields, no header block, and local time. What a client sent can neither begin a field
nor a line: blanks and what does not print become `+`, and the character that would end the field is percent-encoded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final, NamedTuple

from host.config.log_settings import LogFile
from host.logs.record import RecordParts
from host.logs.w3c import FormatLine, column_text, compile_formatter, header_block

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # in any locale


class LineFormat(NamedTuple):
    """How a log is written: the line of a record, and what opens a file of that time (empty: nothing does)."""

    line: FormatLine
    header: Callable[[float], str]


def line_format(log_file: LogFile, computer_name: str) -> LineFormat:
    """The format that these settings ask for. Raises ValueError for a format or column that there is not."""
    if log_file.format == "NCSA":
        return LineFormat(ncsa_line, _no_header)
    if log_file.format == "IIS":
        return LineFormat(partial(iis_line, computer_name=_item(computer_name)), _no_header)
    if log_file.format != "W3C":
        raise ValueError(f"unknown log format {log_file.format}: W3C, IIS or NCSA")
    line = compile_formatter(
        log_file.fields,
        computer_name=computer_name,
        log_site_id=log_file.log_site_id,
        custom_fields=log_file.custom_fields,
        max_custom_field_length=log_file.max_custom_field_length,
    )
    columns = (*log_file.fields, *(field.name for field in log_file.custom_fields))
    return LineFormat(line, partial(header_block, columns))


def iis_line(record: RecordParts, computer_name: str = "-") -> str:
    """Client address, user, date, time, service and site, computer, server address, milliseconds, bytes received, bytes
    sent, status, Windows status, method, path, query; a comma behind each. `computer_name` is a safe text already."""
    at, site_id, _, client, server, _, method, target, _, _, user, status, _, win32, sent, received, taken, _ = record
    date, clock = _iis_time(int(at))
    stem, _, query = target.partition("?")
    return (
        f"{_item(client)}, {_item(user)}, {date}, {clock}, W3SVC{site_id}, {computer_name}, {_item(server)}, {taken}, "
        f"{received}, {sent}, {status}, {win32}, {_item(method)}, {_item(stem)}, {_item(query)},\n"
    )


def ncsa_line(record: RecordParts) -> str:
    """`host - user [dd/Mon/yyyy:hh:mm:ss +zzzz] "request" status bytes`: the common log format, which NCSA's server had
    and most analysers read."""
    at, _, _, client, _, _, method, target, version, _, user, status, _, _, sent, _, _, _ = record
    request = f"{column_text(method)} {column_text(target)} {column_text(version)}"
    return (
        f"{column_text(client)} - {column_text(user)} [{_ncsa_time(int(at))}] "
        f'"{request.replace(_QUOTE, _ENCODED_QUOTE)}" {status} {sent}\n'
    )


_QUOTE: Final = '"'
_ENCODED_QUOTE: Final = "%22"


def _no_header(at: float) -> str:  # noqa: ARG001 (a header's signature)
    return ""


def _item(value: str) -> str:
    return column_text(value).replace(",", "%2C")


@lru_cache(maxsize=8)
def _iis_time(second: int) -> tuple[str, str]:
    """`05/02/24` and `7:42:15`, local."""
    moment = time.localtime(second)
    return time.strftime("%m/%d/%y", moment), f"{moment.tm_hour}{time.strftime(':%M:%S', moment)}"


@lru_cache(maxsize=8)
def _ncsa_time(second: int) -> str:
    """`02/May/2024:17:42:15 +0000`, local."""
    moment = time.localtime(second)
    sign, minutes = ("-" if moment.tm_gmtoff < 0 else "+"), abs(moment.tm_gmtoff) // 60
    zone = f"{sign}{minutes // 60:02}{minutes % 60:02}"
    return f"{time.strftime('%d', moment)}/{_MONTHS[moment.tm_mon - 1]}{time.strftime('/%Y:%H:%M:%S', moment)} {zone}"
