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

# as plain numbers: those of an enumeration take as long to compare as the packet to receive
_ROOM: Final = socket.CMSG_SPACE(MOST_DESCRIPTORS * 4)
_CLOSES_ON_EXEC: Final = int(socket.MSG_CMSG_CLOEXEC)
_IS_CUT: Final = int(socket.MSG_TRUNC)
_SOCKET_LEVEL: Final = int(socket.SOL_SOCKET)
_RIGHTS: Final = int(socket.SCM_RIGHTS)


def receive_message(sock: socket.socket, buffer: memoryview, descriptors: list[int]) -> AnySpawnMessage | None:
    """The next message, its descriptors appended to `descriptors`; None when there is none now.

    Raises EOFError when the worker is gone, WireError when what it sent is no message.
    """
    try:
        count, ancillary, flags, _ = sock.recvmsg_into([buffer], _ROOM, _CLOSES_ON_EXEC)
    except BlockingIOError:
        return None
    for level, kind, raw in ancillary:
        if level == _SOCKET_LEVEL and kind == _RIGHTS:
            found = array.array("i")
            found.frombytes(raw[: len(raw) - len(raw) % found.itemsize])
            descriptors += found
    if count == 0:
        raise EOFError
    if int(flags) & _IS_CUT:
        raise WireError("a packet larger than any message")
    if count == len(IN_MEMORY_FILE) and buffer[0] == IN_MEMORY_FILE[0]:
        return decode_spawn_message(_read_memory_file(descriptors))
    return decode_spawn_message(buffer[:count])


def _read_memory_file(descriptors: list[int]) -> bytes:
    if not descriptors:
        raise WireError("a message in a memory file, but no file")
    with contextlib.suppress(OSError):
        raw_message = os.pread(descriptors[-1], LARGEST_MESSAGE + 1, 0)
        if len(raw_message) <= LARGEST_MESSAGE:
            return raw_message
    raise WireError("a message in a memory file that is too large or cannot be read")
