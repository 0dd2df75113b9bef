"""What a CGI program printed, as the head of a response."""

from __future__ import annotations

import pytest

from host.gateway.cgi_response import LARGEST_HEAD, CgiForm, CgiHead, CgiResponseParser, MalformedOutput


def parse(output: bytes, step: int = 0) -> tuple[CgiHead, bytes]:
    """Feed `output` in pieces of `step` bytes (0: whole); the head and the body."""
    parser = CgiResponseParser()
    position = 0
    while parser.head is None and position < len(output):
        piece = output[position : position + (step or len(output))]
        position += len(piece)
        parser.receive(piece)
    parser.receive_end()
    assert parser.head is not None
    return parser.head, parser.rest + output[position:]


DOCUMENT = b"Content-Type: text/plain\nX-Two:  words here \n\nbody\n\nmore"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("step", [0, 1, 2, 7])
def test_document_in_any_split_and_line_end(line_end: bytes, step: int) -> None:
    """LF or CRLF, whole, byte by byte or in odd pieces: the same head, and the body untouched."""
    head, body = parse(DOCUMENT.replace(b"\n", line_end), step)
    assert (head.form, head.status, head.has_body) == (CgiForm.DOCUMENT, 200, True)
    assert head.headers.items() == [("Content-Type", "text/plain"), ("X-Two", "words here")]
    assert body == b"body\n\nmore".replace(b"\n", line_end)


def test_mixed_line_ends() -> None:
    """Programs that print their own lines with CRLF and a library's with LF exist."""
    assert parse(b"Content-Type: a/b\r\nX: 1\n\r\nbody")[1] == b"body"


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"Status: 404 Not Here", 404, "Not Here"),
        (b"status:503", 503, ""),
        (b"HTTP/1.0 201 Made", 201, "Made"),
        (b"HTTP/1.1 200", 200, ""),
    ],
)
def test_status(line: bytes, status: int, reason: str) -> None:
    """As a field, or as an HTTP status line in front; it is not passed on as a field."""
    head, _ = parse(line + b"\nContent-Type: text/plain\n\n")
    assert (head.status, head.reason) == (status, reason)
    assert head.headers.items() == [("Content-Type", "text/plain")]


@pytest.mark.parametrize("status", [b"99", b"abc", b"", b"101 Switching", b"600", b"2000", b"200 a\x01b", b"20 0"])
def test_bad_status_is_refused(status: bytes) -> None:
    """A status of three digits from 200 to 599; 1xx would break the framing."""
    with pytest.raises(MalformedOutput, match="Status"):
        parse(b"Content-Type: a/b\nStatus: " + status + b"\n\n")


@pytest.mark.parametrize("status", [204, 304])
def test_status_without_body(status: int) -> None:
    """204 and 304 never carry the program's body or a length."""
    head, _ = parse(b"Status: %d\nContent-Length: 5\nETag: x\n\nhello" % status)
    assert (head.has_body, head.content_length, head.headers.items()) == (False, None, [("ETag", "x")])


def test_path_as_location_is_a_local_redirect() -> None:
    """With its query, also when a Content-Type stands beside it."""
    for extra in (b"", b"Content-type: text/html\n", b"Content-Length: 0\n"):
        head, _ = parse(extra + b"Location: /next?a=1\n\n")
        assert (head.form, head.target, head.has_body) == (CgiForm.LOCAL_REDIRECT, "/next?a=1", False)


@pytest.mark.parametrize(
    "location", ["http://www.example.com/x", "//www.example.com/x", "other.html", "/x#part", "mailto:a@b"]
)
def test_other_locations_redirect_the_client_with_a_stock_body(location: str) -> None:
    """302, our own body, whatever the program printed below."""
    head, _ = parse(f"Location: {location}\nContent-Length: 3\n\nown".encode())
    assert (head.form, head.status, head.headers["Location"]) == (CgiForm.CLIENT_REDIRECT, 302, location)
    assert head.stock_body is not None
    assert location.encode() in head.stock_body
    assert "Content-Length" not in head.headers


def test_stock_body_cannot_carry_script() -> None:
    """The link is escaped."""
    head, _ = parse(b'Location: http://h/"><script>\n\n')
    assert b"<script>" not in (head.stock_body or b"")


def test_location_with_status_is_a_document() -> None:
    """The program's own redirect page goes out as it is."""
    head, body = parse(b"Status: 301 Moved\nLocation: /x\nContent-Type: text/html\n\n<a>")
    assert (head.form, head.status, head.headers["Location"], body) == (CgiForm.DOCUMENT, 301, "/x", b"<a>")


def test_cookie_beside_a_path_location_is_not_lost() -> None:
    """The client is redirected instead, with the cookie (IIS 3 to 5 lost it)."""
    head, _ = parse(b"Location: /x\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n")
    assert (head.form, head.status) == (CgiForm.CLIENT_REDIRECT, 302)
    assert head.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_the_servers_own_fields_are_dropped() -> None:
    """Framing, connection, date and server are the server's business."""
    own = b"Connection: close\nKeep-Alive: 1\nTransfer-Encoding: chunked\nUpgrade: x\nDate: y\nServer: z\nTrailer: t\n"
    head, _ = parse(own + b"Content-Type: a/b\n\n")
    assert head.headers.items() == [("Content-Type", "a/b")]


def test_last_of_repeated_cgi_fields_counts() -> None:
    """Content-Type, Status and Location: whoever has a library print its usual lines says then what it really sends.
    Other fields may be repeated."""
    head, _ = parse(b"Content-Type: a/b\nStatus: 201\ncontent-type: c/d\nStatus: 404 Lost\nX: 1\nX: 2\n\n")
    assert (head.status, head.reason) == (404, "Lost")
    assert head.headers.items() == [("content-type", "c/d"), ("X", "1"), ("X", "2")]
    head, _ = parse(b"HTTP/1.0 200 OK\nStatus: 500 No\nLocation: /a\nLocation: /b\n\n")
    assert (head.status, head.headers.get_all("Location")) == (500, ["/b"])


def test_content_length_is_a_promise() -> None:
    """It is read, and kept once."""
    head, _ = parse(b"Content-Type: a/b\nContent-Length: 5\nContent-Length: 5\n\nhello")
    assert (head.content_length, head.headers.get_all("Content-Length")) == (5, ["5"])


@pytest.mark.parametrize("lengths", [b"-1", b"1x", b"", b"1\nContent-Length: 2", b"4\nContent-Length: x"])
def test_content_lengths_that_say_nothing_count_for_nothing(lengths: bytes) -> None:
    """No number, or two that differ: nothing that could be read in two ways goes on; the page is what is printed."""
    head, body = parse(b"Content-Type: a/b\nContent-Length: " + lengths + b"\n\npage")
    assert (head.content_length, head.headers.items(), body) == (None, [("Content-Type", "a/b")], b"page")


@pytest.mark.parametrize("printed", [b"\npage", b"\r\npage", b"X: 1\n\npage"])
def test_a_document_may_have_no_type(printed: bytes) -> None:
    """Old scripts print an empty line and the page, or fields of their own alone."""
    for step in (0, 1):
        head, body = parse(printed, step)
        assert (head.form, head.status, head.has_body, body) == (CgiForm.DOCUMENT, 200, True, b"page")
        assert "Content-Type" not in head.headers


@pytest.mark.parametrize(
    "line",
    [
        b"X: a\0b",
        b"X: a\rb",
        b"X: a\x7f",
        b"X Y: 1",
        b"Content-Type : a/b",
        b" continued: x",
        b": empty",
        b"no colon at all",
        b"X\xe9: 1",
    ],
)
def test_lines_that_are_no_headers_are_refused(line: bytes) -> None:
    """NUL, bare CR, spaces in or behind the name, continuation lines, no colon: malformed, and the line is named."""
    with pytest.raises(MalformedOutput, match="header") as refused:
        parse(b"Content-Type: a/b\n" + line + b"\n\nbody")
    assert refused.value.output.startswith(b"Content-Type: a/b\n")


def test_page_without_headers_is_refused_at_its_first_line() -> None:
    """A program that prints its page at once need not print 64 KB before it is told."""
    parser = CgiResponseParser()
    with pytest.raises(MalformedOutput, match="no header") as refused:
        parser.receive(b"<html>\n")
    assert refused.value.output == b"<html>\n"


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (b"", "nothing"),
        (b"Content-Type: text/plain\n", "empty line"),
        (b"Content-Type: text/plain", "empty line"),
        (b"hello", "empty line"),
        (b"Location:\n\n", "Location is empty"),
    ],
)
def test_incomplete_heads_are_refused_with_what_was_printed(output: bytes, why: str) -> None:
    """No output, no empty line, no place to go to: each says which it was."""
    for step in (0, 1):
        with pytest.raises(MalformedOutput, match=why) as refused:
            parse(output, step)
        assert output.startswith(refused.value.output)


def test_head_has_a_size_limit() -> None:
    """64 KB of headers, in one line, in many, and when the empty line comes in the same piece."""
    for output in (b"X: " + b"y" * LARGEST_HEAD, b"X: y\n" * LARGEST_HEAD, b"A: b\n" * 14000 + b"\nbody"):
        with pytest.raises(MalformedOutput, match="65536") as refused:
            parse(output)
        assert len(refused.value.output) == LARGEST_HEAD


def test_cgitb_prefix_is_ignored() -> None:
    """Python's cgitb prints a comment that looks like a field, then its own Content-Type."""
    head, body = parse(b"<!--: spam\r\nContent-Type: text/html\r\n\r\n<body> -->")
    assert (head.headers.items(), body) == ([("Content-Type", "text/html")], b"<body> -->")


def test_a_head_that_was_read_before_means_the_same_and_is_not_shared() -> None:
    """What somebody changes in one response is not in the next one; the rest is each one's own."""
    heads = []
    for body in (b"first", b"second", b""):
        parser = CgiResponseParser()
        parser.receive(b"Status: 201 Made\r\nContent-Type: text/x\r\nX-One: 1\r\n\r\n" + body)
        assert parser.head is not None
        assert (parser.head.status, parser.head.reason, parser.rest) == (201, "Made", body)
        assert parser.head.headers.items() == [("Content-Type", "text/x"), ("X-One", "1")]
        parser.head.headers.set("X-One", "changed")
        heads.append(parser.head)
    assert len({id(head) for head in heads}) == 3


def test_an_empty_line_of_other_line_ends_before_the_known_kind_ends_the_head() -> None:
    """CRLF CRLF in the body is the body's, whatever was read before."""
    for _ in range(2):
        parser = CgiResponseParser()
        parser.receive(b"Content-Type: text/x\n\na\r\n\r\nb")
        assert parser.rest == b"a\r\n\r\nb"
