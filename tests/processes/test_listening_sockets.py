"""Sockets for bindings: opened before anything moves, kept while they are wanted, errors with a remedy."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from host.config.model import Binding, Site
from host.processes.listening_sockets import BindingError, ListeningSockets
from tests.listener.running_listener import free_unix_path
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
    assert [each.fileno() for each in kept] == [-1]
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


def unix_site(path: str, mode: int = 0o666) -> tuple[Site, ...]:
    return sites(Binding(protocol="http", ip="", port=0, host="", path=path, socket_mode=mode))


def can_connect(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
        return True


def test_a_unix_socket_comes_with_its_file_and_goes_with_it() -> None:
    """With the permissions that the binding gives; what a killed service left behind is replaced."""
    with free_unix_path() as path:
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(path)
        sockets = ListeningSockets()
        assert list(sockets.open_for(unix_site(path, 0o600))) == [f"unix:{path}"]
        assert can_connect(path)
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
        sockets.close_others([])
        assert not os.path.exists(path)


def test_a_unix_socket_in_use_a_file_in_the_way_and_a_missing_folder_are_errors() -> None:
    """Named with a remedy; nothing is taken from anybody."""
    with free_unix_path() as path:
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            other.listen()
            with pytest.raises(BindingError, match=r"unix:.*in use.*another path") as refusal:
                ListeningSockets().open_for(unix_site(path))
            assert refusal.value.is_in_use
            assert can_connect(path)
        os.unlink(path)
        Path(path).write_text("precious")
        with pytest.raises(BindingError, match="no socket is in the way"):
            ListeningSockets().open_for(unix_site(path))
        assert Path(path).read_text() == "precious"
        with pytest.raises(BindingError, match="make the folder"):
            ListeningSockets().open_for(unix_site(f"{path}.d/x.sock"))


def test_a_successor_keeps_the_file_of_a_unix_socket_and_takes_it_away_at_its_own_end() -> None:
    """As long as it is still that file: another program's is left alone."""
    with free_unix_path() as path:
        old, new = ListeningSockets(), ListeningSockets()
        (listening,) = old.open_for(unix_site(path))[f"unix:{path}"]
        new.adopt([socket.socket(fileno=os.dup(listening.fileno()))], managers=[])
        old.close(is_succeeded=True)
        assert can_connect(path)
        new.open_for(unix_site(path))
        new.close()
        assert not os.path.exists(path)

        again = ListeningSockets()
        again.open_for(unix_site(path))
        os.unlink(path)
        Path(path).write_text("another's")
        again.close()
        assert Path(path).read_text() == "another's"


def accepted(group: Sequence[socket.socket]) -> list[int]:
    """How many connections wait at each socket; they are closed."""
    counts = []
    for listening in group:
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                listening.accept()[0].close()
                count += 1
        counts.append(count)
    return counts


def test_each_of_several_listeners_gets_a_socket_of_an_address_that_nobody_else_can_take() -> None:
    """The kernel deals connections to all of them. More are added when there are more listeners, none is closed when
    there are fewer; the address counts as in use for whoever opens it anew."""
    sockets, port = ListeningSockets(), free_port()
    endpoint = f"127.0.0.1:{port}"
    sockets.open_for(sites(local(port)))
    assert [sockets.spread(1), len(sockets.by_endpoint[endpoint])] == [(False, []), 1]
    with pytest.raises(BindingError):
        ListeningSockets().open_for(sites(local(port)))
    assert [sockets.spread(listeners) for listeners in (2, 2, 3, 1)] == [
        (more, []) for more in (True, False, True, False)
    ]
    group = sockets.by_endpoint[endpoint]
    assert len(group) == 3
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        counts = accepted(group)
    assert sum(counts) == 100
    assert min(counts) > 0
    with pytest.raises(BindingError):
        ListeningSockets().open_for(sites(local(port)))
    assert sockets.open_for(sites(local(port)))[endpoint] is group
    sockets.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_unix_socket_and_one_of_a_service_manager_are_shared_and_a_successor_has_all_the_others() -> None:
    """An address that cannot be opened again is shared, too, and a sentence says so."""
    with free_unix_path() as path, contextlib.ExitStack() as stack:
        sockets, managed = ListeningSockets(), socket.create_server(("127.0.0.1", 0))
        ports = [managed.getsockname()[1], free_port()]
        sockets.adopt([managed])
        unix = unix_site(path)
        sockets.open_for((*unix, *sites(*map(local, ports))))
        assert sockets.spread(3) == (True, [])
        sizes = {endpoint: len(group) for endpoint, group in sockets.by_endpoint.items()}
        assert sizes == {f"unix:{path}": 1, f"127.0.0.1:{ports[0]}": 1, f"127.0.0.1:{ports[1]}": 3}
        successor = ListeningSockets()
        copies = [one.dup() for group in sockets.everything.values() for one in group]
        assert successor.adopt(copies, managers=sockets.managers) == []
        taken = successor.open_for((*unix, *sites(*map(local, ports))))
        assert {endpoint: len(group) for endpoint, group in taken.items()} == sizes
        assert successor.spread(3) == (False, [])
        stack.callback(sockets.close)
        stack.callback(successor.close)

        alone = ListeningSockets()
        stack.callback(alone.close)
        alone.adopt([_not_to_be_opened_again(stack)], managers=[])
        only_port = next(iter(alone.everything)).rpartition(":")[2]
        alone.open_for(sites(local(int(only_port))))
        has_more, problems = alone.spread(2)
        assert (has_more, len(problems)) == (False, 1)
        assert "they share it" in problems[0]


def _not_to_be_opened_again(stack: contextlib.ExitStack) -> socket.socket:
    """Another socket has its port without SO_REUSEPORT: a bound one that does not listen."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    other = stack.enter_context(socket.socket())
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(listening.getsockname())
    listening.listen()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return listening
