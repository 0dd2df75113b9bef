"""The line of the site's log before it is written: what plugins are told of it, and what they have changed."""

from __future__ import annotations

from time import monotonic
from typing import Final

from host.api import LogEntry, Request, Response
from host.wire.frames import LogFrame
from host.worker.exchange import Exchange

_LINE_END: Final = len("\r\n")
_REQUEST_LINE_REST: Final = len("  HTTP/1.1\r\n")


def log_entry(exchange: Exchange, request: Request, response: Response) -> LogEntry:
    """The line as it would be written: method and URL as the client sent them."""
    target, _, parameters = exchange.target.partition("?")
    return LogEntry(
        client_host_name=request.connection.remote_address,
        client_user_name=request.user,
        server_name=request.connection.local_address,
        operation=exchange.method,
        target=target,
        parameters=parameters,
        http_status=response.status,
        win32_status=response.win32_status,
    )


def note_counts(entry: LogEntry, exchange: Exchange, whole_bytes: int) -> None:
    """How much has been sent and received, and how long it took, as far as a worker knows."""
    request_line = len(exchange.method) + len(exchange.target) + _REQUEST_LINE_REST
    entry.bytes_sent = exchange.bytes_sent or whole_bytes
    entry.bytes_received = request_line + exchange.field_bytes + _LINE_END + exchange.body.received
    entry.time_taken_ms = int((monotonic() - exchange.began_at) * 1000) if exchange.began_at else 0


def log_changes(before: LogEntry, after: LogEntry, user: str) -> LogFrame:
    """What filters changed, for the front; a text that was emptied becomes `-`."""

    def changed(old: str, new: str) -> str:
        return "" if old == new else new or "-"

    target = after.target + (f"?{after.parameters}" if after.parameters else "")
    has_target = (before.target, before.parameters) != (after.target, after.parameters)
    return LogFrame(
        user_name=changed(before.client_user_name, after.client_user_name) or user,
        client=changed(before.client_host_name, after.client_host_name),
        server=changed(before.server_name, after.server_name),
        method=changed(before.operation, after.operation),
        target=(target or "-") if has_target else "",
        status=str(after.http_status) if after.http_status != before.http_status else "",
        win32_status=str(after.win32_status) if after.win32_status != before.win32_status else "",
    )
