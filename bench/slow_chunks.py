"""Clients that send a body in chunks of one byte, one a second: `python -m bench.slow_chunks PORT PATH CONNECTIONS`.

slowhttptest announces a length for every body. As it does, this one connects them evenly over a second, and ends when
none is left.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time
from collections.abc import Sequence
from typing import Final

INTERVAL_SECONDS: Final = 1.0
_CHUNK: Final = b"1\r\nx\r\n"


def attack(port: int, path: str, connections: int) -> None:
    """Hold so many connections with bodies that never end; returns when the server has closed them all."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with contextlib.ExitStack() as held:
        began = time.monotonic()
        clients = set()
        for number in range(connections):
            time.sleep(max(0.0, began + number / connections * INTERVAL_SECONDS - time.monotonic()))
            client = held.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.setblocking(False)
            if _sends(client, head):
                clients.add(client)
        while clients:
            due = time.monotonic() + INTERVAL_SECONDS
            clients = {client for client in clients if _sends(client, _CHUNK)}
            while clients and (left := due - time.monotonic()) > 0:
                poll = select.poll()
                for client in clients:
                    poll.register(client, select.POLLIN)
                said = {descriptor for descriptor, _ in poll.poll(left * 1000)}
                clients = {client for client in clients if client.fileno() not in said or _is_open(client)}


def _sends(client: socket.socket, data: bytes) -> bool:
    try:
        client.send(data)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True


def _is_open(client: socket.socket) -> bool:
    try:
        return bool(client.recv(65536))
    except BlockingIOError:
        return True
    except OSError:
        return False


def main(arguments: Sequence[str]) -> int:
    """What the command line says."""
    port, path, connections = arguments
    attack(int(port), path, int(connections))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
