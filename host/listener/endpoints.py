"""Listening sockets: they come from outside and are served here until they are taken back.

`acceptor.py` accepts; `newcomers.py` takes its clients, or `handshakes.py` where TLS is spoken. No descriptor should
ever be missing, because the listener refuses connections itself before the limit of open files is reached
(`descriptor_budget`); when it is reached all the same, `descriptors.py` notices.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, NamedTuple

from host.listener.acceptor import Acceptor
from host.listener.handshakes import Handshakes, SecureDoor
from host.listener.newcomers import Newcomer, Newcomers

_MOST_DESCRIPTORS: Final = 65536
_RESERVED_DESCRIPTORS: Final = 256  # links, logs, files on their way, second descriptors of connections that send files


def descriptor_budget() -> int:
    """How many client connections this process may have open at once; raises its limit of open files as far as it may.

    The default of 1024 is for programs that use select(). Nothing is started from this process, so nobody inherits it.
    """
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _MOST_DESCRIPTORS if hard_limit == resource.RLIM_INFINITY else min(hard_limit, _MOST_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard_limit))
    return max(16, (limit - _RESERVED_DESCRIPTORS) * 3 // 4)


class Endpoints:
    """The listening sockets in use, by endpoint (`address:port`, `unix:/path`) and place among its sockets."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        new_connection: Callable[[], Newcomer],
        tls_of: Callable[[str], ssl.SSLContext | None],
        failed: Callable[[str, BaseException], None],
        handshakes: Handshakes,
    ) -> None:
        """`tls_of(endpoint)` is what a socket speaks TLS with, or None. `failed(endpoint, error)` is told of a socket
        that cannot be served."""
        self._loop = loop
        self._tls_of = tls_of
        self._failed = failed
        self._new_connection = new_connection
        self._newcomers = Newcomers(loop)
        self._handshakes = handshakes
        self._serving: dict[tuple[str, int], _Serving] = {}

    def listen(self, endpoint: str, listening: socket.socket, place: int = 0) -> None:
        """Accept on this socket (TCP or unix), ours from now on. A place that is served already is replaced, or goes on
        as it was when no descriptor is left."""
        listening.setblocking(False)
        tls = self._tls_of(endpoint)
        with ExitStack() as held:
            try:
                held.enter_context(listening)
                spare = held.enter_context(listening.dup())
                door = self._newcomers if tls is None else SecureDoor(self._handshakes, self._newcomers, tls)
                acceptor = Acceptor(self._loop, listening, door, self._new_connection)
            except OSError as error:  # no descriptor is left, or it is no socket to listen at
                self._failed(endpoint, error)
                return
            held.pop_all()
        self.unlisten(endpoint, place)
        self._serving[endpoint, place] = _Serving(acceptor, spare, tls)

    def follow_tls(self) -> None:
        """An address that speaks TLS now, or does not any more, or asks its clients otherwise, is served anew."""
        for (endpoint, place), serving in list(self._serving.items()):
            if self._tls_of(endpoint) is serving.tls:
                continue
            try:
                listening = serving.spare.dup()
            except OSError as error:  # no descriptor is left: the next change tries again
                self._failed(endpoint, error)
            else:
                self.listen(endpoint, listening, place)

    def unlisten(self, endpoint: str, place: int = 0) -> None:
        """Accept no more there; open connections stay."""
        serving = self._serving.pop((endpoint, place), None)
        if serving is None:
            return
        serving.spare.close()
        serving.acceptor.close()

    def close(self) -> None:
        """Accept no more anywhere."""
        for endpoint, place in list(self._serving):
            self.unlisten(endpoint, place)


class _Serving(NamedTuple):
    """Who accepts, a duplicate of the socket, and what is spoken there if it is TLS."""

    acceptor: Acceptor
    spare: socket.socket
    tls: ssl.SSLContext | None
