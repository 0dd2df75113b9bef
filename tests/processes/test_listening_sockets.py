"""Sockets for bindings: opened before anything moves, kept while they are wanted, errors with a remedy."""

from __future__ import annotations

import socket

import pytest

from host.config.model import Binding, Site
from host.processes.listening_sockets import BindingError, ListeningSockets
from tests.running_service import free_port


def sites(*bindings: Binding) -> tuple[Site, ...]:
    return (Site(name="a", id=1, bindings=bindings),)


def local(port: int, host: str = "") -> Binding:
    return Binding(protocol="http", ip="127.0.0.1", port=port, host=host)


def test_two_host_names_on_one_address_share_a_socket_and_a_kept_one_is_the_same() -> None:
    """The endpoint is address and port; the host name is the router's business."""
    sockets, first, second = ListeningSockets(), free_port(), free_port()
    opened = sockets.open_for(sites(local(first, "a"), local(first, "b")))
    assert list(opened) == [f"127.0.0.1:{first}"]
    kept = opened[f"127.0.0.1:{first}"]
    more = sockets.open_for(sites(local(first), local(second)))
    assert more[f"127.0.0.1:{first}"] is kept
    sockets.close_others([f"127.0.0.1:{second}"])
    assert kept.fileno() == -1
    sockets.close()


def test_every_address_means_both_families() -> None:
    """`*` answers on IPv4 and, where there is IPv6, on IPv6."""
    sockets, port = ListeningSockets(), free_port()
    opened = sockets.open_for(sites(Binding(protocol="http", ip="*", port=port, host="")))
    assert f"0.0.0.0:{port}" in opened
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        if family == socket.AF_INET6 and f"[::]:{port}" not in opened:
            continue
        with socket.socket(family) as client:
            client.connect((address, port))
    sockets.close()


def test_a_port_in_use_is_an_error_with_a_remedy_and_changes_nothing() -> None:
    """What was open stays open, what was opened for the change is closed again."""
    sockets, free = ListeningSockets(), free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BindingError, match=f"127.0.0.1:{port}.*--port"):
            sockets.open_for(sites(local(free), local(port)))
    assert sockets.by_endpoint == {}
    with socket.socket() as again:
        again.bind(("127.0.0.1", free))


def test_an_address_of_another_machine_is_named() -> None:
    """192.0.2.1 is nobody's (RFC 5737)."""
    with pytest.raises(BindingError, match=r"192\.0\.2\.1"):
        ListeningSockets().open_for(sites(Binding(protocol="http", ip="192.0.2.1", port=free_port(), host="")))


def test_without_a_site_nothing_is_opened() -> None:
    """Only started sites are given."""
    assert ListeningSockets().open_for(()) == {}
