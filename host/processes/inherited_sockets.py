"""Listening sockets that a service manager has opened for the service (socket activation, sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Final

FIRST_DESCRIPTOR: Final = 3  # SD_LISTEN_FDS_START
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


@dataclass(slots=True)
class InheritedSockets:
    """`listening` can be served. `problems` says of each other descriptor what it was; it is closed."""

    listening: list[socket.socket] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def take_inherited_sockets(environment: MutableMapping[str, str]) -> InheritedSockets:
    """What LISTEN_FDS brings, if LISTEN_PID means this process; from now on close-on-exec.

    The variables are taken out in any case, so that no child believes that they are meant for it.
    """
    count = environment.pop("LISTEN_FDS", "")
    pid = environment.pop("LISTEN_PID", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    found = InheritedSockets()
    if pid != str(os.getpid()) or not count.isdecimal():
        return found
    for index in range(int(count)):
        name = names[index] if index < len(names) else ""
        _take(FIRST_DESCRIPTOR + index, name, found)
    return found


def _take(descriptor: int, name: str, found: InheritedSockets) -> None:
    what = f"inherited descriptor {descriptor}" + (f" ({name})" if name else "")
    try:
        os.set_inheritable(descriptor, False)
    except OSError:
        found.problems.append(f"{what} is not open")
        return
    try:
        inherited = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        found.problems.append(f"{what} is no socket; it is closed")
        return
    is_stream = inherited.family in _FAMILIES and inherited.type == socket.SOCK_STREAM
    if is_stream and inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.listening.append(inherited)
        return
    inherited.close()
    found.problems.append(f"{what} is no listening stream socket; it is closed")
