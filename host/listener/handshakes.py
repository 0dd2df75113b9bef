"""TLS handshakes under way: each is a connection that counts, though nobody can tell yet what its client wants.

Servers of the event loop accept without asking, and tell of a connection when its handshake is done: whoever connects
and says nothing would be in no count, and could take every descriptor. So who speaks TLS is accepted by ourselves, too.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

from host.listener.newcomers import Newcomer, Newcomers

HANDSHAKE_SECONDS: Final = 30.0
"""How long a TLS handshake may take; a client that connects and says nothing costs no more than this."""

GOODBYE_SECONDS: Final = 5.0
"""How long a client may take to answer our close_notify."""


class Handshakes:
    """Those of one loop. `is_full` says whether one more connection would be too many."""

    def __init__(self, loop: asyncio.AbstractEventLoop, is_full: Callable[[], bool]) -> None:
        self.is_full: Final = is_full
        self._loop = loop
        self._under_way: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._under_way)

    def begin(self, connection: Newcomer, client: int, family: int, tls: ssl.SSLContext) -> None:
        """Speak TLS with a client that was just accepted, whose non-blocking descriptor is ours from now on."""
        sock = socket.socket(family, socket.SOCK_STREAM, 0, fileno=client)
        task = self._loop.create_task(self._shake_hands(connection, sock, tls))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _shake_hands(self, connection: Newcomer, sock: socket.socket, tls: ssl.SSLContext) -> None:
        protocol = cast(asyncio.Protocol, connection)
        with suppress(OSError, asyncio.CancelledError):  # it left, is a stranger to TLS, or took too long
            await self._loop.connect_accepted_socket(
                lambda: protocol,
                sock,
                ssl=tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=GOODBYE_SECONDS,
            )

    async def settled(self, seconds: float) -> None:
        """Wait until those under way have ended, one way or the other; for so many seconds at most."""
        if self._under_way:
            await asyncio.wait(list(self._under_way), timeout=seconds)

    async def give_up(self) -> None:
        """End all of them; returns when that is done."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(list(self._under_way))


class SecureDoor:
    """What an acceptor hands its clients to where `tls` is spoken."""

    def __init__(self, handshakes: Handshakes, newcomers: Newcomers, tls: ssl.SSLContext) -> None:
        self._handshakes = handshakes
        self._newcomers = newcomers
        self._tls = tls

    def welcome(self, connection: Newcomer, client: int, family: int, peer: bytes, own: Any) -> None:
        """As Newcomers.welcome."""
        if self._handshakes.is_full():
            self._newcomers.welcome(connection, client, family, peer, own)  # it refuses one too many by itself
        else:
            self._handshakes.begin(connection, client, family, self._tls)
