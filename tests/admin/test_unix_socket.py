"""Listening on and connecting to unix sockets by path."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from host.admin.unix_socket import SocketInUse, connect, listen, living_pid


@pytest.fixture(params=["short", "long"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A socket path that fits an address, and one that does not."""
    folder = tmp_path / "run" if request.param == "short" else tmp_path / ("f" * 120)
    return folder / "a.sock"


def test_only_the_owner_reaches_the_socket(path: Path) -> None:
    """The folder is 0700, the socket 0600, and nothing else is left in the folder."""
    with listen(path):
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert [entry.name for entry in path.parent.iterdir()] == ["a.sock"]


def test_bytes_travel(path: Path) -> None:
    """A connection by path is a connection."""
    with listen(path) as listening, connect(path, 5) as near:
        far, _ = listening.accept()
        with far:
            near.sendall(b"x")
            assert far.recv(5) == b"x"


def test_a_living_socket_is_not_replaced(path: Path) -> None:
    """The error names the process that answers there."""
    with listen(path):
        assert living_pid(path) == os.getpid()
        with pytest.raises(SocketInUse, match=f"process {os.getpid()} already answers") as caught:
            listen(path)
        assert caught.value.pid == os.getpid()
        assert [entry.name for entry in path.parent.iterdir()] == ["a.sock"]


def test_a_dead_socket_is_replaced(path: Path) -> None:
    """A service that was killed leaves its socket behind."""
    listen(path).close()
    assert path.exists()
    assert living_pid(path) == 0
    with listen(path):
        assert living_pid(path) == os.getpid()


def test_a_file_in_the_way_is_left_alone(path: Path) -> None:
    """Only sockets are replaced."""
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="it is no socket"):
        listen(path)
    assert path.read_text() == "precious"


def test_nobody_there(path: Path) -> None:
    """No folder, no file, no pid."""
    assert living_pid(path) == 0
    with pytest.raises(FileNotFoundError):
        connect(path, 1)


def test_the_descriptor_is_not_inherited(path: Path) -> None:
    """Children of the service do not keep its control socket."""
    with listen(path) as listening:
        assert not os.get_inheritable(listening.fileno())
        assert listening.family == socket.AF_UNIX
