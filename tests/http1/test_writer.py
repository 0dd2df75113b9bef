"""Response heads and bodies as bytes."""

from __future__ import annotations

import pytest

from host.http1.errors import ResponseHeadError, ShortBodyError
from host.http1.request_head import RequestHead
from host.http1.writer import (
    BodyFraming,
    Framing,
    Stamp,
    begin_response,
    can_keep_open,
    complete_response,
    read_worker_head,
)

END = b"Server: isapy\r\n\r\n"


def request(method: bytes = b"GET", minor_version: int = 1) -> RequestHead:
    return RequestHead(method, b"/", minor_version, b"", 0)


def test_a_head_is_taken_apart() -> None:
    """Status, length, and the head without its length."""
    head = read_worker_head(b"200 OK\r\nA: b\r\ncontent-length: 07\r\nC: d\r\n")
    assert (head.status, head.content_length) == (200, 7)
    assert head.bare_head == b"200 OK\r\nA: b\r\nC: d\r\n"
    assert read_worker_head(b"404 \r\n").content_length is None


@pytest.mark.parametrize(
    "raw_head",
    [
        b"",
        b"200\r\n",
        b"200 OK\n",
        b"20 OK\r\n",
        b"100 Continue\r\n",
        b"101 Switching Protocols\r\n",
        b"099 Low\r\n",
        b"200 OK\r\n\r\n",
        b"200 OK\r\nA: b",
        b"200 OK\r\nA: b\r\n\r\n<html>",
        b"200 OK\r\nA : b\r\n",
        b"200 OK\r\nA: b\r\n c\r\n",
        b"200 OK\r\nA: b\nC: d\r\n",
        b"200 OK\r\nA: b\rC: d\r\n",
        b"200 OK\r\nA: \0\r\n",
        b"200 OK\r\n: b\r\n",
        b"200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        b"200 OK\r\nContent-Length: -1\r\n",
        b"200 OK\r\nContent-Length: 1, 1\r\n",
        b"200 OK\r\nDate: now\r\n",
        b"200 OK\r\nConnection: close\r\n",
        b"200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n",
        b"200 OK\r\nContent-Length: 1\r\nKeep-Alive: 5\r\n",
    ],
)
@pytest.mark.parametrize("padding", [b"", b"X: " + b"x" * 2000 + b"\r\n"])
def test_a_head_that_could_harm_a_client_is_refused(raw_head: bytes, padding: bytes) -> None:
    """Bad syntax, a split response, fields that are the listener's; short heads and long ones take the same road."""
    line, end, fields = raw_head.partition(b"\r\n")
    with pytest.raises(ResponseHeadError):
        read_worker_head(line + end + padding + fields if end else raw_head)


def test_a_repeated_head_gives_the_same_answer() -> None:
    """Heads are remembered."""
    assert read_worker_head(b"200 OK\r\nA: 1\r\n") is read_worker_head(b"200 OK\r\nA: 1\r\n")


def test_a_complete_body_gets_its_length() -> None:
    """Unless the worker said it already."""
    head = read_worker_head(b"200 OK\r\nA: b\r\n")
    assert complete_response(request(), head, b"abc", END) == (
        b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\nServer: isapy\r\n\r\nabc"
    )
    head = read_worker_head(b"200 OK\r\nContent-Length: 3\r\n")
    assert complete_response(request(), head, b"abc", END) == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nServer: isapy\r\n\r\nabc"
    )


def test_a_promised_length_is_kept() -> None:
    """More is cut, less breaks the connection."""
    head = read_worker_head(b"200 OK\r\nContent-Length: 3\r\n")
    assert complete_response(request(), head, b"abcdef", END).endswith(b"\r\n\r\nabc")
    with pytest.raises(ShortBodyError):
        complete_response(request(), head, b"ab", END)


def test_head_requests_get_the_head_of_get_and_no_body() -> None:
    """RFC 9110 9.3.2."""
    bare = read_worker_head(b"200 OK\r\n")
    long = read_worker_head(b"200 OK\r\nContent-Length: 10\r\n")
    assert complete_response(request(b"HEAD"), bare, b"abc", END) == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nServer: isapy\r\n\r\n"
    )
    assert complete_response(request(b"HEAD"), bare, b"", END) == b"HTTP/1.1 200 OK\r\nServer: isapy\r\n\r\n"
    assert b"Content-Length: 10" in complete_response(request(b"HEAD"), long, b"", END)
    raw, framing = begin_response(request(b"HEAD"), bare, END)
    assert b"Transfer-Encoding" not in raw
    assert framing.kind is Framing.NONE


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_body_drop_it(status: int) -> None:
    """RFC 9110 6.4.1; a 204 never names a length."""
    head = read_worker_head(b"%d x\r\nA: b\r\nContent-Length: 3\r\n" % status)
    raw = complete_response(request(), head, b"abc", END)
    assert raw.endswith(b"\r\n\r\n")
    assert (b"Content-Length" in raw) is (status == 304)


def test_a_body_of_unknown_length_is_chunked_on_1_1_and_ends_with_the_connection_on_1_0() -> None:
    """RFC 9112 6.3."""
    head = read_worker_head(b"200 OK\r\n")
    raw, framing = begin_response(request(), head, END)
    assert b"Transfer-Encoding: chunked\r\n" in raw
    assert framing.piece(b"hello") + framing.piece(b"") + framing.end() == b"5\r\nhello\r\n0\r\n\r\n"
    assert can_keep_open(request(), head, is_complete=False)
    old = request(minor_version=0)
    raw, framing = begin_response(old, head, END)
    assert b"Transfer-Encoding" not in raw
    assert framing.piece(b"hello") + framing.end() == b"hello"
    assert not can_keep_open(old, head, is_complete=False)
    assert can_keep_open(old, head, is_complete=True)


def test_a_given_length_frames_a_streamed_body() -> None:
    """What exceeds it is dropped, what is missing is an error."""
    head = read_worker_head(b"200 OK\r\nContent-Length: 5\r\n")
    _, framing = begin_response(request(), head, END)
    assert framing.piece(b"abc") == b"abc"
    with pytest.raises(ShortBodyError):
        framing.end()
    assert framing.piece(b"defg") == b"de"
    assert framing.end() == b""
    assert framing.piece(b"h") == b""
    assert can_keep_open(request(minor_version=0), head, is_complete=False)


def test_pieces_sent_elsewhere_are_enclosed() -> None:
    """A file's bytes never pass here, only what stands around them."""
    assert BodyFraming(Framing.CHUNKED).enclose(255) == (b"ff\r\n", 255, b"\r\n")
    assert BodyFraming(Framing.CHUNKED).enclose(0) == (b"", 0, b"")
    assert BodyFraming(Framing.UNTIL_CLOSE).enclose(7) == (b"", 7, b"")
    assert BodyFraming(Framing.NONE).enclose(7) == (b"", 0, b"")
    assert BodyFraming(Framing.LENGTH, 5).enclose(7) == (b"", 5, b"")


def test_the_stamp_shows_date_server_and_connection() -> None:
    """HTTP/1.0 must be told that the connection is kept, HTTP/1.1 that it is not."""
    stamp = Stamp(0.0)
    assert stamp.keep == b"Server: isapy\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
    assert stamp.choose(keep_alive=True, minor_version=1) is stamp.keep
    assert b"\r\nConnection: keep-alive\r\n\r\n" in stamp.choose(keep_alive=True, minor_version=0)
    assert b"\r\nConnection: close\r\n\r\n" in stamp.choose(keep_alive=False, minor_version=1)
    stamp.update(1_000_000_000.9)
    assert b"Sun, 09 Sep 2001 01:46:40 GMT" in stamp.keep
