"""HTTPERR's records."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.http1.request_head import RequestHead
from host.listener.error_log import NOTHING_ASKED, Address, Asked, ErrorLog, asked_by, asked_in_vain
from host.logs.record import REASONS
from tests.listener.running_listener import RecordingLog

ADDRESS = Address("10.0.0.2", 5000, "10.0.0.1", 80)


def test_a_note_becomes_a_record() -> None:
    """Addresses, what was asked, status and reason."""
    log = RecordingLog()
    asked = asked_by(RequestHead(b"GET", b"/a", 0, b"", 0), 3, "Pool")
    ErrorLog(log).note(12.5, ADDRESS, asked, 503, "QueueFull")
    record = log.next_refusal()
    assert (record.at, record.client_ip, record.client_port, record.server_port) == (12.5, "10.0.0.2", 5000, 80)
    assert (record.http_version, record.verb, record.target, record.site_id) == ("HTTP/1.0", "GET", "/a", 3)
    assert (record.status, record.reason, record.queue) == (503, "QueueFull", "Pool")


def test_a_reason_that_https_error_log_does_not_know_is_our_own_error() -> None:
    """A misspelt reason must not reach the log."""
    with pytest.raises(ValueError, match="Queue_Full"):
        ErrorLog(RecordingLog()).note(0.0, ADDRESS, NOTHING_ASKED, 503, "Queue_Full")


@pytest.mark.parametrize(
    ("raw_head", "asked"),
    [
        (b"", NOTHING_ASKED),
        (b"\x16\x03\x01", NOTHING_ASKED),
        (b"GET /a HTTP/2.0\r\nHost: x", Asked("HTTP/2.0", "GET", "/a")),
        (b"GET /a b HTTP/1.1\r\n", Asked("HTTP/1.1", "GET", "/a")),
        (b"GET /a", Asked("", "GET", "/a")),
        (b"G" * 300 + b" /" + b"a" * 5000, Asked("", "G" * 255, "/" + "a" * 4048)),
    ],
)
def test_what_a_refused_head_seems_to_ask_is_kept_within_bounds(raw_head: bytes, asked: Asked) -> None:
    """Raw text, cut to the fields' lengths."""
    found = asked_in_vain(raw_head)
    assert (found.http_version, found.verb) == (asked.http_version, asked.verb)
    assert found.target[:4000] == asked.target[:4000]
    assert len(found.target) <= 4096


def test_every_reason_is_explained_and_provoked() -> None:
    """docs/configuration.md says when each one is written, or why never; a test of a running listener awaits each."""
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "configuration.md").read_text()
    section = page[page.index("## Reasons in HTTPERR") :].split("\n## ")[0]
    written, never = section.split("These never occur here")
    assert {reason for reason in REASONS if f"| {reason} |" in written + never} == REASONS
    provoked = {path: path.read_text() for path in (root / "tests" / "listener").glob("test_*.py")}
    del provoked[Path(__file__)]
    for reason in REASONS:
        is_awaited = any(f'"{reason}"' in text for text in provoked.values())
        assert is_awaited == (f"| {reason} |" in written), reason
