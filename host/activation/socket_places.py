"""Which of several listeners accepts on which of an endpoint's sockets. Pure.

The kernel deals new connections to the sockets of an address, and a socket's connections go to whoever accepts first.
So each listener should have one of its own; where there are fewer sockets (a unix socket, one from a service manager,
one that was opened for a single listener) several share it, and where there are more some serve two: nobody's
connection waits at a socket that nobody serves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

SocketT = TypeVar("SocketT")
SocketPlace = tuple[str, int]
"""An endpoint (`address:port`, `unix:/path`), and the number of a socket among those of the endpoint, from 0."""


def served_at(sockets: Mapping[str, Sequence[SocketT]], place: int, instances: int) -> dict[SocketPlace, SocketT]:
    """What the listener at that place of so many accepts on."""
    found: dict[SocketPlace, SocketT] = {}
    for endpoint, group in sockets.items():
        step = min(len(group), instances)
        for number in range(place % step, len(group), step):
            found[endpoint, number] = group[number]
    return found
