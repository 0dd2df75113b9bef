"""A test plays the service manager: the datagram socket that NOTIFY_SOCKET names, and what arrives on it."""

from __future__ import annotations

import queue
import socket
import threading
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
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._arrived: queue.SimpleQueue[tuple[int, list[str]]] = queue.SimpleQueue()
        # A manager reads at once: the kernel keeps ten datagrams (net.unix.max_dgram_qlen), and a watchdog says many.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            raw_message, ancillary, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(12))
            if raw_message == b"END":
                return
            (sender,) = [int.from_bytes(data[:4], "little") for _, _, data in ancillary]
            self._arrived.put((sender, raw_message.decode().split("\n")))

    def receive(self) -> list[str]:
        """The next message."""
        sender, message = self._arrived.get(timeout=WAIT_SECONDS)
        self.senders.append(sender)
        self.messages.append(message)
        return message

    def wait_for(self, *lines: str) -> list[str]:
        """Receive until a message has, for each of `lines`, a line that starts with it; gives that message."""
        for _ in range(1000):
            message = self.receive()
            if all(any(line.startswith(wanted) for line in message) for wanted in lines):
                return message
        raise AssertionError(f"{lines} did not come; there were {self.messages[-5:]}")

    def close(self) -> None:
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as farewell:
            farewell.sendto(b"END", address)
        self._reader.join()
        self._socket.close()


@contextmanager
def notification_socket(folder: Path) -> Iterator[NotificationSocket]:
    """A socket of its own for one test."""
    manager = NotificationSocket(str(folder / "notify"))
    try:
        yield manager
    finally:
        manager.close()
