"""Who the client is behind believed proxies, by field and from the end of the list."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.config.listener_settings import ForwardedHeaders, ListenerSettings
from host.listener.forwarded import MOST_HOPS, UNKNOWN_ADDRESS, ForwardedClient, ForwardedClients
from host.wire.frames import Kind, RequestFlag
from tests.listener.running_listener import RunningListener, free_unix_path

Start = Callable[..., RunningListener]

PROXIES = tuple(map(ip_network, ("127.0.0.1", "10.0.0.0/8", "fd00::/8")))


def clients(header: str = "X-Forwarded-For") -> ForwardedClients:
    return ForwardedClients(ForwardedHeaders(header=header, networks=PROXIES))


@pytest.mark.parametrize(
    ("fields", "client"),
    [
        ("X-Forwarded-For: 203.0.113.9\r\n", ("203.0.113.9", 0, False)),
        ("X-Forwarded-For: 203.0.113.9:4711\r\nX-Forwarded-Proto: https\r\n", ("203.0.113.9", 4711, True)),
        ("x-forwarded-for:203.0.113.9, 10.1.1.1\r\nx-forwarded-proto: https\r\n", ("203.0.113.9", 0, True)),
        ("X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.1\r\n", ("203.0.113.9", 0, False)),
        ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\n", ("203.0.113.9", 0, False)),
        ("X-Forwarded-For: 2001:db8::7\r\n", ("2001:db8::7", 0, False)),
        ("X-Forwarded-For: [2001:DB8::7]:99\r\n", ("2001:db8::7", 99, False)),
        ("X-Forwarded-For: ::ffff:203.0.113.9\r\n", ("203.0.113.9", 0, False)),
        ("X-Forwarded-For: 10.0.0.9, 10.0.0.1\r\n", ("10.0.0.9", 0, False)),
        ("X-Forwarded-For: 203.0.113.9, 10.1.1.1\r\nX-Forwarded-Proto: https, http\r\n", ("203.0.113.9", 0, True)),
        ("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https, http\r\n", ("203.0.113.9", 0, False)),
        ("X-Forwarded-For: unknown\r\n", (UNKNOWN_ADDRESS, 0, False)),
        ("X-Forwarded-For: 203.0.113.9, <script>\r\n", (UNKNOWN_ADDRESS, 0, False)),
        ("X-Forwarded-For: 203.0.113.9, unknown, 10.0.0.1\r\n", (UNKNOWN_ADDRESS, 0, False)),
        ("X-Forwarded-For: unknown\r\nX-Forwarded-Proto: https\r\n", (UNKNOWN_ADDRESS, 0, True)),
        ("X-Forwarded-Proto: https\r\n", ("", 0, True)),
        ("X-Forwarded-For: \r\nX-Forwarded-Proto: https, http\r\n", ("", 0, False)),
        ("X-Forwarded-For: 203.0.113.9:99999\r\n", ("203.0.113.9", 0, False)),
        ("X-Forwarded-For: \r\n", None),
        ("Not-X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n", None),
        ("", None),
    ],
)
def test_x_forwarded_for_is_read_from_its_end(fields: str, client: tuple[str, int, bool] | None) -> None:
    """The client is the last one that is no believed proxy; what stands before it is hearsay."""
    assert clients().client(fields.encode()) == (None if client is None else ForwardedClient(*client))


@pytest.mark.parametrize(
    ("fields", "client"),
    [
        ("Forwarded: for=203.0.113.9\r\n", ("203.0.113.9", 0, False)),
        ('Forwarded: For="[2001:db8::7]:4711"; Proto=https;by=10.0.0.1\r\n', ("2001:db8::7", 4711, True)),
        ("Forwarded: for=6.6.6.6, for=203.0.113.9;proto=https, for=10.0.0.1\r\n", ("203.0.113.9", 0, True)),
        ("Forwarded: for=6.6.6.6\r\nForwarded: for=203.0.113.9;proto=http\r\n", ("203.0.113.9", 0, False)),
        ('Forwarded: for="203.0.113.9;x=,y", for=unknown\r\n', (UNKNOWN_ADDRESS, 0, False)),
        ("Forwarded: proto=https\r\n", ("", 0, True)),
        ("Forwarded: by=10.0.0.1\r\n", None),
        ("Forwarded: proto=https, for=10.0.0.1\r\n", (UNKNOWN_ADDRESS, 0, True)),
        ("Forwarded: for=_hidden;proto=https\r\nX-Forwarded-For: 203.0.113.9\r\n", (UNKNOWN_ADDRESS, 0, True)),
        ("Forwarded: , for=203.0.113.9 ,, for=10.0.0.1;, \r\n", ("203.0.113.9", 0, False)),
        ('Forwarded: for=6.6.6.6, x="\r\nForwarded: for=203.0.113.9\r\n', (UNKNOWN_ADDRESS, 0, False)),
        ('Forwarded: for=127.0.0.1;x="\r\nForwarded: for=203.0.113.9\r\n', (UNKNOWN_ADDRESS, 0, False)),
        ('Forwarded: for=127.0.0.1;x="\r\nForwarded: for=203.0.113.9;x=y\r\n', (UNKNOWN_ADDRESS, 0, False)),
        ('Forwarded: for=127.0.0.1;="\r\nForwarded: for=203.0.113.9\r\n', (UNKNOWN_ADDRESS, 0, False)),
        ('Forwarded: for="203.0.113.9\r\n', (UNKNOWN_ADDRESS, 0, False)),
        ("Forwarded: for=203.0.113.9 6.6.6.6\r\n", (UNKNOWN_ADDRESS, 0, False)),
    ],
)
def test_forwarded_is_read_as_rfc_7239_says(fields: str, client: tuple[str, int, bool] | None) -> None:
    """Quoted nodes, parameters in any order; only the configured field counts."""
    assert clients("Forwarded").client(fields.encode()) == (None if client is None else ForwardedClient(*client))


def test_only_configured_peers_are_believed() -> None:
    """By address and network; a unix socket's peer has none and is named apart."""
    trusted = [
        address for address in ("127.0.0.1", "10.9.9.9", "fd00::1", "192.0.2.1", "::1", "") if clients().trusts(address)
    ]
    assert trusted == ["127.0.0.1", "10.9.9.9", "fd00::1"]
    assert ForwardedClients(ForwardedHeaders(trusts_unix_sockets=True)).trusts("")


def test_a_list_without_end_is_not_followed() -> None:
    """Believed addresses a hundred times: a client has written them."""
    fields = b"X-Forwarded-For: 203.0.113.9" + b", 10.0.0.1" * (MOST_HOPS + 1) + b"\r\n"
    assert clients().client(fields) == ForwardedClient("10.0.0.1", 0, False)


@pytest.mark.parametrize("value", ['"\\\\', '"', "a", " ", "a= ", 'for="', ",", ";", 'a"'])
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_a_long_field_costs_no_more_than_its_length(header: str, value: str) -> None:
    """A quarter of a megabyte, which would take an hour (so the test's time limit) if the search could go back."""
    found = clients(header).client(f"{header}: {value * (250_000 // len(value))}\r\n".encode())
    assert found in (None, ForwardedClient(UNKNOWN_ADDRESS, 0, False))


@given(st.binary(max_size=200), st.sampled_from(("X-Forwarded-For", "Forwarded")))
def test_nothing_that_a_client_writes_raises(value: bytes, header: str) -> None:
    """Whatever stands in the field, it is a client or none."""
    found = clients(header).client(header.encode() + b": " + value + b"\r\n")
    assert found is None or 0 <= found.port < 65536


def test_the_request_is_the_client_s_in_frame_and_log(start: Start) -> None:
    """Address and scheme reach the worker and the log; the next request of the same connection has its own, and what no
    field speaks for is the proxy's."""
    front = start(listener=ListenerSettings(forwarded_headers=ForwardedHeaders(networks=PROXIES)))
    worker, client = front.worker(), front.client()
    own_port = client.socket.getsockname()[1]
    told = []
    for extra in (
        "X-Forwarded-For: 203.0.113.9:81\r\nX-Forwarded-Proto: https\r\n",
        "X-Forwarded-For: 203.0.113.10\r\n",
        "X-Forwarded-Proto: https\r\n",
        "",
    ):
        client.get(extra=extra)
        number, frame = worker.request()
        address, port = frame.connection.split(b"\0")[:2]
        told.append((address, int(port), bool(frame.flags & RequestFlag.SECURE)))
        worker.answer(number)
        client.read_response()
    assert told == [
        (b"203.0.113.9", 81, True),
        (b"203.0.113.10", 0, False),
        (b"127.0.0.1", own_port, True),
        (b"127.0.0.1", own_port, False),
    ]
    logged = [front.log.next_request().client_ip for _ in told]
    assert logged == ["203.0.113.9", "203.0.113.10", "127.0.0.1", "127.0.0.1"]


def test_a_saved_change_of_the_proxies_counts_for_open_connections(start: Start) -> None:
    """Who is taken off the list is believed no more, although its connection stays; and the other way round."""
    believed = ListenerSettings(forwarded_headers=ForwardedHeaders(networks=PROXIES))
    front = start(listener=believed)
    worker, client = front.worker(), front.client()
    told = []
    for settings in (believed, ListenerSettings(), believed):
        front.sizes.listener = settings
        front.configure()
        client.get(extra="X-Forwarded-For: 203.0.113.9\r\n")
        number, frame = worker.request()
        told.append(frame.connection.split(b"\0")[0])
        worker.answer(number)
        client.read_response()
    assert told == [b"203.0.113.9", b"127.0.0.1", b"203.0.113.9"]
    client.get(extra="X-Forwarded-For: 203.0.113.9\r\n")
    number, _ = worker.request()
    front.sizes.listener = ListenerSettings()
    front.configure()  # while a request is in hand, which keeps its client
    worker.answer(number)
    client.read_response()
    client.get()
    assert worker.request()[1].connection.startswith(b"127.0.0.1\0")


def test_a_stranger_is_not_believed(front: RunningListener) -> None:
    """By default nobody is: the field is a field like any other."""
    worker, client = front.worker(), front.client()
    client.get(extra="X-Forwarded-For: 203.0.113.9\r\n")
    assert worker.request()[1].connection.startswith(b"127.0.0.1\0")


def test_a_forwarded_client_is_not_shown_the_cause_of_an_error(start: Start) -> None:
    """It is not on this machine, although its proxy is: also when the proxy does not tell who it is, and not every
    address that begins like this machine's is one of its own."""
    front = start(listener=ListenerSettings(forwarded_headers=ForwardedHeaders(networks=PROXIES)))
    worker = front.worker()
    for extra, is_shown in (
        ("X-Forwarded-For: 203.0.113.9\r\n", False),
        ("X-Forwarded-For: unknown\r\n", False),
        ("X-Forwarded-For: ::1:2\r\n", False),
        ("X-Forwarded-For: ::1\r\n", True),
        ("", True),
    ):
        client = front.client()
        client.get(extra=extra)
        worker.reset(worker.request()[0], reason="the secret cause")
        assert (b"the secret cause" in client.read_to_end()) is is_shown
        client.close()
        worker.take(Kind.SESSION_END)


def test_a_unix_socket_serves_its_site_and_believes_its_proxy(start: Start) -> None:
    """Any host; no address unless a believed proxy gives one, and then the port that goes with the scheme."""
    with free_unix_path() as path:
        settings = ListenerSettings(forwarded_headers=ForwardedHeaders(trusts_unix_sockets=True))
        front = start(listener=settings, unix_path=path)
        worker, client = front.worker(), front.client(over_unix=True)
        assert client.socket.family == socket.AF_UNIX
        told = []
        for extra in ("", "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"):
            client.send(b"GET / HTTP/1.1\r\nHost: whatever.example\r\n" + extra.encode() + b"\r\n")
            number, frame = worker.request()
            assert frame.application == b"1:/"
            told.append(frame.connection.split(b"\0")[:4])
            worker.answer(number)
            assert client.read_response()[0] == 200
        assert told == [[b"", b"0", b"", b"80"], [b"203.0.113.9", b"0", b"", b"443"]]
        first, second = front.log.next_request(), front.log.next_request()
        assert (first.client_ip, second.client_ip, second.server_port) == ("", "203.0.113.9", 443)
