"""Lines of HTTPERR."""

from __future__ import annotations

import pytest

from host.logs.httperr import FIELDS, format_refusal, header_block
from tests.logs.records import MAY_SECOND, refusal_record


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "192.168.0.17 2920 192.168.0.10 80 HTTP/1.1 GET /a.htm 400 - Hostname -"),
        (
            {"status": 503, "site_id": 1, "reason": "QueueFull", "queue": "Shop Pool", "target": "/a.txt?x y"},
            "192.168.0.17 2920 192.168.0.10 80 HTTP/1.1 GET /a.txt?x+y 503 1 QueueFull Shop+Pool",
        ),
        (
            {"status": 0, "http_version": "", "verb": "", "target": "", "reason": "Timer_MinBytesPerSecond"},
            "192.168.0.17 2920 192.168.0.10 80 - - - - - Timer_MinBytesPerSecond -",
        ),
        (
            {"client_ip": "fe80::1%eth0", "http_version": "HTTP/11.2", "status": 505, "reason": "Version_N/S"},
            "fe80::1%eth0 2920 192.168.0.10 80 HTTP/?.? GET /a.htm 505 - Version_N/S -",
        ),
        (
            {"verb": "G\tE\x00T", "target": "/\r\n2024", "http_version": "JUNK/1.0", "reason": "Verb"},
            "192.168.0.17 2920 192.168.0.10 80 - G+E+T /++2024 400 - Verb -",
        ),
    ],
)
def test_samples(changes: dict[str, object], line: str) -> None:
    """Thirteen fields, one blank between two, whatever the client sent."""
    text = format_refusal(refusal_record(**changes))
    assert text == f"2024-05-02 17:42:15 {line}\n"
    assert len(text.split(" ")) == len(FIELDS.split(" ")) == 13


def test_long_verb_and_url_are_cut() -> None:
    """255 characters of the verb, 4096 of the URL."""
    fields = format_refusal(refusal_record(verb="V" * 300, target="/" + "u" * 5000)).split(" ")
    assert (len(fields[7]), len(fields[8])) == (255, 4096)


def test_header_block() -> None:
    """The file opens with its field names."""
    assert header_block(MAY_SECOND).splitlines()[2:] == ["#Date: 2024-05-02 17:42:15", f"#Fields: {FIELDS}"]
