"""The listener as a whole: configuration, endpoints, what is under way, the drain."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Callable

import pytest

from host.isolation.worker_isolation import WorkerProcessIsolation
from host.listener.endpoints import descriptor_budget
from host.wire.control_messages import Demand, Event
from host.wire.frames import Kind
from tests.listener.running_listener import WAIT_SECONDS, RunningListener, Sizes, snapshot

Start = Callable[..., RunningListener]


def test_applications_have_their_own_queues(front: RunningListener) -> None:
    """The frame names the application."""
    root, shop = front.worker("A1"), front.worker("B1", pool="B")
    client = front.client()
    for target, worker, key in (("/", root, b"1:/"), ("/shop/x", shop, b"1:/shop"), ("/shopping", root, b"1:/")):
        client.get(target)
        number, frame = worker.request()
        assert frame.application == key
        worker.answer(number)
        client.read_response()


def test_sites_are_told_apart_by_host(front: RunningListener) -> None:
    """Also when the host stands in the target."""
    worker, client = front.worker(), front.client()
    client.send(b"GET http://named.example/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    number, frame = worker.request()
    assert (frame.application, frame.target, frame.fields) == (b"2:/", b"/x", b"Host: named.example\r\n")
    worker.answer(number)


def test_a_changed_configuration_counts_for_open_connections(front: RunningListener) -> None:
    """The next request on them is routed anew."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.answer(worker.request()[0])
    client.read_response()
    empty = snapshot(front.port + 1, Sizes(), version=2)
    front.run(lambda: front.listener.configure(empty, WorkerProcessIsolation()))
    client.get()
    assert client.read_to_end().startswith(b"HTTP/1.1 400 ")


def test_requests_under_way_can_be_listed(front: RunningListener) -> None:
    """Oldest first, with their state."""
    worker = front.worker(credit=2)
    clients = []
    for place in range(3):
        client = front.client()
        client.get(f"/{place}")
        clients.append(client)
        if place < 2:
            number, _ = worker.request()
        else:
            front.message(Demand)
        front.clock.seconds += 1
    worker.begin(number)
    clients[1].read_until(b"\r\n\r\n")
    rows = front.run(front.listener.requests)
    assert [row.url for row in rows] == ["/0", "/1", "/2"]
    assert [row.pipeline_state for row in rows] == ["ExecuteRequestHandler", "SendResponse", "Queued"]
    assert [row.worker for row in rows] == ["A1", "A1", ""]
    assert rows[0].time_elapsed == 3000
    assert (rows[0].verb, rows[0].site_id, rows[0].host_name, rows[0].queue) == ("GET", 1, "127.0.0.1", "A")
    assert front.run(lambda: front.listener.connection_count) == 3


def test_what_clients_write_makes_no_message_that_the_service_does_not_take(front: RunningListener) -> None:
    """Five thousand URLs of 16 KB were 80 MB: whoever looked at them lost the listener with every connection."""
    worker = front.worker(credit=3)
    for _ in range(3):
        front.client().get("/" + "a" * 200 + "?" + "b" * 10_000)
        worker.request()
    rows = front.run(lambda: front.listener.requests(2))
    assert [len(row.url) for row in rows] == [2048 + len("..."), 2048 + len("..."), 0]
    assert [(row.verb, row.host_name) for row in rows] == [("GET", "127.0.0.1"), ("GET", "127.0.0.1"), ("", "")]
    assert [row.worker for row in rows] == ["A1", "A1", "A1"]  # they are counted


def test_an_endpoint_can_be_taken_back_and_given_again(front: RunningListener) -> None:
    """Open connections stay."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.answer(worker.request()[0])
    client.read_response()
    endpoint = f"127.0.0.1:{front.port}"
    front.run(lambda: front.listener.unlisten(endpoint))
    refused = False
    while not refused:
        try:
            socket.create_connection(("127.0.0.1", front.port), timeout=1).close()
        except ConnectionRefusedError:
            refused = True
    client.get()
    worker.answer(worker.request()[0])
    assert client.read_response()[0] == 200
    again = socket.create_server(("127.0.0.1", front.port))
    front.run(lambda: front.listener.listen(endpoint, again))
    other = front.client()
    other.get()
    number, _ = worker.request()
    worker.answer(number)
    assert other.read_response()[0] == 200


def test_a_drain_finishes_what_is_in_hand(front: RunningListener) -> None:
    """Idle connections close at once, the others after their answer; workers hear DRAIN last."""
    worker, idle, busy = front.worker(), front.client(), front.client()
    idle.get()
    worker.answer(worker.request()[0])
    idle.read_response()
    busy.get()
    number, _ = worker.request()
    draining = threading.Thread(target=front.drain, args=(WAIT_SECONDS,))
    draining.start()
    assert idle.read_to_end() == b""
    worker.take(Kind.SESSION_END)
    worker.answer(number)
    answer = busy.read_to_end()
    assert answer.endswith(b"hello")
    assert b"\r\nConnection: close\r\n" in answer
    draining.join(WAIT_SECONDS)
    worker.take(Kind.SESSION_END)
    worker.take(Kind.DRAIN)
    assert worker.sees_end()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", front.port))


def test_a_drain_does_not_wait_for_ever(front: RunningListener) -> None:
    """What is not finished in time is cut."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.request()
    front.drain(0.05)
    assert client.is_reset()
    worker.take(Kind.ABORT)
    assert worker.sees_end()


def test_a_budget_of_descriptors_is_kept() -> None:
    """The limit is raised as far as it may; some are left for links, logs and files."""
    budget = descriptor_budget()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == min(hard, 65536)
    assert 16 <= budget < soft


def test_a_socket_that_cannot_be_served_is_an_event(front: RunningListener) -> None:
    """Not one that listens at all."""
    front.run(lambda: front.listener.listen("odd", socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
    event = front.message(Event)
    assert event.id == "binding-failed"
    assert "odd" in event.text
