"""Accepting: listening sockets come from outside and are served here until they are taken back.

Where TLS is spoken the event loop accepts, anywhere else `acceptor.py`. uvloop (libuv) accepts one connection for each
turn of the loop and server, and a turn with one connection is a packet to the worker with one request; so it has
several servers for the same socket. Their back-off when descriptors run out: asyncio stops accepting for a second,
as the acceptor does, uvloop accepts and closes. None should happen, because the listener refuses connections itself
before the limit of open files is reached (`descriptor_budget`); when it is reached all the same, `descriptors.py`
notices.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, Final, NamedTuple, cast

from host.listener.acceptor import BACKLOG, Acceptor
from host.listener.newcomers import Newcomer, Newcomers

HANDSHAKE_SECONDS: Final = 30.0
"""How long a TLS handshake may take; a client that connects and says nothing costs no more than this."""

GOODBYE_SECONDS: Final = 5.0
"""How long a client may take to answer our close_notify."""

HANDSHAKES_AT_ONCE: Final = 4
"""Connections in one turn of uvloop. One that comes alone costs a system call in vain for each of the others."""

_MOST_DESCRIPTORS: Final = 65536
_RESERVED_DESCRIPTORS: Final = 256  # links, logs, files on their way, second descriptors of connections that send files

# The file of a unix socket is the service's: it outlives this process.
_LEAVES_THE_FILE: Final[dict[str, Any]] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}


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
    ) -> None:
        """`tls_of(endpoint)` is what a socket speaks TLS with, or None. `failed(endpoint, error)` is told of a socket
        that cannot be served."""
        self._loop = loop
        self._tls_of = tls_of
        self._failed = failed
        self._new_connection = new_connection
        self._newcomers = Newcomers(loop)
        self._servers = 1 if isinstance(loop, asyncio.SelectorEventLoop) else HANDSHAKES_AT_ONCE
        self._serving: dict[tuple[str, int], _Serving] = {}

    def listen(self, endpoint: str, listening: socket.socket, place: int = 0) -> None:
        """Accept on this socket (TCP or unix), ours from now on. A place that is served already is replaced, or goes on
        as it was when no descriptor is left."""
        listening.setblocking(False)
        tls = self._tls_of(endpoint)
        with ExitStack() as held:
            try:
                own = [held.enter_context(listening)]  # each server closes its own
                own += [held.enter_context(listening.dup()) for _ in range(self._servers - 1 if tls is not None else 0)]
                spare = held.enter_context(listening.dup())
                acceptor = None
                if tls is None:
                    acceptor = Acceptor(self._loop, listening, self._newcomers, self._new_connection)
            except OSError as error:  # no descriptor is left, or it is no socket to listen at
                self._failed(endpoint, error)
                return
            held.pop_all()
        self.unlisten(endpoint, place)
        tasks = () if tls is None else tuple(self._loop.create_task(self._serve(one, tls)) for one in own)
        self._serving[endpoint, place] = _Serving(acceptor, tasks, spare, tls)
        for one, task in zip(own, tasks, strict=False):
            task.add_done_callback(partial(self._served, endpoint, one, is_first=one is listening))

    async def _serve(self, listening: socket.socket, tls: ssl.SSLContext) -> asyncio.Server:
        options: dict[str, Any] = {
            "sock": listening,
            "backlog": BACKLOG,
            "ssl": tls,
            "ssl_handshake_timeout": HANDSHAKE_SECONDS,
            "ssl_shutdown_timeout": GOODBYE_SECONDS,
        }
        new_connection = cast(Callable[[], asyncio.Protocol], self._new_connection)
        if listening.family == socket.AF_UNIX:
            return await self._loop.create_unix_server(new_connection, **options, **_LEAVES_THE_FILE)
        return await self._loop.create_server(new_connection, **options)

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

    def _served(
        self, endpoint: str, listening: socket.socket, task: asyncio.Task[asyncio.Server], *, is_first: bool
    ) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            listening.close()
            if is_first:
                self._failed(endpoint, error)

    def unlisten(self, endpoint: str, place: int = 0) -> None:
        """Accept no more there; open connections stay."""
        serving = self._serving.pop((endpoint, place), None)
        if serving is None:
            return
        serving.spare.close()
        if serving.acceptor is not None:
            serving.acceptor.close()
        for task in serving.tasks:
            if task.done():
                _close_server(task)
            else:
                task.add_done_callback(_close_server)

    def close(self) -> None:
        """Accept no more anywhere."""
        for endpoint, place in list(self._serving):
            self.unlisten(endpoint, place)


class _Serving(NamedTuple):
    """Who accepts: ourselves, or servers that are being started or run; a duplicate of the socket, and what they speak
    TLS with."""

    acceptor: Acceptor | None
    tasks: tuple[asyncio.Task[asyncio.Server], ...]
    spare: socket.socket
    tls: ssl.SSLContext | None


def _close_server(task: asyncio.Task[asyncio.Server]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
