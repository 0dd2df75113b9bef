"""Socket activation: real listening sockets, opened by the test, inherited by the service as systemd would have it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from host.processes.listening_sockets import ListeningSockets
from tests.processes.test_listening_sockets import local, sites
from tests.running_service import ROOT, WAIT_SECONDS, start_service
from tests.sample_site import write_site

TAKE = """
import json, os
from host.processes.inherited_sockets import take_inherited_sockets
found = take_inherited_sockets(os.environ)
names = [name for name in os.environ if name.startswith("LISTEN_")]
inheritable = [os.get_inheritable(each.fileno()) for each in found.listening]
addresses = [each.getsockname() for each in found.listening]
print(json.dumps([addresses, found.problems, names, inheritable]))
"""


AS_SYSTEMD = """
import fcntl, os, sys
names, pid, given, command = sys.argv[1], sys.argv[2], sys.argv[3].split(","), sys.argv[4:]
above = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 200) for each in given]
for index, each in enumerate(above):
    os.dup2(each, 3 + index)
os.closerange(3 + len(above), 300)
os.environ.update(LISTEN_FDS=str(len(above)), LISTEN_FDNAMES=names, LISTEN_PID=pid or str(os.getpid()))
os.execv(command[0], command)
"""


def as_systemd(descriptors: list[int], names: str = "", *, pid: str = "") -> list[str]:
    """A wrapper that makes them descriptors 3, 4 ... and says so to the command behind it."""
    return [sys.executable, "-c", AS_SYSTEMD, names, pid, ",".join(map(str, descriptors))]


def listening_socket(address: str = "127.0.0.1", family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    opened = socket.socket(family)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    opened.bind((address, 0))
    opened.listen()
    return opened


def take(wrapper: list[str], descriptors: list[int]) -> str:
    command = [*wrapper, sys.executable, "-c", TAKE]
    return subprocess.run(
        command, cwd=ROOT, pass_fds=descriptors, stdout=subprocess.PIPE, text=True, timeout=WAIT_SECONDS, check=True
    ).stdout


def test_what_can_be_served_is_taken_and_the_rest_is_closed_and_named(tmp_path: Path) -> None:
    """A listening socket, one that does not listen, a file; another process's variables mean nothing."""
    with listening_socket() as good, socket.socket() as idle, (tmp_path / "file").open("w") as file:
        descriptors = [good.fileno(), idle.fileno(), file.fileno()]
        told = take(as_systemd(descriptors, "web:idle:file"), descriptors)
        others = take(as_systemd(descriptors, "web:idle:file", pid="1"), descriptors)
        address, port = good.getsockname()
    problems = (
        "inherited descriptor 4 (idle) is no listening stream socket; it is closed",
        ("inherited descriptor 5 (file) is no socket; it is closed"),
    )
    assert told.strip() == f'[[["{address}", {port}]], ["{problems[0]}", "{problems[1]}"], [], [false]]'
    assert others.strip() == "[[], [], [], []]"


def test_a_binding_takes_the_socket_with_its_address_and_a_stopped_site_gives_it_back() -> None:
    """By address; what no binding names is closed, and so is the second of one address. The manager holds its own
    sockets in any case: one that is not served for a while is still there when the site is started again."""
    sockets = ListeningSockets()
    with listening_socket() as first, listening_socket() as second:
        wanted, unwanted = (each.getsockname()[1] for each in (first, second))
        same = socket.socket(fileno=os.dup(first.fileno()))
        assert sockets.adopt([first, second, same]) == [f"127.0.0.1:{wanted}"]
        assert same.fileno() == -1
        assert sockets.close_unwanted(sites(local(wanted))) == [f"127.0.0.1:{unwanted}"]
        assert second.fileno() == -1
        for _ in range(2):
            opened = sockets.open_for(sites(local(wanted)))
            assert opened == sockets.by_endpoint == {f"127.0.0.1:{wanted}": (first,)}
            sockets.close_others([])
            assert sockets.by_endpoint == {}
        sockets.close()
        assert first.fileno() == -1


@pytest.mark.slow
def test_an_inherited_socket_is_served_and_an_unwanted_one_is_an_event(tmp_path: Path) -> None:
    """A client that connected before the service ran is answered; nobody listens on the unwanted one afterwards. The
    wanted one takes both families, as systemd's do: the log knows the IPv4 client by its usual name."""
    config = write_site(tmp_path)
    config.write_text(config.read_text().replace('"127.0.0.1:8080:"', '"*:8080:"'))
    with listening_socket("::", socket.AF_INET6) as wanted, listening_socket() as unwanted:
        port, other = wanted.getsockname()[1], unwanted.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as early:
            early.sendall(b"GET /a.where HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            descriptors = [wanted.fileno(), unwanted.fileno()]
            wrapper = as_systemd(descriptors)
            service = start_service(tmp_path, config, port=port, wrapper=wrapper, descriptors=descriptors)
            assert early.recv(65536).startswith(b"HTTP/1.1 200 ")
    service.wait_for_event("socket-not-wanted", f"127.0.0.1:{other}")
    assert service.site_log("/a.where", " 127.0.0.1 ")
    assert not service.has_event("binding-failed")
    assert service.stop() == 0
