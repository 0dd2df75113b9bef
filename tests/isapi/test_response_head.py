"""Status and header texts, whatever line ends they have."""

from __future__ import annotations

import pytest

from host.api.isapi import IsapiError
from host.isapi.response_head import parse_head, parse_status


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, (200, "")),
        ("", (200, "")),
        ("404", (404, "")),
        ("404 Not Here", (404, "Not Here")),
        (b"HTTP/1.1 201 Made", (201, "Made")),
        ("HTTP/1.0 204", (204, "")),
    ],
)
def test_a_status_is_a_number_and_a_phrase(text: str | bytes | None, expected: tuple[int, str]) -> None:
    """Apache's form with the version is taken, too."""
    assert parse_status(text) == expected


@pytest.mark.parametrize("text", ["OK", "20 x", "099 x", "2000", "HTTP/1.1"])
def test_what_is_no_status_is_an_invalid_parameter(text: str) -> None:
    """87, as any wrong argument."""
    with pytest.raises(IsapiError) as caught:
        parse_status(text)
    assert caught.value.code == 87


@pytest.mark.parametrize(
    ("text", "fields", "rest"),
    [
        (None, [], b""),
        ("\r\n", [], b""),
        ("\r\nbody", [], b"body"),
        ("A: b\r\n\r\n", [("A", "b")], b""),
        ("A: b\nC:d\n\nbody\r\n\r\n", [("A", "b"), ("C", "d")], b"body\r\n\r\n"),
        ("A: b", [("A", "b")], b""),
        ("A: b\r\n  folded\r\n\r\n", [("A", "b folded")], b""),
        ("Server: own\r\nDate: x\r\nConnection: keep-alive\r\nA: b\r\n\r\n", [("A", "b")], b""),
    ],
)
def test_lines_become_fields_and_the_rest_the_body(
    text: str | None, fields: list[tuple[str, str]], rest: bytes
) -> None:
    """A missing last line is added; fields that are the host's are left out."""
    head = parse_head("200 OK", text)
    assert (head.headers.items(), head.rest, head.closes) == (fields, rest, False)


@pytest.mark.parametrize("text", ["no colon\r\n\r\n", "A b: c\r\n\r\n", ": x\r\n\r\n", "A: b\0c\r\n\r\n"])
def test_lines_that_are_none_are_refused(text: str) -> None:
    """Nothing can be smuggled into the head."""
    with pytest.raises(IsapiError) as caught:
        parse_head(None, text)
    assert caught.value.code == 87


def test_a_connection_is_closed_when_the_extension_says_so() -> None:
    """By fKeepConn, by its field, or because the body frames itself."""
    assert parse_head(None, None, keeps=False).closes
    assert parse_head(None, "Connection: close\r\n\r\n").closes
    framed = parse_head("202 Fine", "Transfer-Encoding: chunked\r\n\r\n5")
    assert framed.closes
    assert framed.raw.startswith(b"HTTP/1.1 202 Fine\r\nTransfer-Encoding: chunked\r\nServer: isapy\r\nDate: ")
    assert framed.raw.endswith(b"\r\nConnection: close\r\n\r\n")
    assert framed.rest == b"5"
