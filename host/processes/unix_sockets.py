"""Listening unix sockets, as bindings name them (`unix:/run/www.sock`): the file comes and goes with its socket.

A file that a killed service has left behind is recognized by nobody answering there, and replaced. A file is taken away
only while it is still the one that was made: somebody may have put another in its place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import Final

PREFIX: Final = "unix:"
_PROBE_SECONDS: Final = 1.0

Identity = tuple[int, int]
"""Device and inode of a socket's file."""


def listen(path: str, mode: int, backlog: int) -> tuple[socket.socket, Identity]:
    """A socket that listens at `path`, whose file has the permissions `mode`. Raises OSError; EADDRINUSE when somebody
    answers there or something else is in the way."""
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
        os.chmod(path, mode)  # nobody can connect before listen(): no moment with other permissions
        listening.listen(backlog)
        return listening, identity(path)
    except OSError:
        listening.close()
        raise


def identity(path: str) -> Identity:
    """What tells the file at `path` from a later one of its name; zeros when there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)


def remove(path: str, own: Identity) -> None:
    """Take the file away if it is still ours."""
    if own != (0, 0) and identity(path) == own:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _remove_stale(path: str) -> None:
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise OSError(errno.EADDRINUSE, "a file that is no socket is in the way", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except FileNotFoundError:
            return
        except TimeoutError:
            pass  # its queue is full: somebody is there
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
