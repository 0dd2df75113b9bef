"""Takes a worker's packets from its socket: messages with the descriptors beside them."""

from __future__ import annotations

import array
import contextlib
import os
import socket
from typing import Final

from host.wire.errors import WireError
from host.wire.spawn_messages import IN_MEMORY_FILE, LARGEST_MESSAGE, AnySpawnMessage, decode_spawn_message

MOST_DESCRIPTORS: Final = 4
"""Beside one message: the three standard ones and its memory file, which is the last."""


def receive_message(sock: socket.socket, buffer: bytearray, descriptors: list[int]) -> AnySpawnMessage | None:
    """The next message, its descriptors appended to `descriptors`; None when there is none now.

    Raises EOFError when the worker is gone, WireError when what it sent is no message.
    """
    try:
        count, ancillary, flags, _ = sock.recvmsg_into(
            [buffer], socket.CMSG_SPACE(MOST_DESCRIPTORS * 4), socket.MSG_CMSG_CLOEXEC
        )
    except BlockingIOError:
        return None
    for level, kind, raw in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found = array.array("i")
            found.frombytes(raw[: len(raw) - len(raw) % found.itemsize])
            descriptors += found
    if count == 0:
        raise EOFError
    if flags & socket.MSG_TRUNC:
        raise WireError("a packet larger than any message")
    raw_message = bytes(memoryview(buffer)[:count])
    if raw_message == IN_MEMORY_FILE:
        raw_message = _read_memory_file(descriptors)
    return decode_spawn_message(raw_message)


def _read_memory_file(descriptors: list[int]) -> bytes:
    if not descriptors:
        raise WireError("a message in a memory file, but no file")
    with contextlib.suppress(OSError):
        raw_message = os.pread(descriptors[-1], LARGEST_MESSAGE + 1, 0)
        if len(raw_message) <= LARGEST_MESSAGE:
            return raw_message
    raise WireError("a message in a memory file that is too large or cannot be read")
