"""Facts that inetinfo hands to a dllhost beside the request."""

from __future__ import annotations

from host.api import ApplicationInfo, Connection, Request
from host.api.whole_body import WholeBody
from host.worker.forwarding import forwarded_block, take_forwarded_facts


def request(raw_headers: bytes) -> Request:
    return Request(
        id="first",
        method="GET",
        raw_target="/",
        http_version="1.1",
        raw_headers=raw_headers,
        connection=Connection("127.0.0.1", 1, "127.0.0.1", 2, 3),
        application=ApplicationInfo(1, "site", "/", "/srv", "pool"),
        body=WholeBody(b""),
    )


def test_what_filters_found_out_arrives() -> None:
    """Id, user, changed fields, physical path and redirect variables survive the hop, awkward characters included."""
    sent = request(b"Host: a\r\nX-Old: 1\r\n")
    sent.headers.set("X-New", "by a filter")
    sent.user, sent.auth_type = "Jörg: admin\r\n", "Basic"
    sent.physical_path = "/srv/a b%\n.txt"
    sent.redirect_count = 2
    sent.redirect_variables = {"REDIRECT_URL": "/x?&=", "REDIRECT_STATUS": ""}
    arrived = request(forwarded_block(sent))
    arrived.id = "other"
    take_forwarded_facts(arrived)
    assert (arrived.id, arrived.user, arrived.auth_type) == ("first", sent.user, "Basic")
    assert arrived.physical_path == sent.physical_path
    assert (arrived.redirect_count, arrived.redirect_variables) == (2, sent.redirect_variables)
    assert arrived.headers.items() == [("Host", "a"), ("X-Old", "1"), ("X-New", "by a filter")]


def test_what_follows_the_facts_is_no_fact() -> None:
    """Even a field that a broken front let through."""
    sent = request(b":user: mallory\r\nHost: a\r\n")
    sent.user = "alice"
    arrived = request(forwarded_block(sent))
    take_forwarded_facts(arrived)
    assert arrived.user == "alice"


def test_a_block_without_facts_stays_as_it_is() -> None:
    """Nothing is taken for a pseudo field that does not begin with a colon."""
    arrived = request(b"user: mallory\r\nHost: a\r\n")
    take_forwarded_facts(arrived)
    assert arrived.user == ""
    assert arrived.headers.get("user") == "mallory"
