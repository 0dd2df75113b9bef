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


def test_unknown_statuses_have_a_phrase() -> None:
    """A worker may reset with any number from 400 to 599."""
    assert phrase(404) == "Not Found"
    assert phrase(599) == "Error"
