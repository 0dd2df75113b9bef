"""Bytes to events: whole, byte by byte, with bytes left over."""

from __future__ import annotations

import pytest

from host.http1.errors import Fault, LocalProtocolError, RemoteProtocolError
from host.http1.limits import Limits
from host.http1.policy import HeadPolicy
from host.http1.reader import RequestReader, Signal
from host.http1.request_head import CHUNKED, RequestHead

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKS = b"PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
STREAM = GET + POST + b"\r\n" + CHUNKS + GET
EXPECTED = [(b"/a", b""), (b"/b", b"hello"), (b"/c", b"abcde"), (b"/a", b"")]


def reader(**limits: int) -> RequestReader:
    return RequestReader(HeadPolicy(Limits(**limits)))


def drain(it: RequestReader, got: list[tuple[bytes, bytes]]) -> None:
    """Collect every request that is complete; starts the next one at once."""
    while True:
        event = it.next_event()
        if isinstance(event, RequestHead):
            got.append((event.target, b""))
        elif isinstance(event, bytes):
            target, body = got.pop()
            got.append((target, body + event))
        elif event is Signal.PAUSED:
            it.start_next()
        elif event is Signal.NEED_DATA:
            return


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, len(STREAM)])
def test_requests_come_out_however_the_bytes_arrive(size: int) -> None:
    """Pieces of every size give the same requests."""
    it, got = reader(), list[tuple[bytes, bytes]]()
    for at in range(0, len(STREAM), size):
        it.receive(STREAM[at : at + size])
        drain(it, got)
    assert got == EXPECTED
    assert it.buffered_bytes == 0


def test_a_pipelined_request_waits_until_the_first_is_answered() -> None:
    """One request at a time: the second stays as bytes."""
    it = reader()
    it.receive(GET + POST)
    assert isinstance(it.next_event(), RequestHead)
    assert it.next_event() is Signal.PAUSED
    assert it.buffered_bytes == len(POST)
    it.start_next()
    second = it.next_event()
    assert isinstance(second, RequestHead)
    assert second.target == b"/b"


def test_repeated_fields_are_judged_once_and_changed_ones_again() -> None:
    """The same fields on one connection give the same answer; what follows another way is looked at."""
    it = reader()
    fields = b"Host: x\r\nA: b\r\n"
    for line in (b"GET /1", b"DELETE /2?q", b"GET /3"):
        it.receive(line + b" HTTP/1.1\r\n" + fields + b"\r\n")
        event = it.next_event()
        assert isinstance(event, RequestHead)
        assert (event.host, event.fields, event.minor_version) == (b"x", fields, 1)
        assert b" ".join((event.method, event.target)) == line
        it.start_next()
    for raw, fault in (
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n", Fault.INVALID_HEADER),
        (b"POST / HTTP/1.1\r\n" + fields + b"\r\n", Fault.LENGTH_REQUIRED),
        (b"TRACE / HTTP/1.1\r\n" + fields + b"\r\n", Fault.METHOD_NOT_IMPLEMENTED),
        (b"GET x HTTP/1.1\r\n" + fields + b"\r\n", Fault.INVALID_URL),
        (b"GET / HTTP/1.2\r\n" + fields + b"\r\n", Fault.VERSION_NOT_SUPPORTED),
    ):
        other = reader()
        other.receive(GET + b"GET / HTTP/1.1\r\n" + fields + b"\r\n" + raw)
        for _ in range(2):
            assert isinstance(other.next_event(), RequestHead)
            other.start_next()
        with pytest.raises(RemoteProtocolError) as caught:
            other.next_event()
        assert caught.value.fault is fault


def test_an_absolute_target_does_not_colour_the_next_request() -> None:
    """The host of the target is for that request alone."""
    it = reader()
    for target, host in ((b"/", b"x"), (b"http://other/", b"other"), (b"/", b"x")):
        it.receive(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        event = it.next_event()
        assert isinstance(event, RequestHead)
        assert event.host == host
        it.start_next()


def test_the_end_of_a_body_is_said_once() -> None:
    """Data, end, pause."""
    it = reader()
    it.receive(POST)
    assert isinstance(it.next_event(), RequestHead)
    assert it.next_event() == b"hello"
    assert it.next_event() is Signal.BODY_END
    assert it.next_event() is Signal.PAUSED


def test_remaining_bytes_are_known_for_a_length_and_not_for_chunks() -> None:
    """Whether an unread body is worth reading depends on it."""
    it = reader()
    it.receive(POST[:-2])
    it.next_event()
    assert it.next_event() == b"hel"
    assert it.remaining_bytes == 2
    it = reader()
    it.receive(CHUNKS[:-3])
    it.next_event()
    assert it.remaining_bytes == CHUNKED


def test_empty_lines_before_a_request_are_ignored() -> None:
    """RFC 9112 2.2: old clients send one after a POST."""
    it = reader()
    it.receive(b"\r\n\r\n\r")
    assert it.next_event() is Signal.NEED_DATA
    it.receive(b"\n" + GET)
    assert isinstance(it.next_event(), RequestHead)


def test_starting_the_next_request_in_the_middle_of_one_is_our_own_error() -> None:
    """The caller broke the order, not the client."""
    it = reader()
    with pytest.raises(LocalProtocolError):
        it.start_next()


def feed_incomplete_head(raw: bytes, size: int) -> None:
    it = reader(max_request_bytes=128)
    for at in range(0, len(raw), size):
        it.receive(raw[at : at + size])
        assert it.next_event() is Signal.NEED_DATA


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"\x16\x03\x01\x02\x00", Fault.INVALID_VERB),
        (b"\nGET / HTTP/1.1\r\n", Fault.INVALID_LINE_END),
        (b"\rX", Fault.INVALID_LINE_END),
        (b"GET / HTTP/1.1\nHost: x\n\n", Fault.INVALID_LINE_END),
        (b"GET / HTTP/1.1\r\nHost: x\n", Fault.INVALID_LINE_END),
        (b"GET /\r\n", Fault.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nA: b\rc", Fault.INVALID_LINE_END),
        (b"GET /" + b"a" * 200, Fault.URL_TOO_LONG),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 200, Fault.HEAD_TOO_LONG),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200 + b"\r\n\r\n", Fault.HEAD_TOO_LONG),
        (b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nHost: x\r\n\r\n", Fault.URL_TOO_LONG),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_cannot_become_a_head_is_refused_before_its_end(raw: bytes, fault: Fault, size: int) -> None:
    """Waiting for an empty line that never comes would hide the mistake for two minutes."""
    with pytest.raises(RemoteProtocolError) as caught:
        feed_incomplete_head(raw, size)
    assert caught.value.fault is fault


def test_a_head_of_exactly_the_limit_passes() -> None:
    """The limit counts every byte up to the empty line."""
    it = reader(max_request_bytes=len(GET))
    it.receive(GET)
    assert isinstance(it.next_event(), RequestHead)
    it = reader(max_request_bytes=len(GET) - 1)
    it.receive(GET)
    with pytest.raises(RemoteProtocolError):
        it.next_event()


def test_a_usual_request_is_read_at_once_after_the_first_of_its_kind() -> None:
    """The same fields again, whole, with nothing before it."""
    it = reader()
    assert it.read_usual(GET) is None  # nothing to compare with
    it.receive(GET)
    assert isinstance(it.next_event(), RequestHead)
    assert it.read_usual(GET) is None  # one request at a time
    it.start_next()
    head = it.read_usual(GET.replace(b"/a", b"/other"))
    assert head is not None
    assert (head.target, head.host) == (b"/other", b"x")
    assert it.next_event() is Signal.PAUSED
    assert not it.start_next()
    it.receive(GET[:5])
    assert it.read_usual(GET) is None  # bytes are waiting: it may be their rest
    it.receive(GET[5:])
    assert isinstance(it.next_event(), RequestHead)


def test_a_usual_request_is_short_enough_to_be_remembered() -> None:
    """An idle connection holds on to little."""
    it = reader()
    it.receive(GET)
    it.next_event()
    it.start_next()
    assert it.read_usual(GET.replace(b"/a", b"/" + b"a" * 5000)) is None


def test_start_next_says_whether_bytes_wait() -> None:
    """A pipelined request can be read at once."""
    it = reader()
    it.receive(GET + GET)
    it.next_event()
    assert it.start_next()
    it.next_event()
    assert not it.start_next()


def test_empty_lines_are_passed_over_at_once() -> None:
    """One by one, each of them copied all that was behind it: some megabytes of them kept the listener busy for
    hours, and this test, too."""
    it = reader()
    it.receive(b"\r\n" * (16 * 1024 * 1024) + GET)
    assert isinstance(it.next_event(), RequestHead)
    assert it.next_event() is Signal.PAUSED
    assert not it.start_next()
