"""HTTPERR: the refusals and broken connections that no worker answered. Pure formatting, one line a refusal.

Thirteen fields separated by one blank; blanks and characters that do not print become `+`; a missing value is `-`.
"""

from __future__ import annotations

import re
from typing import Final

from host.logs.record import RefusalRecord
from host.logs.w3c import SOFTWARE, column_text, date_and_time

FIELDS: Final = "date time c-ip c-port s-ip s-port cs-version cs-method cs-uri sc-status s-siteid s-reason s-queuename"
VERB_LIMIT: Final = 255
URL_LIMIT: Final = 4096

_VERSION: Final = re.compile(r"HTTP/\d\.\d")
_LARGE_VERSION: Final = re.compile(r"HTTP/\d+\.\d+")


def header_block(at: float) -> str:
    """What opens a file."""
    day, clock = date_and_time(int(at))
    return f"#Software: {SOFTWARE}\n#Version: 1.0\n#Date: {day} {clock}\n#Fields: {FIELDS}\n"


def format_refusal(record: RefusalRecord) -> str:
    """The line of a refusal, line end included."""
    day, clock = date_and_time(int(record.at))
    return (
        f"{day} {clock} {column_text(record.client_ip)} {record.client_port or '-'} {column_text(record.server_ip)} "
        f"{record.server_port or '-'} {_version(record.http_version)} {column_text(record.verb[:VERB_LIMIT])} "
        f"{column_text(record.target[:URL_LIMIT])} {record.status or '-'} {record.site_id or '-'} "
        f"{record.reason or '-'} {column_text(record.queue)}\n"
    )


def _version(version: str) -> str:
    """`HTTP/1.1`; `HTTP/?.?` when a number has two digits or more; `-` when the line was not understood."""
    if _VERSION.fullmatch(version):
        return version
    return "HTTP/?.?" if _LARGE_VERSION.fullmatch(version) else "-"
