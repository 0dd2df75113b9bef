"""The facts of one request, as the listener knows them when the answer has been sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class RecordDetails(NamedTuple):
    """What is noted only for a log that has a custom field which shows it. `raw_head` is the answer's status line and
    header fields as they were sent (empty when nothing was), `application` its metabase path."""

    raw_head: bytes
    client_port: int
    is_secure: bool
    pool: str
    application: str


class RequestRecord(NamedTuple):
    """One request of a site's log. Text is as it came (percent-encoding kept); `raw_fields` is the request's header
    block (`Name: value` lines ended by CRLF), split only when a selected column needs it. Times: `ended_at` in
    seconds since the epoch, `time_taken_ms` in milliseconds from the first byte received to the last byte sent."""

    ended_at: float
    site_id: int
    site_name: str
    client_ip: str
    server_ip: str
    server_port: int
    method: str
    target: str  # path and query as received
    http_version: str  # "HTTP/1.1"
    raw_fields: bytes
    user_name: str
    status: int
    substatus: int
    win32_status: int
    bytes_sent: int
    bytes_received: int
    time_taken_ms: int
    details: RecordDetails | None = None


RecordParts = tuple[
    *tuple[float, int, str, str, str, int, str, str, str, bytes, str, int, int, int, int, int, int],
    RecordDetails | None,
]
"""What a RequestRecord holds, in its order: a plain tuple is the cheapest note of a request."""


@dataclass(slots=True)
class RefusalRecord:
    """One line of HTTPERR. `status` 0 means that none was sent; empty texts become `-`."""

    at: float
    client_ip: str
    client_port: int
    server_ip: str
    server_port: int
    http_version: str
    verb: str
    target: str
    status: int
    site_id: int
    reason: str  # one of host.logs.record.REASONS
    queue: str = ""


REASONS = frozenset(
    [
        "AppOffline",
        "AppPoolTimer",
        "AppShutdown",
        "BadRequest",
        "Client_Reset",
        "Connection_Abandoned_By_ReqQueue",
        "Connection_Dropped",
        "Connections_Refused",
        "ConnLimit",
        "Disabled",
        "EntityTooLarge",
        "FieldLength",
        "Forbidden",
        "Header",
        "Hostname",
        "Internal",
        "Invalid_CR/LF",
        "LengthRequired",
        "N/A",
        "N/I",
        "Number",
        "Precondition",
        "QueueFull",
        "RequestLength",
        "Timer_ConnectionIdle",
        "Timer_EntityBody",
        "Timer_HeaderWait",
        "Timer_MinBytesPerSecond",
        "Timer_ReqQueue",
        "Timer_Response",
        "URL",
        "URL_Length",
        "Verb",
        "Version_N/S",
    ]
)
"""HTTPERR's reasons, with IIS's spelling."""
