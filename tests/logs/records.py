"""Records for the tests of this folder, with only what a test cares about spelled out."""

from __future__ import annotations

from typing import Any

from host.config.log_settings import LogFile
from host.logs.fields import DEFAULT_COLUMNS
from host.logs.record import RecordDetails, RefusalRecord, RequestRecord

MAY_SECOND = 1714671735.25  # 2024-05-02 17:42:15 UTC, a Thursday


def request_record(**changes: Any) -> RequestRecord:
    """A request for /default.htm by a browser, changed as told."""
    values: dict[str, Any] = {
        "ended_at": MAY_SECOND,
        "site_id": 1,
        "site_name": "Default Web Site",
        "client_ip": "192.168.0.17",
        "server_ip": "192.168.0.10",
        "server_port": 80,
        "method": "GET",
        "target": "/default.htm",
        "http_version": "HTTP/1.1",
        "raw_fields": b"Host: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11)\r\nAccept: */*\r\n",
        "user_name": "",
        "status": 200,
        "substatus": 0,
        "win32_status": 0,
        "bytes_sent": 512,
        "bytes_received": 333,
        "time_taken_ms": 12,
    }
    return RequestRecord(**(values | changes))


def details(**changes: Any) -> RecordDetails:
    """What a log with custom fields knows beside the record, changed as told."""
    values: dict[str, Any] = {
        "raw_head": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: isapy",
        "client_port": 2920,
        "is_secure": False,
        "pool": "Shop",
        "application": "/LM/W3SVC/1/ROOT/shop",
    }
    return RecordDetails(**(values | changes))


def refusal_record(**changes: Any) -> RefusalRecord:
    """A refused request for /a.htm, changed as told."""
    values: dict[str, Any] = {
        "at": MAY_SECOND,
        "client_ip": "192.168.0.17",
        "client_port": 2920,
        "server_ip": "192.168.0.10",
        "server_port": 80,
        "http_version": "HTTP/1.1",
        "verb": "GET",
        "target": "/a.htm",
        "status": 400,
        "site_id": 0,
        "reason": "Hostname",
    }
    return RefusalRecord(**(values | changes))


def log_file(directory: object, **changes: Any) -> LogFile:
    """A site's log settings with the default columns."""
    return LogFile(**({"directory": str(directory), "fields": DEFAULT_COLUMNS} | changes))
