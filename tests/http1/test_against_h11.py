"""h11 as oracle: two parsers that disagree about a request are how requests are smuggled.

What h11 accepts of a well-formed request we accept with the same fields. What we accept of a damaged head h11 accepts
too, with the same meaning, except for DIFFERENCES.
"""

from __future__ import annotations

from itertools import pairwise

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from host.http1.errors import RemoteProtocolError
from host.http1.limits import Limits
from host.http1.policy import HeadPolicy
from host.http1.reader import RequestReader, Signal
from host.http1.request_head import CHUNKED, RequestHead

DIFFERENCES = """
Ours accepts, h11 refuses:
- empty lines before the request line (RFC 9112 2.2 says a server should ignore them);
- HTTP/1.0 with Expect other than 100-continue (we ignore Expect on 1.0).
Ours refuses, h11 accepts (so generated well-formed requests avoid them): lower-case verbs, TRACE, CONNECT, POST and PUT
without length, targets that are no path, a fragment in the target, white space in Host, repeated equal Content-Length,
Transfer-Encoding on HTTP/1.0, unknown expectations, bare line feeds.
"""

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SPECIAL = {"host", "content-length", "transfer-encoding", "connection", "expect", "proxy-connection", "upgrade"}

names = st.text(TOKEN, min_size=1, max_size=12).filter(lambda name: name.lower() not in SPECIAL)
values = st.binary(max_size=20).filter(lambda v: all(b == 9 or 32 <= b < 127 or b > 127 for b in v))
verbs = st.sampled_from(["GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND", "X-NEW", "BREW"])
paths = st.text("".join(chr(c) for c in range(0x21, 0x7F) if chr(c) != "#"), max_size=30)
hosts = st.sampled_from(["example.org", "example.org:8080", "127.0.0.1", "[::1]:80", ""])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A well-formed request head, perhaps with a length."""
    fields = [
        f"{name}:{draw(st.sampled_from(['', ' ', chr(9)]))}".encode() + value
        for name, value in draw(st.lists(st.tuples(names, values), max_size=6))
    ]
    fields.insert(draw(st.integers(0, len(fields))), b"hOSt: " + draw(hosts).encode())
    extra = draw(st.sampled_from([b"", b"Content-Length: 12", b"Transfer-Encoding: chunked", b"Connection: close"]))
    if extra:
        fields.append(extra)
    version = "1.1" if extra.startswith(b"T") else draw(st.sampled_from(["1.1", "1.1", "1.0"]))
    line = f"{draw(verbs)} /{draw(paths)} HTTP/{version}".encode()
    return b"\r\n".join([line, *fields, b"", b""])


def ours(raw: bytes) -> RequestHead | None:
    """The head we read from `raw`; None when refused or incomplete."""
    reader = RequestReader(HeadPolicy(Limits()))
    reader.receive(raw)
    try:
        event = reader.next_event()
    except RemoteProtocolError:
        return None
    return event if isinstance(event, RequestHead) else None


def theirs(raw: bytes) -> h11.Request | None:
    """The request h11 reads from `raw`; None when refused or incomplete."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(raw)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    return event if isinstance(event, h11.Request) else None


def fields_of(head: RequestHead) -> list[tuple[bytes, bytes]]:
    pairs = [line.split(b":", 1) for line in head.fields.split(b"\r\n")[:-1]]
    return [(name.lower(), value.strip(b" \t")) for name, value in pairs]


def assert_same_meaning(raw: bytes, head: RequestHead, request: h11.Request) -> None:
    assert head.method == request.method
    assert head.target == request.target
    assert b"1.%d" % head.minor_version == request.http_version
    theirs_fields = [(name, value) for name, value in request.headers]
    assert sorted(fields_of(head)) == sorted(theirs_fields), raw
    found = dict(theirs_fields)
    if found.get(b"transfer-encoding"):
        assert head.content_length == CHUNKED
    else:
        assert head.content_length == int(found.get(b"content-length", b"0"))


@settings(max_examples=400, deadline=None)
@given(requests())
def test_a_well_formed_request_means_the_same_to_both(raw: bytes) -> None:
    """Method, target, version, fields and framing."""
    request, head = theirs(raw), ours(raw)
    assert request is not None, raw
    assert head is not None, raw
    assert_same_meaning(raw, head, request)


MUTATIONS = st.tuples(
    st.sampled_from(["insert", "replace", "delete", "double"]),
    st.integers(0, 400),
    st.sampled_from(
        [
            b"\r",
            b"\n",
            b"\r\n",
            b" ",
            b"\t",
            b"\0",
            b":",
            b",",
            b"\x7f",
            b"\x80",
            b"a",
            b"0",
            b"-",
            b"/",
            b";",
            b"\r\n ",
            b"Content-Length: 5\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Host: b\r\n",
            b"chunked",
            b"\x0b",
        ]
    ),
)


def damage(raw: bytes, kind: str, at: int, what: bytes) -> bytes:
    at %= len(raw)
    if kind == "insert":
        return raw[:at] + what + raw[at:]
    if kind == "replace":
        return raw[:at] + what + raw[at + len(what) :]
    if kind == "delete":
        return raw[:at] + raw[at + 1 :]
    end = raw.find(b"\r\n", at) + 2
    return raw[:end] + raw[at:end] + raw[end:]


def is_known_difference(raw: bytes) -> bool:
    return raw.startswith(b"\r\n") or (b"HTTP/1.0" in raw and b"xpect" in raw)


@settings(max_examples=500, deadline=None)
@given(requests(), st.lists(MUTATIONS, min_size=1, max_size=3))
@example(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", [("insert", 25, b"Content-Length: 5\r\n")])
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", [("insert", 16, b"\0")])
def test_what_we_accept_of_a_damaged_head_h11_accepts_too(raw: bytes, mutations: list[tuple[str, int, bytes]]) -> None:
    """With the same meaning, or it is one of DIFFERENCES."""
    for kind, at, what in mutations:
        raw = damage(raw, kind, at, what)
    head = ours(raw)
    if head is None or is_known_difference(raw):
        return
    request = theirs(raw)
    assert request is not None, raw
    if head.target == request.target:  # an absolute target was taken apart, its fields changed with it
        assert_same_meaning(raw, head, request)


chunk_extensions = st.sampled_from([b"", b";a", b";a=b", b';a="b c";d'])
trailers = st.sampled_from([b"", b"A: b\r\n", b"Host: y\r\nExpires: 0\r\n"])


@st.composite
def whole_requests(draw: st.DrawFn) -> bytes:
    """A request with its body, by length or in chunks."""
    pieces = draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4))
    if draw(st.booleans()):
        body = b"".join(pieces)
        return b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    zeros = b"0" * draw(st.integers(0, 3))
    chunks = [zeros + b"%x%b\r\n%b\r\n" % (len(piece), draw(chunk_extensions), piece) for piece in pieces]
    last = zeros + b"0\r\n" + draw(trailers) + b"\r\n"
    return b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + last


def our_bodies(pieces: list[bytes]) -> list[bytes]:
    """The bodies of all requests that we read."""
    reader, bodies = RequestReader(HeadPolicy(Limits())), []
    body = b""
    for piece in pieces:
        reader.receive(piece)
        while (event := reader.next_event()) is not Signal.NEED_DATA:
            if isinstance(event, bytes):
                body += event
            elif event is Signal.PAUSED:
                bodies.append(body)
                body = b""
                reader.start_next()
    return bodies


def their_bodies(pieces: list[bytes]) -> list[bytes]:
    """The bodies of all requests that h11 reads."""
    connection, bodies = h11.Connection(h11.SERVER), []
    body = b""
    for piece in pieces:
        connection.receive_data(piece)
        while (event := connection.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                bodies.append(body)
                body = b""
                connection.send(h11.Response(status_code=204, headers=[]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
    return bodies


@settings(max_examples=300, deadline=None)
@given(st.lists(whole_requests(), min_size=1, max_size=4), st.lists(st.integers(0, 1000), max_size=12))
def test_a_pipeline_cut_anywhere_has_the_same_bodies_for_both(requests: list[bytes], cuts: list[int]) -> None:
    """By length and in chunks, with extensions and trailers."""
    raw = b"".join(requests)
    places = sorted({0, len(raw), *(cut % len(raw) for cut in cuts)})
    pieces = [raw[start:end] for start, end in pairwise(places)]
    bodies = our_bodies(pieces)
    assert len(bodies) == len(requests)
    assert bodies == their_bodies(pieces) == our_bodies([raw])
