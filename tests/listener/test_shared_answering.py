"""The shared-cache mode (RFC 9111) over real sockets, with a clock that the test moves; the worker is the test's."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest

from host.listener.shared_cache import freshened
from host.wire.codec import encode_cache
from host.wire.control_messages import WorkerGone
from host.wire.frames import CacheFlag, CacheFrame, Kind, LogFrame, RequestFrame, ResponseFlag
from tests.listener.running_listener import Client, RunningListener, TestWorker

Start = Callable[..., RunningListener]
SHARED = CacheFrame(CacheFlag.SHARED, 0)
INVALIDATES = CacheFrame(CacheFlag.INVALIDATES, 0)
MODIFIED = "Tue, 15 Nov 1994 12:45:26 GMT"
TEN = b'200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=10\r\nETag: "v1"\r\n'
STILL_GOOD = b'304 Not Modified\r\nCache-Control: max-age=20\r\nETag: "v1"\r\nX-More: yes\r\n'


def respond(worker: TestWorker, number: int, body: bytes, head: bytes, policy: CacheFrame | None = SHARED) -> None:
    """A whole answer, offered as the policy says."""
    if policy is not None:
        worker.send(encode_cache(number, policy))
    worker.answer(number, body, head=head)


def fill(
    client: Client, worker: TestWorker, head: bytes = TEN, body: bytes = b"hello", extra: str = "", target: str = "/a"
) -> RequestFrame:
    """One request that the worker answers for the cache, too; what it was asked."""
    client.get(target, extra)
    number, request = worker.request()
    respond(worker, number, body, head)
    assert client.read_response()[2] == body
    return request


def got(client: Client, extra: str = "", target: str = "/a") -> tuple[int, dict[str, str], bytes]:
    """An answer that comes without the worker doing anything, or never."""
    client.get(target, extra)
    return client.read_response()


def asks(front: RunningListener, client: Client, worker: TestWorker, extra: str = "", target: str = "/a") -> bool:
    """Whether a request reaches the worker, which answers it with another body, and nothing for the cache."""
    client.get(target, extra)
    front.settle()
    is_asked = not worker.has_nothing_to_do()
    if is_asked:
        worker.answer(worker.request()[0], b"anew")
    return (client.read_response()[2] == b"anew") is is_asked and is_asked


def field(request: RequestFrame, name: bytes) -> list[bytes]:
    """The values of a request's field."""
    lines = (line.partition(b":") for line in request.fields.split(b"\r\n"))
    return [value.strip() for found, _, value in lines if found.lower() == name]


def test_a_stored_answer_says_its_age_until_it_is_stale(front: RunningListener) -> None:
    """RFC 9111 4, 4.2.3, 5.1: Age grows, Date stays; HEAD, 304 and parts come from it, and each has its log line."""
    worker, client = front.worker(), front.client()
    fill(client, worker, TEN + b"Accept-Ranges: bytes\r\nAge: 2\r\n")
    front.pass_seconds(3)
    status, fields, body = got(client)
    assert (status, body, fields["age"], fields["content-length"]) == (200, b"hello", "5", "5")
    date = fields["date"]
    front.pass_seconds(4)
    for _ in range(2):
        status, fields, body = got(front.client())
        assert (status, body, fields["age"], fields["date"]) == (200, b"hello", "9", date)
    assert (front.clock.wall() - parsedate_to_datetime(date).timestamp()) == pytest.approx(7, abs=1)
    status, fields, body = got(client, 'If-None-Match: "v1"\r\n')
    assert (status, body, fields["age"], fields["etag"]) == (304, b"", "9", '"v1"')
    status, fields, body = got(client, "Range: bytes=1-2\r\n")
    assert (status, body, fields["age"]) == (206, b"el", "9")
    client.get("/a", method="HEAD")
    assert b"\r\nAge: 9\r\n" in client.read_until(b"\r\n\r\n")
    assert worker.has_nothing_to_do()
    assert [front.log.next_request().status for _ in range(7)] == [200, 200, 200, 200, 304, 206, 200]
    front.pass_seconds(1)
    assert asks(front, client, worker)


def test_answers_are_told_apart_by_what_they_vary_by(front: RunningListener) -> None:
    """RFC 9111 4.1; with a query, too, and for every spelling of the host; `Vary: *` is for nobody."""
    worker, client = front.worker(), front.client()
    varied = TEN + b"Vary: Accept-Language\r\n"
    for language in ("de", "fr"):
        fill(client, worker, varied, language.encode(), f"Accept-Language: {language}\r\n", "/a?b=1")
    assert got(client, "accept-language:  de\r\nCookie-Free: x\r\n", "/a?b=1")[2] == b"de"
    assert got(client, "Accept-Language: fr\r\n", "/a?b=1")[2] == b"fr"
    assert asks(front, client, worker, target="/a?b=1")
    assert asks(front, client, worker, "Accept-Language: de\r\n", "/a?b=2")
    client.send(b"GET /a?b=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAccept-Language: de\r\n\r\n")
    assert client.read_response()[2] == b"de"
    client.send(b"GET /a?b=1 HTTP/1.1\r\nHost: 127.0.0.1:443\r\nAccept-Language: de\r\n\r\n")  # it is another one
    worker.answer(worker.request()[0], b"of another port")
    assert client.read_response()[2] == b"of another port"
    fill(client, worker, TEN + b"Vary: *\r\n", target="/c")
    assert asks(front, client, worker, target="/c")
    rows = front.run(lambda: front.listener.cache_contents(1)).rows
    assert [(row.variant, row.url, row.expires_in, row.hits) for row in rows] == [
        ("accept-language: de", "http://127.0.0.1/a?b=1", 10, 2),
        ("accept-language: fr", "http://127.0.0.1/a?b=1", 10, 1),
    ]
    front.pass_seconds(11)
    assert {row.expires_in for row in front.run(lambda: front.listener.cache_contents(1)).rows} == {-1}
    fill(client, worker, TEN + b"Vary: Accept\r\n", b"later", "Accept-Language: de\r\n", "/a?b=1")
    assert got(client, "Accept-Language: de\r\n", "/a?b=1")[2] == b"later"  # what was stored last


def test_a_request_that_comes_again_in_the_same_bytes_is_no_other_one(front: RunningListener) -> None:
    """It is remembered only while what answers it is fresh, not invalidated and not displaced, and its age goes on; one
    that asks for more than what is fresh is looked at each time."""
    worker, client = front.worker(), front.client()
    lasting = TEN.replace(b"=10", b"=100")
    fill(client, worker, lasting)
    known = front.run(lambda: front.listener._context.routing.at("127.0.0.1", front.port).repeats)
    for age in range(3):
        assert [got(client)[1]["age"] for _ in range(3)] == [str(age)] * 3
        front.pass_seconds(1)
    assert len(known) == 1
    assert [got(client, "Cache-Control: max-age=3\r\n")[1]["age"] for _ in range(2)] == ["3", "3"]
    assert len(known) == 1
    front.pass_seconds(1)
    assert asks(front, client, worker, "Cache-Control: max-age=3\r\n")  # and nothing is left to be used
    fill(client, worker, lasting, b"second")
    assert [got(client)[2] for _ in range(2)] == [b"second"] * 2
    front.run(lambda: front.listener.flush_cache(0, ""))
    fill(client, worker, lasting + b"Vary: X-A\r\n", b"third", "X-A: 1\r\n")
    assert [got(client, "X-A: 1\r\n")[2] for _ in range(2)] == [b"third"] * 2
    fill(client, worker, lasting, b"fourth")
    assert [got(client, extra)[2] for extra in ("", "X-A: 1\r\n") * 2] == [b"fourth"] * 4
    for seconds, is_stale in ((98, False), (1, False), (1, True)):
        front.pass_seconds(seconds)
        client.get("/a")
        front.settle()
        assert worker.has_nothing_to_do() is not is_stale
        if is_stale:
            respond(worker, worker.request()[0], b"", STILL_GOOD)
        assert client.read_response()[2] == b"fourth"


def test_what_a_client_chooses_counts_in_the_size(front: RunningListener) -> None:
    """One that invents variants and queries fills the cache, and no more than that."""
    worker, client = front.worker(), front.client()
    for length in (1, 3000):
        fill(client, worker, TEN + b"Vary: X-A\r\n", extra=f"X-A: {'a' * length}\r\n", target="/a?" + "b" * length)
    rows = front.run(lambda: front.listener.cache_contents(1)).rows
    assert rows[0].size - rows[1].size == 2 * 2999
    assert all(len(text) == 2048 + 3 for text in (rows[0].url, rows[0].variant))  # an administrator sees so much of it


def test_a_stale_answer_is_asked_about_and_fresh_again(front: RunningListener) -> None:
    """RFC 9111 4.3.1, 4.3.4: the request goes on with the validators; the client sees 200, with what 304 has brought;
    a tag of the client's own is asked for, too, and judged here."""
    worker, client = front.worker(), front.client()
    fill(client, worker, TEN + f"Last-Modified: {MODIFIED}\r\n".encode())
    front.pass_seconds(10)
    client.get("/a", "X-Own: 1\r\n")
    number, request = worker.request()
    assert (field(request, b"if-none-match"), field(request, b"x-own")) == ([b'"v1"'], [b"1"])
    assert field(request, b"if-modified-since") == [MODIFIED.encode()]
    respond(worker, number, b"", STILL_GOOD)
    status, fields, body = client.read_response()
    assert (status, body, fields["x-more"], fields["content-type"]) == (200, b"hello", "yes", "text/plain")
    assert (fields["cache-control"], fields["age"]) == ("max-age=20", "0")
    front.pass_seconds(19)
    assert got(client)[1]["age"] == "19"
    front.pass_seconds(1)
    client.get("/a", 'If-None-Match: "v0"\r\nIf-Modified-Since: Mon, 14 Nov 1994 12:45:26 GMT\r\n')
    number, request = worker.request()
    assert field(request, b"if-none-match") == [b'"v0", "v1"']
    respond(worker, number, b"", STILL_GOOD)
    assert client.read_response()[::2] == (200, b"hello")
    front.pass_seconds(20)
    client.get("/a", 'If-None-Match: "v0"\r\n')
    worker.send(encode_cache(worker.request()[0], SHARED))
    worker.answer(4, b"", head=b'304 Not Modified\r\nETag: "v0"\r\n')  # it is the client's that is good
    assert client.read_response()[0] == 304
    assert asks(front, client, worker)


def test_a_stale_answer_is_replaced(front: RunningListener) -> None:
    """RFC 9111 4.3.3: by a whole one, which then answers the client's own conditions; or goes, when the new one is not
    to be stored, comes in pieces, or says that there is nothing."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    front.pass_seconds(10)
    client.get("/a", 'If-None-Match: "v2"\r\n')
    respond(worker, worker.request()[0], b"newer", TEN.replace(b"v1", b"v2"))
    assert client.read_response()[0] == 304
    assert got(client)[2] == b"newer"

    front.pass_seconds(10)
    assert asks(front, client, worker)  # nothing for the cache
    assert not front.run(lambda: front.listener.cache_contents(1)).rows

    for head in (b"404 Not Found\r\n", b"200 OK\r\nCache-Control: no-store\r\n"):
        fill(client, worker)
        front.pass_seconds(10)
        client.get("/a")
        respond(worker, worker.request()[0], b"x", head)
        assert client.read_response()[2] == b"x"
        assert not front.run(lambda: front.listener.cache_contents(1)).rows

    fill(client, worker)
    front.pass_seconds(10)
    client.get("/a")
    number, _ = worker.request()
    worker.begin(number, b"in ", head=b"200 OK\r\nContent-Length: 9\r\n")
    worker.data(number, b"pieces")
    worker.end(number)
    assert client.read_response()[2] == b"in pieces"
    assert not front.run(lambda: front.listener.cache_contents(1)).rows


def test_a_304_that_nobody_may_keep_still_answers_with_the_whole(front: RunningListener) -> None:
    """The client has not asked for 304: not when the worker offers nothing now, when the 304 sets a cookie or names
    another tag, or when the entry went meanwhile."""
    worker, client = front.worker(), front.client()

    def ask_anew(head: bytes, policy: CacheFrame | None, meanwhile: Callable[[], object] = lambda: None) -> None:
        fill(client, worker)
        front.pass_seconds(10)
        client.get("/a")
        number, _ = worker.request()
        meanwhile()
        respond(worker, number, b"", head, policy)
        status, fields, body = client.read_response()
        assert (status, body, fields["content-type"]) == (200, b"hello", "text/plain")

    ask_anew(STILL_GOOD, None)
    assert asks(front, client, worker)
    ask_anew(STILL_GOOD + b"Set-Cookie: a=b\r\n", SHARED)
    assert asks(front, client, worker)
    ask_anew(STILL_GOOD.replace(b"v1", b"v2"), SHARED)
    assert asks(front, client, worker)
    ask_anew(STILL_GOOD, SHARED, lambda: front.run(lambda: front.listener.flush_cache(0, "")))
    assert got(client)[2] == b"hello"


def test_what_a_request_says_decides_whether_it_is_asked(front: RunningListener) -> None:
    """RFC 9111 5.2.1, 5.4; credentials by 3.5, cookies as it is written in the documentation."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    front.pass_seconds(5)
    for extra in ("Cache-Control: max-age=5", "Cache-Control: min-fresh=5", "Cache-Control: only-if-cached", "X: y"):
        assert got(client, f"{extra}\r\n")[2] == b"hello", extra
    for extra in ("Authorization: Basic eDp5", "Cookie: a=b", "Translate: f", 'If-Match: "v1"', "Range: bytes=0-0"):
        assert asks(front, client, worker, f"{extra}\r\n"), extra
        assert got(client)[2] == b"hello"
    for extra in (
        "Cache-Control: no-cache",
        "Pragma: no-cache",
        "Cache-Control: max-age=4",
        "Cache-Control: min-fresh=6",
    ):
        client.get("/a", f"{extra}\r\n")
        number, request = worker.request()
        assert field(request, b"if-none-match") == [b'"v1"'], extra
        respond(worker, number, b"", STILL_GOOD.replace(b"=20", b"=10"))
        assert client.read_response()[2] == b"hello"
        front.pass_seconds(5)
    front.pass_seconds(10)  # stale for five seconds by now
    assert got(client, "Cache-Control: max-stale=5\r\n")[1]["age"] == "15"
    client.get("/a", "Cache-Control: only-if-cached\r\n")
    number, request = worker.request()  # which refuses it
    assert not field(request, b"if-none-match")
    worker.answer(number, b"x", head=b"504 Gateway Timeout\r\n")
    assert client.read_response()[0] == 504

    everybody = b"200 OK\r\nCache-Control: s-maxage=10\r\n"
    fill(client, worker, everybody, extra="Authorization: Basic eDp5\r\nCookie: a=b\r\n", target="/b")
    assert got(client, target="/b")[2] == b"hello"
    assert got(client, "Cookie: b=c\r\nAuthorization: Basic eDp6\r\n", "/b")[2] == b"hello"
    for extra in ("Cookie: a=b", "Authorization: Basic eDp5", "Cache-Control: no-store"):
        fill(client, worker, target="/c", extra=f"{extra}\r\n")
        assert asks(front, client, worker, target="/c")


def test_a_request_that_changes_something_invalidates(front: RunningListener) -> None:
    """RFC 9111 4.4: the worker says so before its answer, whole or in pieces; every variant goes, other URLs stay."""
    worker, client = front.worker(), front.client()
    for in_pieces in (False, True):
        for language in ("de", "fr"):
            fill(client, worker, TEN + b"Vary: Accept-Language\r\n", extra=f"Accept-Language: {language}\r\n")
        fill(client, worker, target="/b")
        client.post(b"x", target="/a")
        number, _ = worker.request()
        worker.send(encode_cache(number, INVALIDATES))
        if in_pieces:
            worker.begin(number, b"done", head=b"200 OK\r\nContent-Length: 4\r\n")
            worker.end(number)
        else:
            worker.answer(number, b"done")
        assert client.read_response()[2] == b"done"
        assert asks(front, client, worker, "Accept-Language: de\r\n")
        assert asks(front, client, worker, "Accept-Language: fr\r\n")
        assert got(client, target="/b")[2] == b"hello"
        front.run(lambda: front.listener.flush_cache(0, "/b"))


def test_a_stale_answer_stands_in_for_an_error_if_it_says_so(front: RunningListener) -> None:
    """RFC 5861 section 4: stale-if-error, with a validator or without; the error itself otherwise, and nothing goes."""
    worker, client = front.worker(), front.client()
    failing = b"503 Service Unavailable\r\n"
    for head, is_covered in (
        (b"200 OK\r\nCache-Control: max-age=10, stale-if-error=5\r\n", True),
        (TEN.replace(b"=10", b"=10, stale-if-error=5"), True),
        (TEN, False),
    ):
        fill(client, worker, head)
        front.pass_seconds(15)
        client.get("/a")
        worker.answer(worker.request()[0], b"broken", head=failing)
        status, fields, body = client.read_response()
        assert (status, body, fields.get("age")) == ((200, b"hello", "15") if is_covered else (503, b"broken", None))
        assert len(front.run(lambda: front.listener.cache_contents(1)).rows) == 1
        front.run(lambda: front.listener.flush_cache(0, ""))


def test_a_question_that_waited_for_too_long_is_answered_with_the_error(front: RunningListener) -> None:
    """RFC 5861 section 4: when the error comes, not when the question was asked, the answer must not be too old."""
    worker, client = front.worker(), front.client()
    for seconds, is_covered in ((2, True), (3, False)):
        fill(client, worker, TEN.replace(b"=10", b"=10, stale-if-error=5"))
        front.pass_seconds(13)
        client.get("/a")
        number, _ = worker.request()
        front.pass_seconds(seconds)
        worker.answer(number, b"broken", head=b"503 Service Unavailable\r\n")
        assert client.read_response()[::2] == ((200, b"hello") if is_covered else (503, b"broken"))
        front.run(lambda: front.listener.flush_cache(0, ""))
    fill(client, worker, TEN.replace(b"=10", b"=10, stale-if-error=5"))
    front.pass_seconds(13)
    client.get("/a")
    number, _ = worker.request()
    front.pass_seconds(3)
    worker.reset(number, 504)
    assert client.read_response()[0] == 504


def test_a_304_that_only_the_client_has_asked_for_makes_nothing_fresh(front: RunningListener) -> None:
    """What is stored has no validator, and is asked about for the sake of an error alone: 304 speaks of what the
    client has."""
    worker, client = front.worker(), front.client()
    fill(client, worker, b"200 OK\r\nCache-Control: max-age=10, stale-if-error=50\r\n")
    front.pass_seconds(12)
    client.get("/a", 'If-None-Match: "v7"\r\n')
    number, request = worker.request()
    assert field(request, b"if-none-match") == [b'"v7"']
    respond(worker, number, b"", STILL_GOOD.replace(b"v1", b"v7"))
    assert client.read_response()[0] == 304
    assert asks(front, client, worker)


def test_a_stale_answer_stands_in_for_a_worker_that_is_not_there(front: RunningListener) -> None:
    """RFC 5861 section 4: for the 503 of a pool that is off, the 502 of workers that die and the word of one that gives
    up. What is fresh stays for that when its worker goes, and the next one is asked about it; the client's own
    conditions count, the connection stays, and HTTPERR has nothing to say. Anything else has the error."""
    worker, client, lasting = front.worker("A1"), front.client(), b"max-age=10, stale-if-error=50"
    fill(client, worker, TEN.replace(b"max-age=10", lasting))
    fill(client, worker, TEN.replace(b"max-age=10", b"max-age=10, must-revalidate, stale-if-error=50"), target="/b")
    front.pass_seconds(3)
    worker.die()
    front.message(WorkerGone)
    assert [row.url for row in front.run(lambda: front.listener.cache_contents(1)).rows] == ["http://127.0.0.1/a"]
    front.run(lambda: front.listener.set_queue_state("A", "AppOffline"))
    for seconds in (0, 7, 40, 10):
        front.pass_seconds(seconds)
        assert [got(client)[::2] for _ in range(2)] == [(200, b"hello")] * 2
    assert got(client)[1]["age"] == "60"
    assert got(client, 'If-None-Match: "v1"\r\n')[0] == 304
    for target, extra in (
        ("/b", ""),
        ("/a", "Pragma: no-cache\r\n"),
        ("/a", "Cookie: a=b\r\n"),
        ("/a", "Range: bytes=0-0\r\n"),
    ):
        assert got(front.client(), extra, target)[0] == 503
        assert front.log.next_refusal().reason == "AppOffline"
    front.run(lambda: front.listener.set_queue_state("A", ""))

    other = front.worker("A2")
    client.get("/a", 'If-None-Match: "v9"\r\n')
    number, request = other.request()
    assert field(request, b"if-none-match") == [b'"v9", "v1"']
    other.reset(number, 504)
    assert client.read_response()[::2] == (200, b"hello")
    client.get("/a")
    other.request()
    other.die()
    third = front.worker("A3")
    third.request()
    third.die()
    assert client.read_response()[::2] == (200, b"hello")
    fourth = front.worker("A4")
    client.get("/a")
    respond(fourth, fourth.request()[0], b"", STILL_GOOD)
    assert [client.read_response()[2], got(client)[1]["age"]] == [b"hello", "0"]
    front.run(lambda: front.listener.flush_cache(0, ""))
    front.run(lambda: front.listener.set_queue_state("A", "Disabled"))
    assert got(client)[0] == 503
    assert front.log.next_refusal().reason == "Disabled"
    logged = [front.log.next_request().status for _ in range(front.log.requests.qsize())]
    assert (logged.count(200), logged.count(304), len(logged)) == (15, 1, 16)


def test_a_question_survives_its_worker(front: RunningListener) -> None:
    """The next one is asked the same; what the dead one gave is gone, and the client gets the whole all the same."""
    worker, client = front.worker("A1"), front.client()
    fill(client, worker)
    front.pass_seconds(10)
    client.get("/a")
    worker.request()
    other = front.worker("A2")
    worker.die()
    number, request = other.request()
    assert field(request, b"if-none-match") == [b'"v1"']
    respond(other, number, b"", STILL_GOOD)
    assert client.read_response()[::2] == (200, b"hello")
    assert got(client)[2] == b"hello"


def test_what_is_stored_goes_with_its_worker_and_is_not_taken_from_one_that_leaves(front: RunningListener) -> None:
    """As everything else in the cache; nor is an answer with a log line of its own."""
    worker, client = front.worker("A1"), front.client()
    fill(client, worker)
    client.get("/b")
    number, _ = worker.request()
    worker.log(number, LogFrame("anna", "", "", "", "", "", ""))
    respond(worker, number, b"hello", TEN)
    client.read_response()
    assert asks(front, client, worker, target="/b")
    client.get("/c")
    number, _ = worker.request()
    front.run(lambda: front.listener.detach_worker("A1"))
    worker.take(Kind.DRAIN)
    respond(worker, number, b"hello", TEN)
    client.read_response()
    other = front.worker("A2")
    assert asks(front, client, other, target="/c")
    assert asks(front, client, other)


def test_an_answer_as_it_came_is_no_answer_to_a_question(front: RunningListener) -> None:
    """ResponseFlag.RAW (nph scripts): it goes to the client, and nothing is stored."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    front.pass_seconds(10)
    client.get("/a")
    number, _ = worker.request()
    worker.send(encode_cache(number, SHARED))
    worker.answer(number, b"HTTP/1.1 200 OK\r\n\r\nraw", head=b"", flags=ResponseFlag.RAW)
    assert client.read_to_end() == b"HTTP/1.1 200 OK\r\n\r\nraw"


def test_a_304_brings_all_fields_but_those_of_the_content() -> None:
    """RFC 9111 3.2: in place of those of that name, however often; Content-Location is not of the content."""
    stored = b"200 OK\r\nContent-Type: a/b\r\nX: 1\r\nx: 2\r\nY: 3\r\nContent-Location: /a\r\n"
    came = b"304 Not Modified\r\nX: 4\r\nContent-Type: c/d\r\ncontent-location: /b\r\nZ: 5\r\n"
    assert freshened(stored, came) == (
        b"200 OK\r\nContent-Type: a/b\r\nY: 3\r\nX: 4\r\ncontent-location: /b\r\nZ: 5\r\n"
    )
