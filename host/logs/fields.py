"""The columns of a W3C extended log: names, IIS's flag names, order, and where each value comes from.

A value is an expression, so that `w3c.py` can compile one formatter for the columns of a site and no request pays for
a column that nobody selected. An expression may use: the fields of a RequestRecord by their names, `day` and `clock`
(its date and time in UTC), `stem` and `query` (the halves of its target, made safe), `text` (makes a value safe for one
column), `word` (looks the same up, for values that come again), `site` (what s-sitename shows for an id and a
name), `computer` (s-computername), and `header` (request header fields by lower-case name, made safe).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Column(NamedTuple):
    """One column. `header` is the request header field that it shows (lower case), empty for all others."""

    name: str
    flag: str
    is_default: bool
    expression: str
    header: str = ""


COLUMNS: Final[tuple[Column, ...]] = (
    Column("date", "Date", True, "day"),
    Column("time", "Time", True, "clock"),
    Column("s-sitename", "SiteName", False, "site(site_id, site_name)"),
    Column("s-computername", "ComputerName", False, "computer"),
    Column("s-ip", "ServerIP", True, "word[server_ip]"),
    Column("cs-method", "Method", True, "word[method]"),
    Column("cs-uri-stem", "UriStem", True, "stem or '-'"),
    Column("cs-uri-query", "UriQuery", True, "query or '-'"),
    Column("s-port", "ServerPort", True, "server_port"),
    Column("cs-username", "UserName", True, "text(user_name) if user_name else '-'"),
    Column("c-ip", "ClientIP", True, "word[client_ip]"),
    Column("cs-version", "ProtocolVersion", False, "word[http_version]"),
    Column("cs(User-Agent)", "UserAgent", True, "header.get(b'user-agent', '-')", "user-agent"),
    Column("cs(Cookie)", "Cookie", False, "header.get(b'cookie', '-')", "cookie"),
    Column("cs(Referer)", "Referer", True, "header.get(b'referer', '-')", "referer"),
    Column("cs-host", "Host", False, "header.get(b'host', '-')", "host"),
    Column("sc-status", "HttpStatus", True, "status"),
    Column("sc-substatus", "HttpSubStatus", True, "substatus"),
    Column("sc-win32-status", "Win32Status", True, "win32_status"),
    Column("sc-bytes", "BytesSent", False, "bytes_sent"),
    Column("cs-bytes", "BytesRecv", False, "bytes_received"),
    Column("time-taken", "TimeTaken", True, "time_taken_ms"),
)
"""Every column in the order in which a line shows them (selected ones only)."""

COLUMNS_BY_NAME: Final = {column.name: column for column in COLUMNS}

DEFAULT_COLUMNS: Final = tuple(column.name for column in COLUMNS if column.is_default)
"""What a site logs unless `logExtFileFlags` says otherwise."""
