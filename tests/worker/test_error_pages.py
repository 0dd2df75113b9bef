"""Pages for refusals: everything for a local client, nothing of the inside for others."""

from __future__ import annotations

import pytest

from host.api import ApplicationInfo, Connection, HttpError, Request
from host.api.whole_body import WholeBody
from host.config.model import HttpErrors, PathSettings
from host.worker.error_pages import error_page
from host.worker.plugin_error import PluginError


def request(fields: bytes = b"Host: localhost\r\n") -> Request:
    return Request(
        id="req-1",
        method="GET",
        raw_target="/a?<script>",
        http_version="1.1",
        raw_headers=fields,
        connection=Connection("127.0.0.1", 1, "127.0.0.1", 8080, 1),
        application=ApplicationInfo(1, "Site", "/shop", "/srv/shop", "Shop"),
        body=WholeBody(b""),
        physical_path="/srv/shop/<a>",
    )


def test_a_local_client_sees_the_cause_and_what_to_do() -> None:
    """Status, substatus, meaning, cause, remedy, module, handler, URL, file, application, id; all of it escaped."""
    error = HttpError(404, 2, "<b>not</b> listed", remedy="List it & save.", headers={"X-More": "1"}, win32_status=1)
    error.module, error.handler = "CgiModule", "Scripts<"
    response = error_page(request(), error, is_detailed=True)
    page = bytes(response.body).decode()  # type: ignore[arg-type]
    assert (response.status, response.substatus, response.win32_status) == (404, 2, 1)
    assert response.headers["X-More"] == "1"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    for text in (
        "HTTP Error 404.2 - Not Found",
        "Refused by the ISAPI and CGI restriction list",
        "&lt;b&gt;not&lt;/b&gt; listed",
        "List it &amp; save.",
        "CgiModule",
        "Scripts&lt;",
        "http://localhost/a?&lt;script&gt;",
        "/srv/shop/&lt;a&gt;",
        "/LM/W3SVC/1/ROOT/shop in pool Shop",
        "req-1",
    ):
        assert text in page
    assert "<script>" not in page


def test_a_detailed_page_says_who_sees_it() -> None:
    """With errorMode="Detailed" that is everybody, and the operator should know."""
    asked = request()
    assert b"Only clients on this machine" in bytes(error_page(asked, HttpError(404), is_detailed=True).body)  # type: ignore[arg-type]
    asked.settings = PathSettings(http_errors=HttpErrors(error_mode="Detailed"))
    assert b"Every client sees" in bytes(error_page(asked, HttpError(404), is_detailed=True).body)  # type: ignore[arg-type]


def test_others_see_the_status_and_a_number() -> None:
    """No substatus, cause, path or name."""
    error = PluginError(500, 21, "secret cause", remedy="secret remedy", failure="secret traceback")
    error.module = "secret module"
    page = bytes(error_page(request(), error, is_detailed=False).body).decode()  # type: ignore[arg-type]
    assert "500 Internal Server Error" in page
    assert "req-1" in page
    for text in ("secret", "/srv", "21", "Shop"):
        assert text not in page


@pytest.mark.parametrize(
    ("accept", "is_html"),
    [
        (b"", True),
        (b"Accept: text/html\r\n", True),
        (b"Accept: */*\r\n", True),
        (b"Accept: text/*\r\n", True),
        (b"Accept: application/json\r\n", False),
    ],
)
def test_a_client_that_takes_no_html_gets_plain_text(accept: bytes, is_html: bool) -> None:
    """With the same facts."""
    error = PluginError(500, 0, "the cause", remedy="the remedy", failure="Traceback ...")
    for is_detailed in (True, False):
        response = error_page(request(accept), error, is_detailed=is_detailed)
        text = bytes(response.body).decode()  # type: ignore[arg-type]
        assert ("<html" in text) is is_html
        assert response.headers["Content-Type"].startswith("text/html" if is_html else "text/plain")
        assert ("the cause" in text) is is_detailed
        assert ("Traceback ..." in text) is is_detailed
        assert "req-1" in text
