"""Accepting: listening sockets come from outside and are served here until they are taken back.

Both event loops accept natively: nothing makes new connections cheaper. Their back-off when descriptors run out:
asyncio stops accepting for a second, uvloop (libuv) accepts and closes. Neither should happen, because the listener
refuses connections itself before the limit of open files is reached (`descriptor_budget`).
"""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

BACKLOG: Final = 4096
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
    """The listening sockets in use, by endpoint (`address:port`, `unix:/path`)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        new_connection: Callable[[], asyncio.Protocol],
        failed: Callable[[str, BaseException], None],
    ) -> None:
        """`failed(endpoint, error)` is told of a socket that cannot be served."""
        self._loop = loop
        self._failed = failed
        self._new_connection = new_connection
        self._serving: dict[str, asyncio.Task[asyncio.Server]] = {}

    def listen(self, endpoint: str, listening: socket.socket) -> None:
        """Accept on this socket (TCP or unix), ours from now on. An endpoint that is served already is replaced."""
        self.unlisten(endpoint)
        listening.setblocking(False)
        if listening.family == socket.AF_UNIX:
            serve = self._loop.create_unix_server(
                self._new_connection, sock=listening, backlog=BACKLOG, **_LEAVES_THE_FILE
            )
        else:
            serve = self._loop.create_server(self._new_connection, sock=listening, backlog=BACKLOG)
        task = self._serving[endpoint] = self._loop.create_task(serve)
        task.add_done_callback(partial(self._served, endpoint, listening))

    def _served(self, endpoint: str, listening: socket.socket, task: asyncio.Task[asyncio.Server]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            listening.close()
            self._failed(endpoint, error)

    def unlisten(self, endpoint: str) -> None:
        """Accept no more there; open connections stay."""
        task = self._serving.pop(endpoint, None)
        if task is None:
            return
        if task.done():
            _close_server(task)
        else:
            task.add_done_callback(_close_server)

    def close(self) -> None:
        """Accept no more anywhere."""
        for endpoint in list(self._serving):
            self.unlisten(endpoint)


def _close_server(task: asyncio.Task[asyncio.Server]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
