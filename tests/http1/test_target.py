"""Targets in their four forms, and the path that routing compares."""

from __future__ import annotations

import pytest

from host.http1.errors import Fault, RemoteProtocolError
from host.http1.limits import Limits
from host.http1.policy import HeadPolicy
from host.http1.request_head import RequestHead
from host.http1.target import routing_path


def ask(line: bytes, fields: bytes = b"Host: named.example\r\n") -> RequestHead:
    return HeadPolicy(Limits()).check(line + b"\r\n" + fields + b"\r\n")


@pytest.mark.parametrize(
    ("line", "target", "host"),
    [
        (b"GET http://other.example/a?b HTTP/1.1", b"/a?b", b"other.example"),
        (b"GET HTTP://other.example:81 HTTP/1.1", b"/", b"other.example:81"),
        (b"GET https://[::1]?q HTTP/1.1", b"/?q", b"[::1]"),
        (b"OPTIONS http://other.example HTTP/1.1", b"*", b"other.example"),
        (b"OPTIONS * HTTP/1.1", b"*", b"named.example"),
    ],
)
def test_an_absolute_target_names_the_host(line: bytes, target: bytes, host: bytes) -> None:
    """RFC 9112 3.2.2: the target's authority counts, whatever Host says."""
    request = ask(line)
    assert (request.target, request.host) == (target, host)


def test_the_worker_sees_the_host_of_an_absolute_target() -> None:
    """Two opinions about the host would let a request pass a check for one site and be answered by another."""
    request = ask(b"GET http://other.example/ HTTP/1.1", b"A: b\r\nhost: named.example\r\nC: d\r\n")
    assert request.fields == b"Host: other.example\r\nA: b\r\nC: d\r\n"


def test_an_absolute_target_does_not_replace_a_missing_host() -> None:
    """RFC 9112 3.2: 400 for any HTTP/1.1 request that lacks Host."""
    with pytest.raises(RemoteProtocolError) as caught:
        ask(b"GET http://other.example/ HTTP/1.1", b"")
    assert caught.value.fault is Fault.INVALID_HOSTNAME


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        (b"/", "/"),
        (b"/shop/cart", "/shop/cart"),
        (b"/shop/", "/shop/"),
        (b"//shop///cart", "/shop/cart"),
        (b"/a/./b/../c", "/a/c"),
        (b"/../../etc/passwd", "/etc/passwd"),
        (b"/%2e%2e/etc", "/etc"),
        (b"/a/%2E%2E%2fshop", "/shop"),
        (b"/a\\..\\shop", "/shop"),
        (b"/a%5c..%5cshop/", "/shop/"),
        (b"/a/..", "/"),
        (b"/a/b/..", "/a/"),
        (b"/a/.", "/a/"),
        (b"/%C3%A4", "/\u00e4"),
        (b"/%E4", "/\u00e4"),
        (b"/%2541", "/%41"),
        (b"/...", "/..."),
        (b"/.hidden", "/.hidden"),
    ],
)
def test_the_path_for_routing_is_decoded_once_and_normalised(raw_path: bytes, path: str) -> None:
    """As a file system would see it: an application cannot be entered through a disguise."""
    assert routing_path(raw_path, Limits()) == path


@pytest.mark.parametrize(
    "raw_path", [b"/%", b"/%4", b"/%zz", b"/%u12", b"/%u00e4", b"/%ud800", b"/%00", b"/a%0d%0a", b"/%7f", b"/%C2%85"]
)
def test_broken_escapes_and_control_characters_are_refused(raw_path: bytes) -> None:
    """HTTP.sys without AllowRestrictedChars."""
    with pytest.raises(RemoteProtocolError) as caught:
        routing_path(raw_path, Limits())
    assert caught.value.fault is Fault.INVALID_URL


def test_segments_are_limited_in_length_and_number() -> None:
    """UrlSegmentMaxLength counts decoded characters; 0 lifts a limit."""
    assert routing_path(b"/" + b"%C3%A4" * 260, Limits())
    assert routing_path(b"/a" * 255, Limits())
    for raw_path in (b"/" + b"a" * 261, b"/a" * 256):
        with pytest.raises(RemoteProtocolError):
            routing_path(raw_path, Limits())
        assert routing_path(raw_path, Limits(url_segment_max_length=0, url_segment_max_count=0))
