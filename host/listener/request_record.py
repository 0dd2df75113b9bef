"""The facts of an answered request for its site's log; a worker's LOG frame may have changed some."""

from __future__ import annotations

from typing import Final

from host.listener.error_log import Address
from host.listener.exchange import Exchange
from host.logs.record import RequestRecord
from host.wire.frames import LogFrame

_VERSIONS: Final = ("HTTP/1.0", "HTTP/1.1")


def request_record(
    exchange: Exchange, address: Address, codes: tuple[int, int, int], sent: int, ended_at: float, now: float
) -> RequestRecord:
    """One record. `codes` are status, substatus and win32 status; `sent` bytes went out; `ended_at` is in seconds since
    the epoch, `now` the clock's at that moment."""
    head, site = exchange.head, exchange.route.site
    body = exchange.body
    record = RequestRecord(
        ended_at,
        site.id,
        site.name,
        address.client_ip,
        address.server_ip,
        address.server_port,
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
    )
    if exchange.log is not None:
        _change(record, exchange.log)
    return record


def _change(record: RequestRecord, frame: LogFrame) -> None:
    """Apply the worker's changes; `-` empties a field, an empty text leaves it."""
    record.user_name = _changed(record.user_name, frame.user_name)
    record.client_ip = _changed(record.client_ip, frame.client)
    record.server_ip = _changed(record.server_ip, frame.server)
    record.method = _changed(record.method, frame.method)
    record.target = _changed(record.target, frame.target)
    if frame.status:
        record.status = int(frame.status)
    if frame.win32_status:
        record.win32_status = int(frame.win32_status)


def _changed(text: str, change: str) -> str:
    if not change:
        return text
    return "" if change == "-" else change
