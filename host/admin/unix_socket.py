"""Listening on and connecting to unix sockets by path, also by paths longer than an address can hold (107 bytes).

A long path is reached through its folder's descriptor: `/proc/self/fd/<number>/<name>` is short whatever the path is.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from host.admin.access import peer_of

BACKLOG: Final = 16


class SocketInUse(Exception):
    """Somebody already answers there. `pid` is the process."""

    def __init__(self, path: Path, pid: int) -> None:
        super().__init__(f"process {pid} already answers on {path}")
        self.pid = pid


def connect(path: Path, timeout: float) -> socket.socket:
    """A connection to the socket. Raises OSError (FileNotFoundError, ConnectionRefusedError when nobody listens)."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(timeout)
        with _folder(path) as folder:
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        connection.close()
        raise
    return connection


def listen(path: Path) -> socket.socket:
    """A listening socket at that path, for the owner only (mode 0600); its folder is made (0700) when it is missing.

    The socket of a dead service is replaced. Raises SocketInUse when its service lives, OSError otherwise.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _folder(path) as folder, _lock(folder):
        _remove_dead(path)
        _remove_leftovers(path.parent)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        temporary = f".{os.getpid()}.new"
        try:
            # Under its own name first: whoever sees the final name sees a socket that is closed to others and answers.
            listening.bind(f"/proc/self/fd/{folder}/{temporary}")
            os.chmod(temporary, 0o600, dir_fd=folder)
            listening.listen(BACKLOG)
            os.rename(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            listening.close()
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            raise
    return listening


def living_pid(path: Path) -> int:
    """The process that listens there, 0 when nobody does."""
    try:
        with connect(path, timeout=2.0) as connection:
            return peer_of(connection).pid
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return 0


def _remove_dead(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"{path} is in the way: it is no socket")
    pid = living_pid(path)
    if pid:
        raise SocketInUse(path, pid)
    path.unlink()


def _remove_leftovers(folder: Path) -> None:
    """What a service has made that was killed in the middle of `listen`: under the lock nobody else is in there."""
    for leftover in folder.glob(".*.new"):
        with suppress(FileNotFoundError):
            leftover.unlink()


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _lock(folder: int) -> Iterator[None]:
    """Two services that start at once look at the old socket one after the other."""
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)
