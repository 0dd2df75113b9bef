"""The facts of an answered request for its site's log; a worker's LOG frame may have changed some."""

from __future__ import annotations

from typing import Final, cast

from host.listener.error_log import Address
from host.listener.exchange import Exchange
from host.logs.record import RecordDetails, RecordParts, RequestRecord
from host.wire.frames import LogFrame

_VERSIONS: Final = ("HTTP/1.0", "HTTP/1.1")


def request_record(
    exchange: Exchange, address: Address, codes: tuple[int, int, int], sent: int, ended_at: float, now: float
) -> RecordParts:
    """The parts of one record. `codes` are status, substatus and win32 status; `sent` bytes went out; `ended_at` is in
    seconds since the epoch, `now` the clock's at that moment."""
    head, site = exchange.head, exchange.route.site
    body = exchange.body
    client_ip, _, server_ip, server_port = address
    record = (
        ended_at,
        site.id,
        site.name,
        client_ip,
        server_ip,
        server_port,
        head.method.decode("latin-1"),
        head.target.decode("latin-1"),
        _VERSIONS[head.minor_version],
        head.fields,
        "",
        codes[0],
        codes[1],
        codes[2],
        sent,
        head.size if body is None else head.size + body.received_bytes,
        int((now - exchange.received_at) * 1000),
        None,
    )
    if exchange.log is not None:
        return _changed_record(RequestRecord._make(record), exchange.log)
    return record


def detailed(record: RecordParts, exchange: Exchange, address: Address, raw: bytes, *, is_secure: bool) -> RecordParts:
    """The same with what only a log with custom fields wants. `raw` is how the answer began, empty when none did."""
    route = exchange.route
    ends = [end for end in (raw.find(b"\r\n\r\n"), raw.find(b"\n\n")) if end >= 0]  # nph programs may use either
    raw_head = raw[: min(ends, default=0)]
    details = RecordDetails(raw_head, address.client_port, is_secure, route.pool.name, route.application.metabase_path)
    return cast(RecordParts, (*record[:-1], details))


def _changed_record(record: RequestRecord, frame: LogFrame) -> RequestRecord:
    """Apply the worker's changes; `-` empties a field, an empty text leaves it."""
    return record._replace(
        user_name=_changed(record.user_name, frame.user_name),
        client_ip=_changed(record.client_ip, frame.client),
        server_ip=_changed(record.server_ip, frame.server),
        method=_changed(record.method, frame.method),
        target=_changed(record.target, frame.target),
        status=int(frame.status or record.status),
        win32_status=int(frame.win32_status or record.win32_status),
    )


def _changed(text: str, change: str) -> str:
    if not change:
        return text
    return "" if change == "-" else change
