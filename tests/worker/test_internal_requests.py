"""Requests that a request leads to."""

from __future__ import annotations

import pytest

from host.api import ApplicationInfo, Connection, HttpError, Request
from host.api.whole_body import WholeBody
from host.worker.internal_requests import MOST_REDIRECTS, follow


def request() -> Request:
    return Request(
        id="1",
        method="POST",
        raw_target="/first.cgi/info?q",
        http_version="1.1",
        raw_headers=b"Host: a\r\nContent-Length: 4\r\nContent-Type: text/plain\r\nX-A: 1\r\n",
        connection=Connection("127.0.0.1", 1, "127.0.0.1", 8080, 1),
        application=ApplicationInfo(1, "Site", "/", "/srv", "Pool"),
        body=WholeBody(b"data"),
        path="/first.cgi/info",
        raw_query="q",
        script_name="/first.cgi",
        path_info="/info",
        user="alice",
    )


def test_a_redirect_is_a_get_without_a_body_that_knows_where_it_comes_from() -> None:
    """Fields about the body are gone, the others and the user stay; the first request is unchanged."""
    first = request()
    second = follow(first, "/second?r", status=404)
    assert (second.method, second.raw_target, second.body.length, second.redirect_count) == ("GET", "/second?r", 0, 1)
    assert second.headers.items() == [("Host", "a"), ("X-A", "1")]
    assert second.redirect_variables == {
        "REDIRECT_STATUS": "404",
        "REDIRECT_URL": "/first.cgi/info",
        "REDIRECT_QUERY_STRING": "q",
        "REDIRECT_REQUEST_METHOD": "POST",
        "REDIRECT_SCRIPT_NAME": "/first.cgi",
        "REDIRECT_PATH_INFO": "/info",
        "REDIRECT_REMOTE_USER": "alice",
    }
    assert (second.user, second.script_name, second.path_info) == ("alice", "", "")
    assert (first.method, first.raw_target, first.headers.get("Content-Length")) == ("POST", "/first.cgi/info?q", "4")
    assert (first.original_target, second.original_target) == ("/first.cgi/info?q", "/first.cgi/info?q")
    third = follow(second, "/third")
    assert third.original_target == "/first.cgi/info?q"
    assert third.redirect_variables["REDIRECT_REDIRECT_STATUS"] == "404"
    assert third.redirect_variables["REDIRECT_STATUS"] == "200"


def test_a_page_for_an_error_is_wanted_whole() -> None:
    """Conditions and ranges speak of what was asked for (RFC 9110 13.2.1); a script's redirect may still obey them."""
    first = request()
    first.raw_headers = b"Range: bytes=0-1\r\nIf-Range: x\r\nif-none-match: *\r\nIf-Match: x\r\nHost: a\r\n"
    assert follow(first, "/page", status=401).headers.items() == [("Host", "a")]
    assert len(follow(first, "/page").headers.items()) == 5


def test_a_default_document_keeps_method_and_body() -> None:
    """Nothing tells it that the client asked for the folder."""
    first = request()
    document = follow(first, "/index.cgi", keeps_request=True)
    assert (document.method, document.body, document.redirect_variables) == ("POST", first.body, {})
    assert document.headers.get("Content-Length") == "4"


def test_the_eleventh_step_is_refused() -> None:
    """500.0 names the last two URLs."""
    step = request()
    for number in range(MOST_REDIRECTS):
        step = follow(step, f"/{number}")
    with pytest.raises(HttpError, match="from /9 to /again"):
        follow(step, "/again")
