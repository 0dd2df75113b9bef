"""Accepts at one listening socket.

Clients that have connected together are taken together, so that their requests reach the worker in one packet; one
call in vain says that there are no more. When descriptors run out, or nothing can be accepted for another reason, that
waits for a while: the listener refuses connections long before (`endpoints.descriptor_budget`).
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from host.listener.newcomers import Newcomer
from host.listener.socket_calls import NOT_NOW, accept, address_of, own_address

ACCEPTED_AT_ONCE: Final = 16
"""Connections in one turn of the loop: those that are open have their turn as well."""

BACKLOG: Final = 4096

UNSENT_BYTES: Final = 256 * 1024
"""What the kernel takes for a client beyond what is on its way to it. Left alone it takes 4 MB of a large file for each
client that reads slowly: copying that is a burst, and with some hundreds of them sockets have no more memory."""

_PAUSE_SECONDS: Final = 1.0
_OF_THE_CLIENT: Final = frozenset(
    (
        errno.ECONNABORTED,
        errno.ENETDOWN,
        errno.EPROTO,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.ENONET,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENETUNREACH,
        errno.EPERM,
    )
)
"""What had become of a connection before it was accepted, says accept(2) of Linux; the next one may be good."""

_ANY_ADDRESS: Final = frozenset(("0.0.0.0", "::"))


class Door(Protocol):
    """Where those who were accepted go."""

    def welcome(self, connection: Newcomer, client: int, family: int, peer: bytes, own: Any) -> None:
        """As Newcomers.welcome."""


class Acceptor:
    """`listening` is non-blocking, and the acceptor's from now on."""

    __slots__ = (
        "_descriptor",
        "_door",
        "_family",
        "_is_closed",
        "_listening",
        "_loop",
        "_new_connection",
        "_own",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        door: Door,
        new_connection: Callable[[], Newcomer],
    ) -> None:
        """Raises OSError when the socket cannot listen."""
        self._loop = loop
        self._listening = listening
        self._descriptor = listening.fileno()
        self._family = int(listening.family)
        self._door = door
        self._new_connection = new_connection
        self._is_closed = False
        listening.listen(BACKLOG)
        # written as clients' addresses are: without the zone of a link-local one
        self._own: Any = address_of(self._family, own_address(self._descriptor)) or listening.getsockname()
        if listening.family != socket.AF_UNIX:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
            with suppress(OSError):  # not every kernel that says it is Linux knows it
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)  # as well
            if self._own[0] in _ANY_ADDRESS:
                self._own = None  # each connection has its own
        loop.add_reader(listening.fileno(), self._accept)

    def _accept(self) -> None:
        door, descriptor = self._door, self._descriptor
        for _ in range(ACCEPTED_AT_ONCE):
            if self._is_closed:
                return
            try:
                client, peer = accept(descriptor)
            except OSError as error:
                if error.errno not in _OF_THE_CLIENT:  # no descriptor is left, most likely
                    self._pause()
                    return
            else:
                if client == NOT_NOW:
                    return
                door.welcome(self._new_connection(), client, self._family, peer, self._own)

    def _pause(self) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._loop.call_later(_PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._listening.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()
