"""A test plays the service manager: the datagram socket that NOTIFY_SOCKET names, and what arrives on it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.running_service import WAIT_SECONDS


class NotificationSocket:
    """Datagrams as lists of lines, in the order in which they arrive; `senders` are their process ids."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.messages: list[list[str]] = []
        self.senders: list[int] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(WAIT_SECONDS)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def receive(self) -> list[str]:
        """The next message."""
        raw_message, ancillary, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(12))
        self.senders += [int.from_bytes(data[:4], "little") for _, _, data in ancillary]
        self.messages.append(raw_message.decode().split("\n"))
        return self.messages[-1]

    def wait_for(self, *lines: str) -> list[str]:
        """Receive until a message has, for each of `lines`, a line that starts with it; gives that message."""
        for _ in range(1000):
            message = self.receive()
            if all(any(line.startswith(wanted) for line in message) for wanted in lines):
                return message
        raise AssertionError(f"{lines} did not come; there were {self.messages[-5:]}")

    def close(self) -> None:
        self._socket.close()


@contextmanager
def notification_socket(folder: Path) -> Iterator[NotificationSocket]:
    """A socket of its own for one test."""
    manager = NotificationSocket(str(folder / "notify"))
    try:
        yield manager
    finally:
        manager.close()
