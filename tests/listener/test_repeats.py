"""Requests that come again byte for byte, over real sockets; the worker is the test's."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

from host.config.listener_settings import ForwardedHeaders, ListenerSettings
from host.config.log_settings import LogFile
from host.http1.policy import HeadPolicy
from host.listener.repeats import MAX_REPEAT_BYTES, Repeats
from host.wire.codec import encode_number
from host.wire.frames import CacheFlag, CacheFrame, Kind
from tests.listener.running_listener import Client, RunningListener
from tests.listener.test_cached_answering import fill, is_asked


def repeats(front: RunningListener) -> Repeats:
    """What the listener knows of its address."""
    return front.run(lambda: front.listener._context.routing.at("127.0.0.1", front.port).repeats)


def answer(client: Client, extra: str = "") -> tuple[int, dict[str, str], bytes]:
    """What a request for /a gets."""
    client.get("/a", extra)
    return client.read_response()


def test_the_second_time_is_like_the_first(front: RunningListener) -> None:
    """Status, fields and body, 200 and 304, the line in the log and the count of hits; on other connections, too, once
    they belong to the site."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    front.log.next_request()
    for extra, status in (("", 200), ('If-None-Match: "v1"\r\n', 304), ("Connection: keep-alive\r\n", 200)):
        for known in (client, front.client()):
            first, second, third = (answer(known, extra) for _ in range(3))
            assert first == second == third
            assert first[0] == status
            records = [front.log.next_request()._replace(time_taken_ms=0) for _ in range(3)]
            assert records[0] == records[1] == records[2]
            assert records[0].bytes_received == len(f"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\n{extra}\r\n")
    assert len(repeats(front)) == 3
    assert front.run(lambda: front.listener.cache_contents(1)).rows[0].hits == 18
    assert worker.has_nothing_to_do()


def test_the_date_goes_on(front: RunningListener) -> None:
    """An answer that is known has the second in which it is given."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    dates = []
    for _ in range(3):
        front.pass_seconds(1)
        dates.append(answer(client)[1]["date"])
    assert len(set(dates)) == 3


def test_what_is_not_true_any_more_is_forgotten(front: RunningListener) -> None:
    """The entry is taken back or out of date, the configuration is another one, the site is stopped, the listener
    drains."""
    worker, client = front.worker(), front.client()
    for policy in (CacheFrame(0, 0), CacheFrame(0, 30)):
        number = fill(client, worker, policy=policy)
        assert answer(client) == answer(client)
        if policy.seconds:
            front.pass_seconds(30)
        else:
            worker.send(encode_number(Kind.INVALIDATE, 0, number))
            front.settle()
        assert is_asked(front, client, worker)
    fill(client, worker)
    assert answer(client) == answer(client)
    front.configure()
    assert not repeats(front)
    fill(client, worker)
    assert answer(client) == answer(client)
    assert repeats(front)
    front.run(lambda: front.listener.set_sites(()))
    assert answer(client)[0] == 400


def test_other_bytes_are_another_request(front: RunningListener) -> None:
    """A byte more, a cookie, the head in two pieces, two requests in one piece: nothing is mixed up."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    assert answer(client) == answer(client)
    assert is_asked(front, client, worker, extra="Cookie: a=b\r\n")
    raw = b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    client.send(raw[:20])
    front.settle()
    client.send(raw[20:])
    assert client.read_response()[2] == b"hello"
    client.send(b"GET /other HTTP/1.1\r\nX: ")
    front.settle()
    client.send(raw)  # the bytes of a request that is known, in the middle of another one
    worker.answer(worker.request()[0], b"other")
    assert client.read_response()[2] == b"other"
    client.send(raw * 2)
    assert [client.read_response()[2] for _ in range(2)] == [b"hello", b"hello"]


def test_an_absolute_target_teaches_nothing_of_the_host_that_its_fields_name(front: RunningListener) -> None:
    """The target decides then, whatever Host says (RFC 9112 3.2.2): who asks that host by the same fields must not get
    the other one's answer, also on a connection that has asked for the other one before."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    for _ in range(3):
        client.send(b"GET http://127.0.0.1/a HTTP/1.1\r\nHost: named.example\r\n\r\n")
        assert client.read_response()[2] == b"hello"
    client.send(b"GET /a HTTP/1.1\r\nHost: named.example\r\n\r\n")
    number, frame = worker.request()
    assert frame.application == b"2:/"
    worker.answer(number, b"another site")
    assert client.read_response()[2] == b"another site"


def test_a_request_in_hand_is_answered_first(front: RunningListener) -> None:
    """Who sends what is known behind another request gets the answers in that order."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    assert answer(client) == answer(client)
    client.get("/slow")
    number, _ = worker.request()
    client.get("/a")
    front.settle()
    worker.answer(number, b"slow")
    assert [client.read_response()[2] for _ in range(2)] == [b"slow", b"hello"]


def test_a_proxy_speaks_for_its_clients_each_time(start: Callable[..., RunningListener]) -> None:
    """What a believed proxy sends says who the client is: the log has the client, not the one before."""
    believed = ForwardedHeaders(networks=(ip_network("127.0.0.0/8"),))
    front = start(listener=ListenerSettings(forwarded_headers=believed))
    worker, client = front.worker(), front.client()
    fill(client, worker, policy=CacheFrame(CacheFlag.IGNORES_COOKIES, 0))
    front.log.next_request()
    for name in ("203.0.113.9", "203.0.113.10", "203.0.113.9"):
        answer(client, f"X-Forwarded-For: {name}\r\n")
        assert front.log.next_request().client_ip == name
    assert not repeats(front)


def test_known_requests_are_bounded(front: RunningListener) -> None:
    """Clients that never repeat themselves cost a bounded memory."""
    worker, client = front.worker(), front.client()
    fill(client, worker)
    answer(client)
    known = repeats(front)
    (repeat,) = known.values()
    policy = HeadPolicy(front.listener._context.policy.limits)
    most = 0
    for number in range(2000):
        raw = b"GET /a HTTP/1.1\r\nHost: x\r\nX: %d" % number + b"y" * 3000 + b"\r\n\r\n"
        for _ in range(2):
            known.remember(policy.check(raw), repeat)
        assert raw in known
        assert sum(map(len, known)) < known.size <= MAX_REPEAT_BYTES
        most = max(most, len(known))
    assert 400 < most < 1000
    for raw in (
        b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
        b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 4096 + b"\r\n\r\n",
    ):
        known.remember(policy.check(raw), repeat)
        assert raw not in known


def test_a_log_with_custom_fields_is_told_of_every_answer(start: Callable[..., RunningListener]) -> None:
    """What such a log shows of an answer changes with each: the long way is taken."""
    front = start(log_file=LogFile(needs_details=True))
    worker, client = front.worker(), front.client()
    fill(client, worker)
    front.log.next_request()
    for _ in range(3):
        answer(client)
        told = front.log.next_request().details
        assert told is not None
        assert b"\r\nServer: isapy" in told.raw_head
    assert not repeats(front)
