"""Joins the first process of a service, which stays for whoever started it, with the service that runs now.

`isapy upgrade` puts a new process in the service's place. A terminal, a container or a supervisor that started isapy
watches the first process: that one stays as a waiter (`waiter.py`). Its lifeline is a pair of sockets. The waiter keeps
one end; the running service has the other one, and hands it on to its successor. When the waiter is gone the service
sees the end of input, and ends; when there is another successor the waiter reads its process id.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # a waiter has no event loop, and stays small without one
    import asyncio

_LONGEST_MESSAGE: Final = 32


class WaitersEnd:
    """The first process's end. `services` are the process ids of all that served behind it, the present one last."""

    def __init__(self, end: socket.socket, service: int) -> None:
        end.setblocking(False)
        self._end = end
        self.services = [service]

    def fileno(self) -> int:
        """Its descriptor."""
        return self._end.fileno()

    @property
    def service(self) -> int:
        """The process id of the service that runs now."""
        while True:
            try:
                raw_pid = self._end.recv(_LONGEST_MESSAGE)
            except (BlockingIOError, ConnectionError):
                break
            if not raw_pid:
                break
            self.services.append(int(raw_pid))
        return self.services[-1]


class ServicesEnd:
    """The running service's end."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end

    def fileno(self) -> int:
        """Its descriptor."""
        return self._end.fileno()

    def watch(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[], None]) -> None:
        """Call `on_lost` once, when the waiter is gone."""

        def readable() -> None:
            loop.remove_reader(self._end.fileno())
            on_lost()

        loop.add_reader(self._end.fileno(), readable)

    def announce(self, successor: int) -> None:
        """Tell the waiter whom to wait for from now on."""
        self._end.send(str(successor).encode())


def lifeline_pair() -> tuple[socket.socket, socket.socket]:
    """The waiter's end and the service's end, both close-on-exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
