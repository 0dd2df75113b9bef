"""One client connection: bad input, pipelining, bodies, deadlines, and clients that leave."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from host.config.listener_settings import ListenerSettings
from host.listener.context import RawVerdict
from host.listener.request_body import LARGE, READ_AHEAD
from host.wire.codec import decode_session_end
from host.wire.frames import BODY_GRANT_STEP, INITIAL_BODY_WINDOW, Kind, RequestFlag, ResponseFlag
from tests.listener.running_listener import RunningListener, TestWorker

Start = Callable[..., RunningListener]
HOST = b"Host: 127.0.0.1\r\n"

BAD: dict[str, tuple[bytes, int, str]] = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "Hostname"),
    "two hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, "Hostname"),
    "unknown host": (b"GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n", 400, "Hostname"),
    "length and chunks": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "BadRequest",
    ),
    "two lengths": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        400,
        "Number",
    ),
    "unknown coding": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501, "N/I"),
    "bare line feeds": (b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n", 400, "Invalid_CR/LF"),
    "NUL in a field": (b"GET / HTTP/1.1\r\n" + HOST + b"A: \0\r\n\r\n", 400, "Header"),
    "folded field": (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n", 400, "Header"),
    "space before colon": (b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", 400, "Header"),
    "long line": (b"GET /" + b"a" * 20000, 414, "URL_Length"),
    "long head": (b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 20000, 431, "RequestLength"),
    "long segment": (b"GET /" + b"a" * 261 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400, "URL"),
    "escaped NUL": (b"GET /%00 HTTP/1.1\r\n" + HOST + b"\r\n", 400, "URL"),
    "no length": (b"POST / HTTP/1.1\r\n" + HOST + b"\r\n", 411, "LengthRequired"),
    "huge length": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n",
        413,
        "EntityTooLarge",
    ),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", 501, "N/I"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "Version_N/S"),
    "expectation": (b"GET / HTTP/1.1\r\n" + HOST + b"Expect: the-worst\r\n\r\n", 417, "Precondition"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "Verb"),
    "bad chunk": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, "BadRequest"),
}


@pytest.mark.parametrize(("raw", "status", "reason"), BAD.values(), ids=BAD.keys())
def test_bad_requests_are_refused_logged_and_closed(
    front: RunningListener, raw: bytes, status: int, reason: str
) -> None:
    """Status, HTTPERR's reason, the end of the connection; the next client is served, and no worker saw the first."""
    worker = front.worker()
    client = front.client()
    client.send(raw)
    answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    refusal = front.log.next_refusal()
    assert (refusal.status, refusal.reason) == (status, reason)
    assert refusal.client_ip == "127.0.0.1"
    assert refusal.server_port == front.port
    after = front.client()
    after.get("/after")
    number, frame = worker.request()
    if frame.target != b"/after":  # a worker may have seen the head of a body that turned out malformed
        assert reason == "BadRequest"
        worker.take(Kind.ABORT)
        number, frame = worker.request()
    assert frame.target == b"/after"
    worker.answer(number)
    assert after.read_response()[0] == 200


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 100, 431, "FieldLength"),
        (b"GET /" + b"a" * 100 + b" HTTP/1.1\r\n" + HOST[:-2], 414, "URL_Length"),
        (b"GET /a/b/c HTTP/1.1\r\n" + HOST[:-2], 400, "URL"),
        (b"GET /abcdef HTTP/1.1\r\n" + HOST[:-2], 400, "URL"),
        (b"get / HTTP/1.1\r\n" + HOST[:-2], 400, "Verb"),
    ],
)
def test_sizes_are_the_registry_s(start: Start, head: bytes, status: int, reason: str) -> None:
    """MaxFieldLength, UrlSegmentMaxCount and UrlSegmentMaxLength of `<listener>`."""
    settings = ListenerSettings(max_field_bytes=100, url_segment_max_length=5, url_segment_max_count=2)
    front = start(listener=settings)
    client = front.client()
    client.send(head + b"\r\n\r\n")
    assert client.read_to_end().startswith(b"HTTP/1.1 %d " % status)
    assert front.log.next_refusal().reason == reason


def test_what_was_asked_in_vain_is_in_the_error_log(front: RunningListener) -> None:
    """Verb and target of a head that was not accepted."""
    client = front.client()
    client.send(b"GET /x?y HTTP/1.1\r\n\r\n")
    client.read_to_end()
    refusal = front.log.next_refusal()
    assert (refusal.http_version, refusal.verb, refusal.target) == ("HTTP/1.1", "GET", "/x?y")


def test_a_request_may_come_byte_by_byte(front: RunningListener) -> None:
    """And its worker sees it whole."""
    worker, client = front.worker(), front.client()
    for byte in b"\r\nPOST /slow HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc":
        client.send(bytes((byte,)))
    number, frame = worker.request()
    body = frame.body
    while body != b"abc":
        kind, _, data = worker.next_frame()
        assert kind is Kind.BODY
        body += data
    worker.answer(number)
    assert client.read_response()[2] == b"hello"


def test_pipelined_requests_are_answered_one_after_another(front: RunningListener) -> None:
    """The second reaches a worker when the first is answered."""
    worker, client = front.worker(), front.client()
    client.send(b"".join(b"GET /%d HTTP/1.1\r\n%b\r\n" % (number, HOST) for number in range(3)))
    for expected in range(3):
        number, frame = worker.request()
        assert frame.target == b"/%d" % expected
        assert worker.has_nothing_to_do()
        worker.answer(number, b"%d" % expected)
    assert [client.read_response()[2] for _ in range(3)] == [b"0", b"1", b"2"]


def test_a_pipelined_request_behind_a_body_is_its_own(front: RunningListener) -> None:
    """Neither a length nor chunks may swallow or spill a byte."""
    worker, client = front.worker(), front.client()
    chunked = b"POST /c HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    length = b"POST /l HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nxyz"
    client.send(chunked + length + b"GET /g HTTP/1.1\r\n" + HOST + b"\r\n")
    for target, body, content_length in ((b"/c", b"abc", -1), (b"/l", b"xyz", 3), (b"/g", b"", 0)):
        number, frame = worker.request()
        assert (frame.target, frame.body, frame.content_length) == (target, body, content_length)
        worker.answer(number)
        assert client.read_response()[0] == 200


def test_far_too_many_pipelined_bytes_are_not_read(front: RunningListener) -> None:
    """A client cannot fill the listener's memory while its first request is in hand; later it goes on."""
    worker, client = front.worker(), front.client()
    client.get("/first")
    number, _ = worker.request()
    flood = (b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n") * 1_000_000
    assert client.send_until_stalled(flood) < len(flood)
    worker.answer(number)
    assert client.read_response()[0] == 200
    assert worker.request()[1].target == b"/x"


def test_a_large_body_waits_for_the_workers_window(front: RunningListener) -> None:
    """What is read ahead comes at once, the first window when the worker reads, and nothing beyond it that was not
    granted."""
    worker, client = front.worker(), front.client()
    size = INITIAL_BODY_WINDOW + 200_000
    body = b"x" * size
    client.send(b"POST / HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (HOST, size))
    sent = client.send_until_stalled(body)
    number, frame = worker.request()
    got = len(frame.body)
    while got < READ_AHEAD:
        got += len(worker.take(Kind.BODY)[1])
    sent += client.send_until_stalled(body[sent:])
    worker.grant_body(number, BODY_GRANT_STEP)
    while got < INITIAL_BODY_WINDOW + BODY_GRANT_STEP:
        got += len(worker.take(Kind.BODY)[1])
    assert got == INITIAL_BODY_WINDOW + BODY_GRANT_STEP
    front.settle()
    assert worker.has_nothing_to_do()
    worker.grant_body(number, INITIAL_BODY_WINDOW)
    client.send(body[sent:])
    while got < size:
        _, data = worker.take(Kind.BODY)
        assert len(data) <= 65536
        got += len(data)
    worker.take(Kind.BODY_END)
    worker.answer(number)
    assert client.read_response()[0] == 200
    assert front.log.next_request().bytes_received > size


def test_a_large_body_is_read_on_when_an_answer_begins_without_it(front: RunningListener) -> None:
    """A client that sends everything before it reads would wait for a worker that waits for nothing."""
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (HOST, LARGE))
    client.send_until_stalled(b"x" * LARGE)
    number, frame = worker.request()
    got = len(frame.body)
    while got < READ_AHEAD:
        got += len(worker.take(Kind.BODY)[1])
    worker.begin(number)
    while got < LARGE:
        got += len(worker.take(Kind.BODY)[1])
    worker.take(Kind.BODY_END)
    worker.end(number)
    assert client.read_response()[0] == 200


def test_continue_is_sent_when_the_worker_asks_for_the_body(front: RunningListener) -> None:
    """And not before."""
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    number, frame = worker.request()
    assert frame.flags & RequestFlag.EXPECT_CONTINUE
    worker.grant_body(number, 0)
    assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"abc")
    assert worker.take(Kind.BODY) == (number, b"abc")
    worker.take(Kind.BODY_END)
    worker.answer(number)
    assert client.read_response()[0] == 200


def test_continue_is_never_sent_when_the_worker_answers_first(front: RunningListener) -> None:
    """The connection closes: whether the body comes cannot be known."""
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    number, _ = worker.request()
    worker.answer(number, head=b"403 Forbidden\r\n")
    answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nConnection: close\r\n" in answer


def test_a_client_that_does_not_wait_for_continue_gets_none(front: RunningListener) -> None:
    """Its body is here."""
    worker, client = front.worker(), front.client()
    client.post(b"abc", "Expect: 100-continue\r\n")
    number, frame = worker.request()
    assert frame.flags & RequestFlag.BODY_COMPLETE
    assert not frame.flags & RequestFlag.EXPECT_CONTINUE
    worker.answer(number)
    assert client.read_response()[0] == 200


def test_an_unread_short_body_is_dropped_and_the_connection_kept(front: RunningListener) -> None:
    """The next request is read where it begins."""
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nab")
    number, _ = worker.request()
    worker.answer(number)
    assert client.read_response()[0] == 200
    client.send(b"cdeGET /next HTTP/1.1\r\n" + HOST + b"\r\n")
    assert worker.request()[1].target == b"/next"


def test_an_unread_long_body_ends_the_connection_without_destroying_the_answer(front: RunningListener) -> None:
    """The client gets the whole answer although it is still sending."""
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5000000\r\n\r\n" + b"x" * 100_000)
    number, _ = worker.request()
    worker.answer(number, b"y" * 100_000, head=b"413 Too Large\r\n")
    head = client.read_until(b"\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in head
    client.send(b"x" * 100_000)
    assert client.read_bytes(100_000) == b"y" * 100_000


def test_an_answer_that_is_the_last_one_reaches_a_client_that_goes_on_sending(front: RunningListener) -> None:
    """Closing while its bytes come would reset the connection, and could take the answer along (RFC 9112 9.6)."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    client.send_until_stalled(b"GET /next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100_000)
    worker.answer(number, flags=int(ResponseFlag.CLOSE))
    assert client.read_to_end().endswith(b"\r\n\r\nhello")


def test_http_1_0_closes_unless_it_asks_to_be_kept(front: RunningListener) -> None:
    """And is told when it is."""
    worker, client = front.worker(), front.client()
    client.get(extra="Connection: keep-alive\r\n", version="1.0")
    number, frame = worker.request()
    assert not frame.flags & RequestFlag.HTTP_1_1
    assert frame.flags & RequestFlag.KEEP_ALIVE
    worker.answer(number)
    assert client.read_response()[1]["connection"] == "keep-alive"
    client.get(version="1.0")
    worker.answer(worker.request()[0])
    assert b"\r\nConnection: close\r\n" in client.read_to_end()


def test_idle_connections_are_closed_quietly(start: Start) -> None:
    """connectionTimeout, with a line in HTTPERR."""
    front = start(connection_timeout=10)
    worker = front.worker()
    fresh, used = front.client(), front.client()
    used.get()
    worker.answer(worker.request()[0])
    used.read_response()
    front.log.next_request()
    front.pass_seconds(9)
    assert front.run(lambda: front.listener.connection_count) == 2
    front.pass_seconds(3)
    assert fresh.read_to_end() == used.read_to_end() == b""
    assert {front.log.next_refusal().reason for _ in range(2)} == {"Timer_ConnectionIdle"}


def test_a_head_that_does_not_come_is_not_waited_for(start: Start) -> None:
    """headerWaitTimeout, whatever trickles in meanwhile."""
    front = start(header_wait=5)
    client = front.client()
    client.send(b"GET / HTTP/1.1\r\nHo")
    front.run(lambda: None)
    waited = 0
    while not (records := front.log.refusals.qsize()):
        client.send(b"o")
        front.pass_seconds(1)
        waited += 1
        assert waited < 50
    assert records == 1
    assert front.log.next_refusal().reason == "Timer_HeaderWait"
    assert waited >= 5
    assert client.ends_in_silence()


def test_the_drivers_header_wait_counts_when_none_is_configured(start: Start) -> None:
    """120 seconds."""
    front = start(connection_timeout=1000)
    client = front.client()
    client.send(b"GET")
    worker = front.worker()
    other = front.client()
    other.get()
    worker.answer(worker.request()[0])
    other.read_response()  # the first client's bytes have been read by now
    front.pass_seconds(122)
    assert client.read_to_end() == b""
    assert front.log.next_refusal().reason == "Timer_HeaderWait"


def test_a_body_that_does_not_come_ends_the_request(start: Start) -> None:
    """The worker is told, the connection closed, HTTPERR says Timer_EntityBody."""
    front = start(connection_timeout=10)
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nab")
    number, _ = worker.request()
    front.pass_seconds(12)
    assert worker.take(Kind.ABORT)[0] == number
    assert front.log.next_refusal().reason == "Timer_EntityBody"
    assert client.is_reset()
    worker.reset(number)


def test_a_worker_that_takes_its_time_is_waited_for(start: Start) -> None:
    """The listener has no timeout on handlers, and none on a body that waits for the worker."""
    front = start(connection_timeout=10)
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    front.pass_seconds(10_000)
    worker.answer(number)
    assert client.read_response()[0] == 200


def test_a_client_that_leaves_aborts_its_request(front: RunningListener) -> None:
    """ABORT; the worker's last word is awaited, then its credit is good again."""
    worker, client = front.worker(credit=1), front.client()
    client.get("/left")
    number, _ = worker.request()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert worker.take(Kind.ABORT)[0] == number
    refusal = front.log.next_refusal()
    assert (refusal.reason, refusal.target, refusal.queue) == ("Connection_Dropped", "/left", "A")
    other = front.client()
    other.get("/other")
    worker.reset(number)
    worker.take(Kind.SESSION_END)  # it had the connection's request in hand
    number, frame = worker.request()
    assert frame.target == b"/other"
    worker.answer(number)
    assert other.read_response()[0] == 200


def test_a_client_that_leaves_during_its_body_aborts_at_once(front: RunningListener) -> None:
    """An end of input in the middle of a body can only mean that."""
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nab")
    number, _ = worker.request()
    client.socket.shutdown(socket.SHUT_WR)
    assert worker.take(Kind.ABORT)[0] == number


def test_a_half_closed_client_gets_its_answer_if_it_comes_soon(front: RunningListener) -> None:
    """`printf ... | nc -N`."""
    worker, client = front.worker(), front.client()
    client.get()
    client.socket.shutdown(socket.SHUT_WR)
    worker.answer(worker.request()[0])
    assert client.read_to_end().endswith(b"hello")


def test_a_half_closed_client_is_given_up_after_a_while(front: RunningListener) -> None:
    """It is most likely gone, and a handler may be working for nobody."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    client.socket.shutdown(socket.SHUT_WR)
    aborted: list[int] = []
    while not aborted:
        front.pass_seconds(1)
        if not worker.has_nothing_to_do():
            aborted.append(worker.take(Kind.ABORT)[0])
    assert aborted == [number]


def test_workers_learn_the_end_of_the_connections_they_served(front: RunningListener) -> None:
    """SESSION_END to each of them, with the connection's number."""
    first, second = front.worker("A1"), front.worker("B1", pool="B")
    client = front.client()
    client.get("/")
    number, frame = first.request()
    first.answer(number)
    client.read_response()
    client.get("/shop")
    second.answer(second.request()[0])
    client.read_response()
    client.close()
    expected = int(frame.connection.split(b"\0")[4])
    for worker in (first, second):
        assert decode_session_end(worker.take(Kind.SESSION_END)[1]) == expected


def test_a_site_has_a_limit_of_connections(start: Start) -> None:
    """503 ConnLimit for one too many; a place is free when a connection closes."""
    front = start(max_connections=1)
    worker = front.worker()
    first, second = front.client(), front.client()
    first.get()
    worker.answer(worker.request()[0])
    first.read_response()
    second.get()
    assert second.read_to_end().startswith(b"HTTP/1.1 503 ")
    assert front.log.next_refusal().reason == "ConnLimit"
    first.close()
    worker.take(Kind.SESSION_END)
    third = front.client()
    third.get()
    worker.answer(worker.request()[0])
    assert third.read_response()[0] == 200


def test_raw_data_filters_see_bytes_before_they_are_parsed(start: Start) -> None:
    """IIS 5: what they return is parsed; returning nothing waits for more. They learn of every connection's end."""
    seen: list[bytes] = []

    def hook(connection: bytes, data: bytes) -> RawVerdict:
        seen.append(connection)
        return RawVerdict(b"" if data == b"ignore me" else data.replace(b"/old", b"/new"), b"", False, "")

    front = start(raw_data_hook=hook)
    worker, client = front.worker(), front.client()
    client.send(b"ignore me")
    while not seen:
        front.run(lambda: None)
    client.get("/old")
    number, frame = worker.request()
    assert frame.target == b"/new"
    assert seen[0] == frame.connection
    worker.answer(number)
    client.read_response()
    client.close()
    silent = front.client()
    silent.send(b"ignore me")
    silent.close()
    ended = [decode_session_end(worker.take(Kind.SESSION_END)[1]) for _ in range(2)]
    assert [facts.split(b"\0")[-1] for facts in (seen[0], seen[-1])] == [str(number).encode() for number in ended]


@pytest.mark.parametrize("when", ["before a request", "within a body", "within an answer"])
@pytest.mark.parametrize("verdict", ["ends", "fails", "writes"])
def test_raw_data_filters_may_answer_and_end_connections(start: Start, when: str, verdict: str) -> None:
    """Bytes of theirs go to the client, an end closes, an error is a 500; in an answer each of it breaks it off."""
    verdicts = {
        "ends": RawVerdict(b"", b"filter's bytes", True, ""),
        "fails": RawVerdict(b"", b"", True, "the filter has failed"),
        "writes": RawVerdict(b"", b"filter's bytes", False, ""),
    }

    def hook(connection: bytes, data: bytes) -> RawVerdict:
        return verdicts[verdict] if data == b"now" else RawVerdict(data, b"", False, "")

    front = start(raw_data_hook=hook)
    worker, client = front.worker(), front.client()
    number = 0
    if when != "before a request":
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nab")
        number, _ = worker.request()
    if when == "within an answer":
        worker.begin(number)
        worker.data(number, b"begun")
        client.read_until(b"begun")
    client.send(b"now")
    if when == "within an answer":
        assert client.is_reset()
    elif verdict == "writes":
        client.read_until(b"filter's bytes")
        return
    elif verdict == "ends":
        assert client.read_to_end() == b"filter's bytes"
    else:
        answer = client.read_to_end()
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"the filter has failed" in answer
    client.close()
    if number:
        assert worker.take(Kind.ABORT)[0] == number
    worker.take(Kind.SESSION_END)


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_a_secured_url_is_not_answered_on_an_open_connection(front: RunningListener, scheme: str) -> None:
    """RFC 9110 7.4: whoever asks for it believes that nobody else can read the answer."""
    client = front.client()
    client.send(f"GET {scheme}://127.0.0.1/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert client.read_to_end().startswith(b"HTTP/1.1 421 Misdirected Request\r\n")
    refusal = front.log.next_refusal()
    assert (refusal.status, refusal.reason, refusal.target) == (421, "Hostname", "/a")


def test_limits_are_the_listeners(start: Start) -> None:
    """They are handed in."""
    front = start(listener=ListenerSettings(max_request_bytes=200, max_field_bytes=200))
    client = front.client()
    client.get(extra="A: " + "b" * 300 + "\r\n")
    assert client.read_to_end().startswith(b"HTTP/1.1 431 ")


def test_the_listener_has_a_limit_of_connections(start: Start) -> None:
    """`<listener maxConnections>`: one more is turned away at the door, once a second with a line."""
    front = start(listener=ListenerSettings(max_connections=1))
    worker, first = front.worker(), front.client()
    first.get()
    number, _ = worker.request()
    for _ in range(3):
        extra = front.client()
        assert extra.ends_in_silence()
    assert front.log.next_refusal().reason == "Connections_Refused"
    assert front.log.refusals.empty()
    worker.answer(number)
    assert first.read_response()[0] == 200
    front.sizes.listener = ListenerSettings(max_connections=2)
    front.configure()
    assert get(front, worker) == 200


def get(front: RunningListener, worker: TestWorker) -> int:
    """The status that a new client gets."""
    client = front.client()
    client.get()
    worker.answer(worker.request()[0])
    return client.read_response()[0]


def test_a_malformed_body_during_the_answer_breaks_the_connection(front: RunningListener) -> None:
    """Nothing can be refused any more; the worker is told."""
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    number, _ = worker.request()
    worker.begin(number, b"part")
    client.read_until(b"part")
    client.send(b"xyz\r\n")
    assert worker.take(Kind.ABORT)[0] == number
    assert client.is_reset()
    assert front.log.next_refusal().reason == "BadRequest"


def test_a_half_closed_client_that_takes_bytes_is_alive(front: RunningListener) -> None:
    """A long answer goes on for as long as it is taken."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    client.socket.shutdown(socket.SHUT_WR)
    worker.begin(number)
    client.read_until(b"\r\n\r\n")
    for piece in range(5):
        worker.data(number, b"%d" % piece)
        client.read_until(b"%d\r\n" % piece)
        front.pass_seconds(3)
    worker.end(number)
    assert client.read_to_end().endswith(b"0\r\n\r\n")


def test_pipelined_requests_of_a_half_closed_client_are_answered(front: RunningListener) -> None:
    """All that came before its end."""
    worker, client = front.worker(), front.client()
    client.send((b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") * 2)
    number, _ = worker.request()
    client.socket.shutdown(socket.SHUT_WR)
    worker.answer(number)
    worker.answer(worker.request()[0])
    assert client.read_to_end().count(b"hello") == 2


@pytest.mark.parametrize("rest", [b"GET / HT", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nhalf"])
def test_half_a_pipelined_request_of_a_half_closed_client_ends_the_connection(
    front: RunningListener, rest: bytes
) -> None:
    """The rest cannot come: after the answer in hand the connection is closed at once, by no clock."""
    worker, client = front.worker(), front.client()
    client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n" + rest)
    number, _ = worker.request()
    client.socket.shutdown(socket.SHUT_WR)
    front.settle()  # it is seen before the answer is
    worker.answer(number)
    assert client.read_to_end().count(b"HTTP/1.1 ") == 1
    worker.take(Kind.SESSION_END)  # and no request, nor the abort of one, before it


def test_half_closing_between_requests_closes(front: RunningListener) -> None:
    """Nothing is in hand."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.answer(worker.request()[0])
    client.read_response()
    client.socket.shutdown(socket.SHUT_WR)
    assert client.read_to_end() == b""
