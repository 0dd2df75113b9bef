"""The facts of an answered request."""

from __future__ import annotations

from host.http1.request_head import RequestHead
from host.listener.error_log import Address
from host.listener.exchange import Exchange
from host.listener.request_body import RequestBody
from host.listener.request_record import request_record
from host.logs.record import RequestRecord
from host.wire.frames import LogFrame
from tests.listener.running_listener import Sizes, routing

ADDRESS = Address("10.0.0.2", 5000, "10.0.0.1", 80)


def exchange() -> Exchange:
    route = routing(80, Sizes()).find(b"127.0.0.1", b"/a")
    return Exchange(None, RequestHead(b"GET", b"/a?b", 0, b"A: b\r\n", 30), route, 2.0)  # type: ignore[arg-type]


def test_a_record_holds_what_the_log_can_ask_for() -> None:
    """Text as it came; times in the log's units."""
    record = RequestRecord._make(request_record(exchange(), ADDRESS, (404, 3, 2), 500, 1e9, 2.5))
    assert (record.ended_at, record.time_taken_ms) == (1e9, 500)
    assert (record.site_id, record.site_name) == (1, "Default Web Site")
    assert (record.client_ip, record.server_ip, record.server_port) == ("10.0.0.2", "10.0.0.1", 80)
    assert (record.method, record.target, record.http_version) == ("GET", "/a?b", "HTTP/1.0")
    assert (record.raw_fields, record.user_name) == (b"A: b\r\n", "")
    assert (record.status, record.substatus, record.win32_status) == (404, 3, 2)
    assert (record.bytes_sent, record.bytes_received) == (500, 30)


def test_bytes_of_the_body_count_as_received() -> None:
    """Head and body."""
    it = exchange()
    it.body = RequestBody()
    it.body.receive(b"12345")
    assert RequestRecord._make(request_record(it, ADDRESS, (200, 0, 0), 0, 0.0, 2.0)).bytes_received == 35


def test_a_workers_changes_are_applied() -> None:
    """An empty text leaves a field, `-` empties it."""
    it = exchange()
    it.log = LogFrame("anna", "-", "", "PUT", "", "201", "")
    record = RequestRecord._make(request_record(it, ADDRESS, (200, 0, 5), 0, 0.0, 2.0))
    assert (record.user_name, record.client_ip, record.server_ip) == ("anna", "", "10.0.0.1")
    assert (record.method, record.target, record.status, record.win32_status) == ("PUT", "/a?b", 201, 5)
