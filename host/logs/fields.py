"""The columns of a W3C extended log: names, IIS's flag names, order, and where each value comes from.

A value is an expression over a few names, so that `w3c.py` can compile one formatter for the columns of a site and no
request pays for a column that nobody selected. The names: `record` (a RequestRecord), `day` and `clock` (its date and
time), `stem` and `query` (the two halves of its target), `text` (makes a value safe for one column), `fields` (the
request header fields that some column needs, by lower-case name) and `context` (a LineContext).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Final, NamedTuple


class Column(NamedTuple):
    """One column. `header` is the request header field it shows (lower case), empty for all others."""

    name: str
    flag: str
    is_default: bool
    expression: str
    header: str = ""


COLUMNS: Final[tuple[Column, ...]] = (
    Column("date", "Date", True, "day"),
    Column("time", "Time", True, "clock"),
    Column("s-sitename", "SiteName", False, "context.site_name(record)"),
    Column("s-computername", "ComputerName", False, "context.computer_name"),
    Column("s-ip", "ServerIP", True, "record.server_ip or '-'"),
    Column("cs-method", "Method", True, "text(record.method)"),
    Column("cs-uri-stem", "UriStem", True, "text(stem)"),
    Column("cs-uri-query", "UriQuery", True, "text(query) if query else '-'"),
    Column("s-port", "ServerPort", True, "record.server_port"),
    Column("cs-username", "UserName", True, "text(record.user_name) if record.user_name else '-'"),
    Column("c-ip", "ClientIP", True, "record.client_ip or '-'"),
    Column("cs-version", "ProtocolVersion", False, "text(record.http_version)"),
    Column("cs(User-Agent)", "UserAgent", True, "text(fields[b'user-agent'])", "user-agent"),
    Column("cs(Cookie)", "Cookie", False, "text(fields[b'cookie'])", "cookie"),
    Column("cs(Referer)", "Referer", True, "text(fields[b'referer'])", "referer"),
    Column("cs-host", "Host", False, "text(fields[b'host'])", "host"),
    Column("sc-status", "HttpStatus", True, "record.status"),
    Column("sc-substatus", "HttpSubStatus", True, "record.substatus"),
    Column("sc-win32-status", "Win32Status", True, "record.win32_status"),
    Column("sc-bytes", "BytesSent", False, "record.bytes_sent"),
    Column("cs-bytes", "BytesRecv", False, "record.bytes_received"),
    Column("time-taken", "TimeTaken", True, "record.time_taken_ms"),
)
"""Every column in the order in which a line shows them (selected ones only)."""

COLUMNS_BY_NAME: Final = {column.name: column for column in COLUMNS}
