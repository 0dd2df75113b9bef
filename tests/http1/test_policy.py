"""What a head must be to pass, and what each refusal is called."""

from __future__ import annotations

import inspect

import pytest

from host.http1.errors import Fault, RemoteProtocolError
from host.http1.limits import Limits
from host.http1.policy import HeadPolicy, explain_fields, explain_request_line, find_bare_line_end, is_valid_host
from host.http1.request_head import CHUNKED, RequestHead


def check(head: bytes, **limits: int) -> RequestHead:
    return HeadPolicy(Limits(**limits)).check(head)


def head(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: example.org\r\n") -> bytes:
    return line + b"\r\n" + host + fields + b"\r\n"


REFUSED: dict[str, tuple[bytes, Fault]] = {
    # request line
    "lower-case verb": (head(line=b"get / HTTP/1.1"), Fault.INVALID_VERB),
    "no verb": (head(line=b" / HTTP/1.1"), Fault.INVALID_VERB),
    "verb with a colon": (head(line=b"GE:T / HTTP/1.1"), Fault.INVALID_VERB),
    "two spaces": (head(line=b"GET  / HTTP/1.1"), Fault.INVALID_URL),
    "space in the target": (head(line=b"GET /a b HTTP/1.1"), Fault.INVALID_URL),
    "raw high byte in the target": (head(line=b"GET /\xe4 HTTP/1.1"), Fault.INVALID_URL),
    "NUL in the target": (head(line=b"GET /\0 HTTP/1.1"), Fault.INVALID_URL),
    "fragment in the target": (head(line=b"GET /a#b HTTP/1.1"), Fault.INVALID_URL),
    "relative target": (head(line=b"GET index.html HTTP/1.1"), Fault.INVALID_URL),
    "authority form": (head(line=b"GET example.org:80 HTTP/1.1"), Fault.INVALID_URL),
    "asterisk with GET": (head(line=b"GET * HTTP/1.1"), Fault.INVALID_URL),
    "unknown scheme": (head(line=b"GET ftp://example.org/ HTTP/1.1"), Fault.INVALID_URL),
    "absolute target without host": (head(line=b"GET http:///x HTTP/1.1"), Fault.INVALID_URL),
    "absolute target with user": (head(line=b"GET http://a@b/ HTTP/1.1"), Fault.INVALID_URL),
    "HTTP/0.9": (head(line=b"GET /"), Fault.BAD_REQUEST),
    "HTTP/1": (head(line=b"GET / HTTP/1"), Fault.BAD_REQUEST),
    "trailing space": (head(line=b"GET / HTTP/1.1 "), Fault.BAD_REQUEST),
    "HTTP/2.0": (head(line=b"GET / HTTP/2.0"), Fault.VERSION_NOT_SUPPORTED),
    "HTTP/1.2": (head(line=b"GET / HTTP/1.2"), Fault.VERSION_NOT_SUPPORTED),
    "HTTP/0.9 spelt out": (head(line=b"GET / HTTP/0.9"), Fault.VERSION_NOT_SUPPORTED),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\n", Fault.VERSION_NOT_SUPPORTED),
    "other protocol": (head(line=b"GET / RTSP/1.0"), Fault.BAD_REQUEST),
    "bare line feed after the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", Fault.INVALID_LINE_END),
    "bare carriage return in the request line": (b"GET /\rHTTP/1.1\r\nHost: a\r\n\r\n", Fault.INVALID_LINE_END),
    "TRACE": (head(line=b"TRACE / HTTP/1.1"), Fault.METHOD_NOT_IMPLEMENTED),
    "CONNECT": (head(line=b"CONNECT example.org:443 HTTP/1.1"), Fault.METHOD_NOT_IMPLEMENTED),
    # Host
    "no host": (head(host=b""), Fault.INVALID_HOSTNAME),
    "two hosts": (head(b"Host: example.org\r\n"), Fault.INVALID_HOSTNAME),
    "two hosts of different case": (head(b"hOST: other\r\n"), Fault.INVALID_HOSTNAME),
    "two hosts on 1.0": (head(b"Host: other\r\n", line=b"GET / HTTP/1.0"), Fault.INVALID_HOSTNAME),
    "list of hosts": (head(host=b"Host: a, b\r\n"), Fault.INVALID_HOSTNAME),
    "host with a path": (head(host=b"Host: a/b\r\n"), Fault.INVALID_HOSTNAME),
    "host with a user": (head(host=b"Host: a@b\r\n"), Fault.INVALID_HOSTNAME),
    "host with two ports": (head(host=b"Host: a:1:2\r\n"), Fault.INVALID_HOSTNAME),
    "host with a bad literal": (head(host=b"Host: [::1\r\n"), Fault.INVALID_HOSTNAME),
    # framing
    "length and coding": (head(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), Fault.BAD_REQUEST),
    "coding and length": (head(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), Fault.BAD_REQUEST),
    "two lengths": (head(b"Content-Length: 3\r\nContent-Length: 4\r\n"), Fault.INVALID_NUMBER),
    "the same length twice": (head(b"Content-Length: 3\r\nContent-Length: 3\r\n"), Fault.INVALID_NUMBER),
    "list of lengths": (head(b"Content-Length: 3, 3\r\n"), Fault.INVALID_NUMBER),
    "negative length": (head(b"Content-Length: -3\r\n"), Fault.INVALID_NUMBER),
    "signed length": (head(b"Content-Length: +3\r\n"), Fault.INVALID_NUMBER),
    "hexadecimal length": (head(b"Content-Length: 0x3\r\n"), Fault.INVALID_NUMBER),
    "empty length": (head(b"Content-Length:\r\n"), Fault.INVALID_NUMBER),
    "length beyond every number": (head(b"Content-Length: 99999999999999999999\r\n"), Fault.ENTITY_TOO_LARGE),
    "length just too large": (head(b"Content-Length: 9223372036854775808\r\n"), Fault.ENTITY_TOO_LARGE),
    "gzip coding": (head(b"Transfer-Encoding: gzip\r\n"), Fault.CODING_NOT_IMPLEMENTED),
    "gzip, chunked": (head(b"Transfer-Encoding: gzip, chunked\r\n"), Fault.CODING_NOT_IMPLEMENTED),
    "chunked twice": (
        head(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        Fault.CODING_NOT_IMPLEMENTED,
    ),
    "identity coding": (head(b"Transfer-Encoding: identity\r\n"), Fault.CODING_NOT_IMPLEMENTED),
    "disguised chunked": (head(b"Transfer-Encoding: \x0bchunked\r\n"), Fault.CODING_NOT_IMPLEMENTED),
    "coding on 1.0": (head(b"Transfer-Encoding: chunked\r\n", line=b"POST / HTTP/1.0"), Fault.INVALID_HEADER),
    "POST without length": (head(line=b"POST / HTTP/1.1"), Fault.LENGTH_REQUIRED),
    "PUT without length": (head(line=b"PUT / HTTP/1.1"), Fault.LENGTH_REQUIRED),
    "unknown expectation": (head(b"Expect: 200-ok\r\n"), Fault.EXPECTATION_FAILED),
    # field syntax
    "folded line": (head(b"A: b\r\n c\r\n"), Fault.INVALID_HEADER),
    "folded with a tab": (head(b"A: b\r\n\tc\r\n"), Fault.INVALID_HEADER),
    "white space before the first field": (head(host=b" Host: a\r\n"), Fault.INVALID_HEADER),
    "white space before the colon": (head(host=b"Host : a\r\n"), Fault.INVALID_HEADER),
    "white space before the colon of a length": (head(b"Content-Length : 3\r\n"), Fault.INVALID_HEADER),
    "bad name": (head(b"A(b): c\r\n"), Fault.INVALID_HEADER),
    "empty name": (head(b": c\r\n"), Fault.INVALID_HEADER),
    "no colon": (head(b"abc\r\n"), Fault.INVALID_HEADER),
    "NUL in a value": (head(b"A: b\0c\r\n"), Fault.INVALID_HEADER),
    "control character in a value": (head(b"A: b\x01\r\n"), Fault.INVALID_HEADER),
    "DEL in a value": (head(b"A: b\x7f\r\n"), Fault.INVALID_HEADER),
    "high byte in a name": (head(b"\xc4: b\r\n"), Fault.INVALID_HEADER),
    "bare line feed between fields": (head(b"A: b\nC: d\r\n"), Fault.INVALID_LINE_END),
    "bare carriage return in a value": (head(b"A: b\rC: d\r\n"), Fault.INVALID_LINE_END),
    "two carriage returns": (head(b"A: b\r\r\n"), Fault.INVALID_LINE_END),
}


@pytest.mark.parametrize(("raw_head", "fault"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_head_is_refused_with_its_own_fault(raw_head: bytes, fault: Fault) -> None:
    """Every row of the table above."""
    with pytest.raises(RemoteProtocolError) as caught:
        check(raw_head)
    assert caught.value.fault is fault


@pytest.mark.parametrize("bad", [raw_head for raw_head, _ in REFUSED.values()], ids=REFUSED.keys())
def test_a_refusal_leaves_the_shared_parser_fit_for_the_next_client(bad: bytes) -> None:
    """The parser is shared by all connections: nobody may spoil it for others."""
    policy = HeadPolicy(Limits())
    with pytest.raises(RemoteProtocolError):
        policy.check(bad)
    assert policy.check(head()).host == b"example.org"


ACCEPTED: dict[str, bytes] = {
    "plain": head(),
    "close": head(b"Connection: close\r\n"),
    "proxy close": head(b"Proxy-Connection: close\r\n"),
    "upgrade": head(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    "length": head(b"Content-Length: 5\r\n", line=b"POST / HTTP/1.1"),
    "chunked": head(b"Transfer-Encoding: Chunked\r\n", line=b"POST / HTTP/1.1"),
    "1.0": head(line=b"GET / HTTP/1.0", host=b""),
    "unknown verb": head(line=b"VERSION-CONTROL / HTTP/1.1"),
    "unknown verb with a body": head(b"Content-Length: 5\r\n", line=b"BREW /pot HTTP/1.1"),
    "tabs and high bytes in a value": head(b"A: \tb\tc\xe4 \r\n"),
    "empty value": head(b"A:\r\n"),
    "asterisk": head(line=b"OPTIONS * HTTP/1.1"),
    "odd but legal target": head(line=b"GET /{}|\\^`\"'<> HTTP/1.1"),
    "empty host": head(host=b"Host:\r\n"),
    "IPv6 host": head(host=b"Host: [::1]:8080\r\n"),
}


@pytest.mark.parametrize("first", ACCEPTED.values(), ids=ACCEPTED.keys())
@pytest.mark.parametrize("second", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_heads_of_different_clients_pass_one_after_another(first: bytes, second: bytes) -> None:
    """Whatever state the first leaves in the parser, the second is judged on its own."""
    policy = HeadPolicy(Limits())
    policy.check(first)
    policy.check(second)


def test_the_field_block_stays_as_it_came() -> None:
    """Order, case and white space are the worker's to see."""
    fields = b"Host: example.org\r\nX-a:  b \r\nx-A: c\r\n"
    request = check(b"GET /p?q HTTP/1.1\r\n" + fields + b"\r\n")
    assert (request.method, request.target, request.fields) == (b"GET", b"/p?q", fields)
    assert request.size == len(b"GET /p?q HTTP/1.1\r\n" + fields + b"\r\n")


def test_a_head_without_fields_has_an_empty_block() -> None:
    """HTTP/1.0 in its shortest form."""
    assert check(b"GET / HTTP/1.0\r\n\r\n").fields == b""


@pytest.mark.parametrize(
    ("fields", "line", "expected"),
    [
        (b"", b"GET / HTTP/1.1", True),
        (b"Connection: close\r\n", b"GET / HTTP/1.1", False),
        (b"Connection: keep-alive, Close\r\n", b"GET / HTTP/1.1", False),
        (b"Connection: upgrade\r\nconnection: close\r\n", b"GET / HTTP/1.1", False),
        (b"Connection: closer\r\n", b"GET / HTTP/1.1", True),
        (b"", b"GET / HTTP/1.0", False),
        (b"Connection: Keep-Alive\r\n", b"GET / HTTP/1.0", True),
        (b"Connection: keep-alive, close\r\n", b"GET / HTTP/1.0", False),
    ],
)
def test_keep_alive_follows_version_and_connection_options(fields: bytes, line: bytes, expected: bool) -> None:
    """RFC 9112 9.3; options are compared whole and without case."""
    assert check(head(fields, line=line)).keep_alive is expected


def test_body_framing_is_read_from_the_head() -> None:
    """No body, a length, or chunks."""
    assert check(head()).content_length == 0
    assert check(head(b"Content-Length: 0007\r\n", line=b"POST / HTTP/1.1")).content_length == 7
    assert check(head(b"transfer-encoding:chunked\r\n", line=b"POST / HTTP/1.1")).content_length == CHUNKED


def test_expect_is_heard_on_1_1_with_a_body_only() -> None:
    """RFC 9110 10.1.1: ignored on HTTP/1.0; without a body there is nothing to wait for."""
    expect = b"Expect: 100-Continue\r\nContent-Length: 3\r\n"
    assert check(head(expect, line=b"POST / HTTP/1.1")).expects_continue
    assert not check(head(expect, line=b"POST / HTTP/1.0")).expects_continue
    assert not check(head(b"Expect: 100-continue\r\n")).expects_continue


def test_a_long_field_and_a_long_url_have_limits_of_their_own() -> None:
    """MaxFieldLength below MaxRequestBytes; a method is no longer than a field, either."""
    with pytest.raises(RemoteProtocolError) as caught:
        check(head(b"A: " + b"b" * 100 + b"\r\n"), max_field_bytes=80)
    assert caught.value.fault is Fault.FIELD_TOO_LONG
    with pytest.raises(RemoteProtocolError) as caught:
        check(head(line=b"GET /" + b"b" * 100 + b" HTTP/1.1"), max_field_bytes=80)
    assert caught.value.fault is Fault.URL_TOO_LONG
    with pytest.raises(RemoteProtocolError) as caught:
        check(head(line=b"G" * 100 + b" / HTTP/1.1"), max_field_bytes=80)
    assert caught.value.fault is Fault.INVALID_VERB
    assert check(head(b"A: " + b"b" * 40 + b"\r\nB: " + b"b" * 40 + b"\r\n"), max_field_bytes=80)


def test_host_syntax() -> None:
    """Names, addresses and ports; nothing that could be mistaken for more."""
    for good in (b"", b"a", b"a.b-c_d", b"127.0.0.1:80", b"[::1]", b"a:", b"xn--e1a4c"):
        assert is_valid_host(good), good
    for bad in (b" ", b"a b", b"a:b", b"[g]", b"a/", b"a?", b"a" * 261, b"a\x00"):
        assert not is_valid_host(bad), bad


def test_an_incomplete_line_end_is_not_yet_bare() -> None:
    """The line feed may come with the next read."""
    assert find_bare_line_end(b"abc\r", 0) == -1
    assert find_bare_line_end(b"abc\r\nd", 0) == -1
    assert find_bare_line_end(b"abc\rd", 0) == 3
    assert find_bare_line_end(b"abc\nd", 3) == 3
    assert find_bare_line_end(b"ab\r\nd", 3) == -1


def test_explanations_name_line_ends_first() -> None:
    """A bare line feed explains everything that follows from it."""
    assert explain_fields(b"GET / HTTP/1.1\r\nA: b\nC\r\n\r\n") is Fault.INVALID_LINE_END
    assert explain_fields(b"GET / HTTP/1.1\r\nA\r\n\r\n") is Fault.INVALID_HEADER
    assert explain_request_line(b"GET") is Fault.INVALID_VERB


_AGAIN = b"Host: x\r\nAccept: */*\r\n"
_PARTS = [name for name, value in inspect.getmembers(RequestHead) if name[0] != "_" and inspect.isdatadescriptor(value)]


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n", b"HEAD /a?b=c&d HTTP/1.1\r\n", b"DELETE /%23 HTTP/1.1\r\n"])
def test_the_same_fields_again_are_judged_the_same(line: bytes) -> None:
    """The short way and the long way build equal heads."""
    policy = HeadPolicy(Limits())
    last = policy.check(b"GET /first HTTP/1.1\r\n" + _AGAIN + b"\r\n")
    raw_head = line + _AGAIN + b"\r\n"
    short, long = policy.check_again(raw_head, last), policy.check(raw_head)
    assert short is not None
    assert [getattr(short, name) for name in _PARTS] == [getattr(long, name) for name in _PARTS]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.0\r\n" + _AGAIN + b"\r\n",
        b"POST / HTTP/1.1\r\n" + _AGAIN + b"\r\n",  # 411
        b"TRACE / HTTP/1.1\r\n" + _AGAIN + b"\r\n",  # 501
        b"GET http://y/ HTTP/1.1\r\n" + _AGAIN + b"\r\n",
        b"GET /#a HTTP/1.1\r\n" + _AGAIN + b"\r\n",
        b"GET  / HTTP/1.1\r\n" + _AGAIN + b"\r\n",
        b"GET / HTTP/1.1\n" + _AGAIN + b"\r\n",
        b"\r\nGET / HTTP/1.1\r\n" + _AGAIN + b"\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 3\r\n" + _AGAIN + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + _AGAIN + b"\r\n",  # the known fields behind a name of its own
        b"GET / HTTP/1.1\r\n" + _AGAIN + b"Accept: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + _AGAIN,
        b"GET / HTTP/1.1\r\n" + _AGAIN + b"\r\n" + b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: z\r\n\r\nGET / HTTP/1.1\r\n" + _AGAIN + b"\r\n",  # two, the second as expected
        b"GET /" + b"a" * 200 + b" HTTP/1.1\r\n" + _AGAIN + b"\r\n",  # above the limit
        _AGAIN + b"\r\n",
        b"\r\n",
    ],
)
def test_what_is_unusual_is_left_to_the_long_way(data: bytes) -> None:
    """Everything but one whole head in the usual form, below every limit."""
    policy = HeadPolicy(Limits(max_field_bytes=150))
    last = policy.check(b"GET /first HTTP/1.1\r\n" + _AGAIN + b"\r\n")
    assert policy.check_again(data, last) is None
    assert policy.check_known(data) is None


def test_fields_that_were_judged_before_are_judged_the_same() -> None:
    """Whose they were does not matter; HTTP/1.0 has rules of its own; so have the line and its method."""
    policy = HeadPolicy(Limits())
    first, second = (policy.check(head(b"X: y\r\n", line=line)) for line in (b"GET /a HTTP/1.1", b"HEAD /b HTTP/1.1"))
    assert (first.host, first.is_plain, first.fields) == (second.host, second.is_plain, second.fields)
    assert (second.method, second.target) == (b"HEAD", b"/b")
    old = policy.check(head(b"X: y\r\n", line=b"GET /a HTTP/1.0"))
    assert (old.is_plain, old.keep_alive) == (False, False)
    with pytest.raises(RemoteProtocolError) as caught:
        policy.check(head(b"X: y\r\n", line=b"POST /a HTTP/1.1"))
    assert caught.value.fault is Fault.LENGTH_REQUIRED


@pytest.mark.parametrize("option", ["close", "keep-alive", "TE, close", "Upgrade"])
def test_what_connection_says_is_remembered_with_its_fields(option: str) -> None:
    """Clients say keep-alive or close in every request: the second judgement, by either short way, says the same."""
    policy = HeadPolicy(Limits())
    data = head(f"Connection: {option}\r\n".encode())
    first = policy.check(data)
    second, third, fourth = policy.check(data), policy.check_again(data, first), policy.check_known(data)
    for again in (second, third, fourth):
        assert again is not None
        for name in _PARTS:
            assert getattr(again, name) == getattr(first, name), name
    assert first.keep_alive is ("close" not in option)
    assert first.is_plain
    with pytest.raises(RemoteProtocolError) as caught:
        policy.check(data.replace(b"GET", b"POST"))
    assert caught.value.fault is Fault.LENGTH_REQUIRED


def test_fields_are_forgotten_before_they_fill_the_memory() -> None:
    """A client that never repeats itself: the judgement stays right, and what is kept stays small."""
    policy = HeadPolicy(Limits())
    for number in range(2000):
        assert policy.check(head(b"X: %d\r\n" % number)).host == b"example.org"
    assert len(policy._judged) <= 512


def test_long_fields_are_judged_again_and_not_kept() -> None:
    """512 of the longest that a listener may allow would be gigabytes."""
    policy = HeadPolicy(Limits())
    for name in (b"A", b"B"):
        assert policy.check(head(name + b": " + b"x" * 4096 + b"\r\n")).is_plain
    assert len(policy._judged) == 0
    policy.check(head(b"A: x\r\n"))
    assert len(policy._judged) == 1
