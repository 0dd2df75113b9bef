"""Answers from the cache over real sockets; the worker is the test's."""

from __future__ import annotations

from collections.abc import Callable

from host.config.listener_settings import ListenerSettings
from host.wire.codec import encode_cache, encode_number
from host.wire.frames import CacheFlag, CacheFrame, Kind, LogFrame, ResponseFlag
from tests.listener.running_listener import Client, RunningListener, TestWorker

UNTIL_INVALID = CacheFrame(0, 0)
HEAD = b'200 OK\r\nContent-Type: text/plain\r\nETag: "v1"\r\nLast-Modified: Tue, 15 Nov 1994 12:45:26 GMT\r\n'


def fill(
    client: Client,
    worker: TestWorker,
    target: str = "/a",
    *,
    policy: CacheFrame = UNTIL_INVALID,
    body: bytes = b"hello",
    head: bytes = HEAD,
) -> int:
    """One request that the worker answers for the cache, too; its number."""
    client.get(target)
    number, _ = worker.request()
    worker.send(encode_cache(number, policy))
    worker.answer(number, body, head=head)
    assert client.read_response()[2] == body
    return number


def is_asked(front: RunningListener, client: Client, worker: TestWorker, target: str = "/a", extra: str = "") -> bool:
    """Whether a request for that reaches the worker, which answers it with another body."""
    client.get(target, extra)
    front.settle()
    asked = not worker.has_nothing_to_do()
    if asked:
        worker.answer(worker.request()[0], b"anew")
    return (client.read_response()[2] == b"anew") is asked and asked


def test_a_hit_is_answered_and_logged_without_a_worker(front: RunningListener) -> None:
    """GET and HEAD; on other connections, too; with a fresh Date, and a line in the site's log like any other."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    front.log.next_request()
    front.pass_seconds(5)
    for method in ("GET", "HEAD", "GET"):
        client = front.client()
        client.get("/a", method=method)
        head = client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
        assert b"Content-Length: 5\r\n" in head
        assert b"Date: " in head
        assert b"Server: isapy\r\n" in head
        if method == "GET":
            assert client.read_bytes(5) == b"hello"
        record = front.log.next_request()
        assert (record.method, record.target, record.status) == (method, "/a", 200)
        assert record.bytes_sent == len(head) + (5 if method == "GET" else 0)
    assert worker.has_nothing_to_do()


def test_conditions_are_answered_304(front: RunningListener) -> None:
    """By tag and by date; a tag of something older gets the whole."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    for extra, status in (
        ('If-None-Match: "v1"\r\n', 304),
        ("If-Modified-Since: Tue, 15 Nov 1994 12:45:26 GMT\r\n", 304),
        ('If-None-Match: "v0"\r\n', 200),
    ):
        client.get("/a", extra)
        found, fields, body = client.read_response()
        assert (found, body) == (status, b"" if status == 304 else b"hello")
        assert fields["etag"] == '"v1"'
        assert ("content-type" in fields) is (status == 200)
    assert [front.log.next_request().status for _ in range(4)] == [200, 304, 304, 200]
    assert worker.has_nothing_to_do()


def test_requests_that_only_a_worker_can_answer_pass(front: RunningListener) -> None:
    """Another method, host, query or port-less spelling; credentials, ranges, preconditions, cookies, the source."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    for target, extra in (
        ("/a?b", ""),
        ("/A", ""),
        ("/a", "Authorization: Basic eDp5\r\n"),
        ("/a", "Range: bytes=0-1\r\n"),
        ("/a", 'If-Match: "v1"\r\n'),
        ("/a", "Translate: f\r\n"),
        ("/a", "Cookie: a=b\r\n"),
    ):
        assert is_asked(front, client, worker, target, extra), (target, extra)
    client.send(b"GET /a HTTP/1.1\r\nHost: named.example\r\n\r\n")
    worker.answer(worker.request()[0], b"of another site")
    assert client.read_response()[2] == b"of another site"
    client.post(b"x", target="/a")
    worker.answer(worker.request()[0], b"posted")
    assert client.read_response()[2] == b"posted"
    assert not is_asked(front, client, worker)


PARTS_HEAD = HEAD + b"Accept-Ranges: bytes\r\n"


def test_one_part_of_an_answer_that_has_parts_comes_from_the_cache(front: RunningListener) -> None:
    """Again and again, with its own log line; the whole when If-Range names something else, and with HEAD."""
    worker, client = front.worker(), front.client()
    fill(client, worker, head=PARTS_HEAD)
    for extra, status, body in (
        ("Range: bytes=1-3\r\n", 206, b"ell"),
        ("Range: bytes=1-3\r\n", 206, b"ell"),
        ("Range: bytes=-2\r\n", 206, b"lo"),
        ('Range: bytes=0-0\r\nIf-Range: "v1"\r\n', 206, b"h"),
        ("Range: bytes=4-9\r\nIf-Range: Tue, 15 Nov 1994 12:45:26 GMT\r\n", 206, b"o"),
        ('Range: bytes=0-0\r\nIf-Range: "v0"\r\n', 200, b"hello"),
        ('Range: bytes=0-0\r\nIf-None-Match: "v1"\r\n', 304, b""),
        ("", 200, b"hello"),
    ):
        client.get("/a", extra)
        found, fields, sent = client.read_response()
        assert (found, sent) == (status, body), extra
        assert fields.get("content-range", "").startswith("bytes ") is (status == 206)
        assert fields["etag"] == '"v1"'
    assert [front.log.next_request().status for _ in range(9)] == [200, 206, 206, 206, 206, 206, 200, 304, 200]
    client.get("/a", "Range: bytes=0-0\r\n", method="HEAD")
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert worker.has_nothing_to_do()


def test_other_ranges_are_for_a_worker(front: RunningListener) -> None:
    """Several, one that does not exist, another unit, one that is not in order; any of an answer that has no parts."""
    worker, client = front.worker(), front.client()
    fill(client, worker, head=PARTS_HEAD)
    for asked in ("bytes=0-0,2-3", "bytes=5-", "lines=1-2", "bytes=3-1", "bytes=-0", "bytes=-"):
        assert is_asked(front, client, worker, extra=f"Range: {asked}\r\n"), asked
    assert is_asked(front, client, worker, extra="Range: bytes=0-0\r\nRange: bytes=1-1\r\n")
    assert not is_asked(front, client, worker)
    fill(client, worker, "/b")
    assert is_asked(front, client, worker, "/b", extra="Range: bytes=0-0\r\n")
    assert not is_asked(front, client, worker, "/b")


def test_an_answer_that_ignores_cookies_is_for_clients_with_cookies_too(front: RunningListener) -> None:
    """A file is the same for all of them."""
    worker, client = front.worker(), front.client()
    fill(client, worker, policy=CacheFrame(CacheFlag.IGNORES_COOKIES, 0))
    assert not is_asked(front, client, worker, extra="Cookie: a=b\r\n")


def test_an_answer_leaves_with_its_time_its_worker_and_the_workers_word(front: RunningListener) -> None:
    """Time to live, INVALIDATE, the end of the link, DRAIN, a pause, another configuration."""
    worker, client = front.worker(), front.client()
    fill(client, worker, policy=CacheFrame(0, 30))
    front.pass_seconds(29)
    assert not is_asked(front, client, worker)
    front.pass_seconds(2)
    assert is_asked(front, client, worker)

    number = fill(client, worker)
    assert not is_asked(front, client, worker)
    worker.send(encode_number(Kind.INVALIDATE, 0, number), encode_number(Kind.INVALIDATE, 0, 4000000000))
    front.settle()
    assert is_asked(front, client, worker)

    fill(client, worker)
    front.configure()
    assert is_asked(front, client, worker)

    fill(client, worker)
    front.run(lambda: front.listener.pause_worker("A1", 1))
    front.run(lambda: front.listener.resume_worker("A1"))
    assert is_asked(front, client, worker)

    fill(client, worker)
    other = front.worker("A2")
    worker.die()
    front.settle()
    assert is_asked(front, client, other)
    fill(client, other)
    third = front.worker("A3")
    front.run(lambda: front.listener.detach_worker("A2"))
    assert is_asked(front, client, third)


def test_what_must_not_enter_does_not(front: RunningListener) -> None:
    """A worker may ask for it: an answer with Set-Cookie, with Vary, to a log line of its own, without the frame."""
    worker, client = front.worker(), front.client()
    for field in (b"Set-Cookie: a=b\r\n", b"Vary: Accept\r\n", b""):
        client.get("/a")
        number, _ = worker.request()
        if field:
            worker.send(encode_cache(number, CacheFrame(0, 0)))
        worker.answer(number, head=HEAD + field)
        client.read_response()
        assert is_asked(front, client, worker)
    client.get("/a")
    number, _ = worker.request()
    worker.send(encode_cache(number, CacheFrame(0, 0)))
    worker.log(number, LogFrame(user_name="anna"))
    worker.answer(number, head=HEAD)
    client.read_response()
    assert is_asked(front, client, worker)


def test_a_client_that_pipelines_hits_gets_all_of_them(front: RunningListener) -> None:
    """Thousands in one go: each is answered in order, none on top of another."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    count = 3000
    client.send(b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * count)
    for _ in range(count):
        assert client.read_response()[2] == b"hello"
    client.send(
        b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    assert client.read_to_end().count(b"hello") == 2
    worker.take(Kind.SESSION_END)  # no REQUEST before it


def test_http_1_0_and_half_closed_clients_are_answered(front: RunningListener) -> None:
    """The framing is the connection's, not the entry's."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    old = front.client()
    old.get("/a", version="1.0")
    raw = old.read_to_end()
    assert b"Connection: close\r\n" in raw
    assert raw.endswith(b"\r\n\r\nhello")
    half = front.client()
    half.get("/a")
    half.socket.shutdown(1)
    assert half.read_to_end().endswith(b"hello")


def test_a_switched_off_cache_and_a_large_answer(start: Callable[..., RunningListener]) -> None:
    """uriEnableCache and uriMaxUriBytes."""
    off = start(listener=ListenerSettings(uri_enable_cache=False))
    worker, client = off.worker(), off.client()
    fill(client, worker)
    assert is_asked(off, client, worker)
    small = start(listener=ListenerSettings(uri_max_uri_bytes=150))
    worker, client = small.worker(), small.client()
    fill(client, worker, body=b"x" * 200)
    assert is_asked(small, client, worker)
    fill(client, worker, body=b"x" * 20)
    assert not is_asked(small, client, worker)


def test_an_answer_that_is_not_logged_is_not_logged_from_the_cache(front: RunningListener) -> None:
    """httpLogging goes into the cache with it."""
    worker, client = front.worker(), front.client()
    client.get("/quiet")
    number, _ = worker.request()
    worker.send(encode_cache(number, UNTIL_INVALID))
    worker.answer(number, b"hello", head=HEAD, flags=ResponseFlag.NO_LOG)
    client.read_response()
    for _ in range(3):
        client.get("/quiet")
        assert client.read_response()[2] == b"hello"
    fill(client, worker, "/loud")
    assert front.log.next_request().target == "/loud"
    assert front.log.requests.empty()
