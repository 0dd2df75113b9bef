"""A response's head as bytes."""

from __future__ import annotations

import pytest

from host.api import Headers, Response
from host.wire.frames import ResponseFlag
from host.worker.response_head import MOST_HEAD_BYTES, build_head


def test_the_head_is_status_and_fields_without_the_fronts_own() -> None:
    """Date, Connection and framing are left out; `Connection: close` becomes a flag."""
    response = Response(
        status=404,
        headers=Headers(
            [
                ("Date", "x"),
                ("X-A", "1"),
                ("Transfer-Encoding", "chunked"),
                ("connection", "Keep-Alive, Close"),
                ("X-A", "é"),
            ]
        ),
    )
    head = build_head(response)
    assert head.raw == "404 Not Found\r\nX-A: 1\r\nX-A: é\r\n".encode("latin-1")
    assert head.flags == ResponseFlag.CLOSE


def test_a_server_field_stands_in_place_of_isapys() -> None:
    """As with HTTP.sys, which adds its own only where the response has none; a second one is left out."""
    own = [("server", "Apache/1.3"), ("X-A", "1"), ("Server", "other")]
    head = build_head(Response(headers=Headers(own)))
    assert head.raw == b"200 OK\r\nserver: Apache/1.3\r\nX-A: 1\r\n"
    assert head.flags == ResponseFlag.NO_SERVER


@pytest.mark.parametrize(
    "response", [Response(reason="x" * MOST_HEAD_BYTES), Response(headers=Headers([("X", "x" * MOST_HEAD_BYTES)]))]
)
def test_a_head_without_measure_is_refused(response: Response) -> None:
    """It would break the frame, and cost the worker its link."""
    with pytest.raises(ValueError, match="at most 1048576 are sent"):
        build_head(response)


def test_a_reason_cannot_split_the_head() -> None:
    """Control characters of a handler's own reason become blanks, other letters question marks."""
    raw = build_head(Response(status=299, reason="Fine\r\nSet-Cookie: x €")).raw
    assert raw == b"299 Fine  Set-Cookie: x ?\r\n"
    assert build_head(Response(status=299)).raw == b"299 \r\n"


def test_the_length_is_kept_replaced_or_dropped() -> None:
    """What the handler promised is told back."""
    response = Response(headers=Headers([("content-length", "12")]))
    assert build_head(response).promised_length == 12
    assert build_head(response, content_length=5).raw == b"200 OK\r\nContent-Length: 5\r\n"
    assert build_head(response, content_length=5).promised_length == 5
    assert build_head(response, drops_length=True).raw == b"200 OK\r\n"
    assert build_head(Response(headers=Headers([("Content-Length", "many")]))).promised_length == -1


def test_a_remembered_head_is_given_for_the_same_answer_only() -> None:
    """Status, reason, closing and a length are looked at each time, also when the Content-Type was seen before."""
    fields = Headers([("Content-Type", "text/x-remembered")])
    first = build_head(Response(headers=fields), drops_length=True)
    assert build_head(Response(headers=fields), drops_length=True) == first
    assert build_head(Response(headers=fields, status=404)).raw.startswith(b"404 Not Found\r\n")
    assert build_head(Response(headers=fields, reason="Fine")).raw.startswith(b"200 Fine\r\n")
    assert build_head(Response(headers=fields, close_connection=True)).flags == ResponseFlag.CLOSE
    assert build_head(Response(headers=fields), content_length=5).promised_length == 5
    assert build_head(Response(headers=fields)).raw == b"200 OK\r\nContent-Type: text/x-remembered\r\n"


def test_a_type_with_a_length_that_is_dropped_is_the_type_alone() -> None:
    """As applications give them: in either order and case, the length another one each time, or with another field."""
    for length in ("1", "22"):
        fields = Headers([("content-type", "text/x-lower"), ("Content-Length", length)])
        assert (
            build_head(Response(headers=fields), drops_length=True).raw == b"200 OK\r\ncontent-type: text/x-lower\r\n"
        )
        assert build_head(Response(headers=fields)).promised_length == int(length)
    turned = Headers([("content-length", "3"), ("Content-Type", "text/x-upper")])
    assert build_head(Response(headers=turned), drops_length=True).raw == b"200 OK\r\nContent-Type: text/x-upper\r\n"
    other = Headers([("content-type", "text/x-lower"), ("X-Number", "7")])
    assert build_head(Response(headers=other), drops_length=True).raw.endswith(b"X-Number: 7\r\n")
    lengths = Headers([("Content-Length", "3"), ("content-length", "3")])
    assert build_head(Response(headers=lengths), drops_length=True).raw == b"200 OK\r\n"
