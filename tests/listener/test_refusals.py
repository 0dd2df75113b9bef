"""Pages of refusals."""

from __future__ import annotations

import pytest

from host.http1.errors import Fault
from host.listener.refusals import (
    Page,
    page_of_bad_answer,
    page_of_fault,
    page_of_lost_worker,
    page_of_queue,
    page_of_reset,
    page_of_secure_redirect,
    phrase,
    render,
)

END = b"Server: isapy\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_page_that_says_what_is_wrong(fault: Fault) -> None:
    """Status line, type, exact length, and the sentence."""
    raw = render(page_of_fault(fault), END)
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % fault.status)
    assert b"\r\nContent-Type: text/html; charset=us-ascii\r\n" in head
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head
    assert head.endswith(b"Connection: close")
    assert f"HTTP Error {fault.status}. {fault.sentence}".encode() in body


def test_a_page_is_the_driver_s_byte_for_byte() -> None:
    """Monitors look for it: the page of HTTP.sys for an unknown host."""
    body = render(page_of_fault(Fault.INVALID_HOSTNAME), END).partition(b"\r\n\r\n")[2]
    assert body == (
        b'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">\r\n'
        b"<HTML><HEAD><TITLE>Bad Request</TITLE>\r\n"
        b'<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>\r\n'
        b"<BODY><h2>Bad Request - Invalid Hostname</h2>\r\n"
        b"<hr><p>HTTP Error 400. The request hostname is invalid.</p>\r\n"
        b"</BODY></HTML>\r\n"
    )


@pytest.mark.parametrize(
    ("page", "heading", "text"),
    [
        (page_of_fault(Fault.INVALID_URL), "Bad Request - Invalid URL", "400. The request URL is invalid."),
        (page_of_fault(Fault.INVALID_VERB), "Bad Request - Invalid Verb", "400. The request verb is invalid."),
        (
            page_of_fault(Fault.INVALID_HEADER),
            "Bad Request - Invalid Header",
            "400. The request has an invalid header name.",
        ),
        (
            page_of_fault(Fault.LENGTH_REQUIRED),
            "Length Required",
            "411. The request must be chunked or have a content length.",
        ),
        (
            page_of_fault(Fault.CODING_NOT_IMPLEMENTED),
            "Not Implemented",
            "501. The request transfer-encoding type is not supported.",
        ),
        (page_of_queue("QueueFull"), "Service Unavailable", "503. The service is unavailable."),
        (page_of_fault(Fault.VERSION_NOT_SUPPORTED), "HTTP Version Not Supported", "505. HTTP Version Not Supported."),
    ],
)
def test_the_driver_s_table_of_headings_and_texts(page: Page, heading: str, text: str) -> None:
    """Its words, under the statuses that RFC 9110 gives (431 where the driver of old said 400)."""
    body = render(page, END)
    assert f"<h2>{heading}</h2>".encode() in body
    assert f"HTTP Error {text}</p>".encode() in body


def test_a_page_names_its_heading_once() -> None:
    """`Bad Request - Invalid Hostname`, but `Length Required` alone."""
    assert b"<h2>Bad Request - Invalid Hostname</h2>" in render(page_of_fault(Fault.INVALID_HOSTNAME), END)
    assert b"<h2>Length Required</h2>" in render(page_of_fault(Fault.LENGTH_REQUIRED), END)
    assert b"<h2>Service Unavailable</h2>" in render(page_of_queue("QueueFull"), END)


def test_head_requests_get_the_head_alone() -> None:
    """The length is that of the page."""
    whole = render(page_of_queue("Disabled"), END)
    head = render(page_of_queue("Disabled"), END, with_body=False)
    assert whole.startswith(head)
    assert head.endswith(b"\r\n\r\n")


def test_causes_cannot_become_markup_or_foreign_bytes() -> None:
    """A cause may quote a path."""
    raw = render(page_of_lost_worker("<b>&\u00e4"), END)
    assert b"&lt;b&gt;&amp;?" in raw


def test_pages_of_workers_carry_reasons() -> None:
    """A lost worker is HTTPERR's business, a reset is the site log's."""
    assert page_of_lost_worker("").reason == "Connection_Abandoned_By_ReqQueue"
    assert page_of_bad_answer("why").sentence.endswith("why")
    assert page_of_reset(503, "busy") == Page(503, "", "", "busy")
    assert page_of_reset(500, "").sentence


@pytest.mark.parametrize(
    ("host", "own_ip", "port", "url"),
    [
        (b"named.example:80", "127.0.0.1", 443, "https://named.example/a?b"),
        (b"[::1]:80", "::1", 8443, "https://[::1]:8443/a?b"),
        (b"", "127.0.0.1", 443, "https://127.0.0.1/a?b"),
        (b"", "::1", 8443, "https://[::1]:8443/a?b"),
    ],
)
def test_the_redirect_to_https_names_a_host(host: bytes, own_ip: str, port: int, url: str) -> None:
    """An HTTP/1.0 client may name none; it has found the way to our address."""
    assert page_of_secure_redirect(host, b"/a?b", port, own_ip).fields == f"Location: {url}\r\n"


def test_unknown_statuses_have_a_phrase() -> None:
    """A worker may reset with any number from 400 to 599."""
    assert phrase(404) == "Not Found"
    assert phrase(599) == "Error"
