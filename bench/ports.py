"""Ports for servers that are started here.

A port that the kernel gave for a moment (bind to 0) may be anybody's a moment later: the next outgoing connection takes
its own port from the same range. These ports lie outside of that range, so that only a server that was told to can take
one; and each is reserved among all processes on this machine that ask here, until the process that asked has ended.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST: Final = 10_000
_HIGHEST: Final = 65_535
_APART: Final = 97

_reservations: list[int] = []
"""Descriptors of one abstract unix socket a port, named after it: the kernel gives a name once, and takes it back when
the process ends. Nobody closes them before."""


def free_port() -> int:
    """A port on which nobody listens, on any address, and that nobody is given by chance before a server takes it.

    Raises OSError when there is none.
    """
    for port in _candidates():
        if _reserve(port):
            return port
    raise OSError("no port outside of the range for outgoing connections is free")


def ephemeral_ports() -> range:
    """The ports that the kernel gives to outgoing connections, and to who binds to port 0."""
    try:
        first, last = map(int, _EPHEMERAL.read_text().split())
    except (OSError, ValueError):
        first, last = 32_768, 60_999
    return range(first, last + 1)


def _candidates() -> Iterator[int]:
    """Every port once; each process begins at a place of its own, so that few reservations are tried in vain."""
    ephemeral = ephemeral_ports()
    ports = [port for port in range(_LOWEST, _HIGHEST + 1) if port not in ephemeral] or list(ephemeral)
    start = os.getpid() * _APART + len(_reservations)
    return (ports[(start + number) % len(ports)] for number in range(len(ports)))


def _reserve(port: int) -> bool:
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0isapy-port-{port}")
        _bind(socket.AF_INET, "0.0.0.0", port)
        _bind(socket.AF_INET6, "::", port)
    except OSError:
        name.close()
        return False
    _reservations.append(name.detach())
    return True


def _bind(family: socket.AddressFamily, address: str, port: int) -> None:
    """Raises OSError when somebody has the port on an address of that family."""
    try:
        with socket.socket(family) as probe:
            if family is socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as servers do: closed connections do not matter
            probe.bind((address, port))
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):  # no such addresses here: nobody has it there
            raise
