"""The request head as a value."""

from __future__ import annotations

from host.http1.request_head import RequestHead


def test_keep_alive_follows_the_version_until_a_connection_field_is_seen() -> None:
    """HTTP/1.1 keeps, HTTP/1.0 closes (RFC 9112 9.3)."""
    assert RequestHead(b"GET", b"/", 1, b"", 18).keep_alive
    assert not RequestHead(b"GET", b"/", 0, b"", 18).keep_alive


def test_a_new_head_has_no_body_and_expects_nothing() -> None:
    """What the policy has not found is not there."""
    head = RequestHead(b"GET", b"/", 1, b"", 18)
    assert (head.content_length, head.expects_continue, head.host) == (0, False, b"")
