"""I/O of the control dialogue: one message a packet over SOCK_SEQPACKET, descriptors beside it.

A packet is one byte and the message: `I` inline, `M` when the message lies in a memfd that is the packet's last
descriptor (a configuration can be larger than a socket takes in one piece). Sending never blocks an event loop: what
does not fit waits in a queue.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from host.wire.control_messages import INLINE_LIMIT, AnyMessage, decode_message, encode_message
from host.wire.errors import WireError

_MAX_DESCRIPTORS: Final = 8
_PACKET_LIMIT: Final = INLINE_LIMIT + 1
_MEMORY_LIMIT: Final = 64 * 1024 * 1024
_Message = TypeVar("_Message")


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends of a control channel, both close-on-exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class ControlChannel:
    """One end of a control channel. Either driven by an event loop (`attach`) or read by hand (`receive`)."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * INLINE_LIMIT)
        self._socket = end
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_message: Callable[[AnyMessage, list[int]], None] | None = None
        self._on_closed: Callable[[str], None] | None = None
        self._is_reset = False  # the peer ended with words of ours unread
        self.is_closed = False

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    def attach(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[AnyMessage, list[int]], None],
        on_closed: Callable[[str], None],
    ) -> None:
        """Let the loop read: `on_message(message, descriptors)` (they are the callee's from then on), and once
        `on_closed(why)` when the peer is gone or broke the dialogue (`why` is empty for a plain end)."""
        self._loop, self._on_message, self._on_closed = loop, on_message, on_closed
        loop.add_reader(self._socket.fileno(), self._readable)
        self._flush()

    def send(self, message: AnyMessage, descriptors: Sequence[int] = ()) -> None:
        """Say something. The descriptors are duplicated at once and stay the caller's; to a closed channel it is
        said in vain."""
        if self.is_closed:
            return
        raw_message = encode_message(message)
        duplicates = [os.dup(descriptor) for descriptor in descriptors]
        if len(raw_message) > INLINE_LIMIT:
            memory = os.memfd_create("isapy-message", os.MFD_CLOEXEC)
            with os.fdopen(os.dup(memory), "wb") as file:
                file.write(raw_message)
            self._waiting.append((b"M", [*duplicates, memory]))
        else:
            self._waiting.append((b"I" + raw_message, duplicates))
        self._flush()

    def send_from_thread(self, message: AnyMessage, descriptors: Sequence[int] = ()) -> None:
        """Say something small from any thread: it has left when this returns, unless the peer is slow to read.

        It may overtake what `send` has queued. The channel must be attached to a loop.
        """
        try:
            socket.send_fds(self._socket, [b"I" + encode_message(message)], list(descriptors))
        except BlockingIOError:
            assert self._loop is not None, "an attached channel has a loop"
            self._loop.call_soon_threadsafe(self.send, message, descriptors)
        except OSError:  # the peer is gone; the reader sees the end and reports it
            return

    def send_by(self, loop: asyncio.AbstractEventLoop, message: AnyMessage) -> None:
        """Say something from any thread: at once on that of `loop`, otherwise the loop says it soon. In vain when it
        has ended."""
        try:
            is_its_own = asyncio.get_running_loop() is loop
        except RuntimeError:  # no thread of a loop
            is_its_own = False
        if is_its_own:
            self.send(message)
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self.send, message)

    def receive(self) -> list[tuple[AnyMessage, list[int]]]:
        """Everything that has arrived. Raises EOFError when the peer is gone, WireError when it broke the dialogue."""
        messages: list[tuple[AnyMessage, list[int]]] = []
        while True:
            try:
                packet, descriptors = self._receive_packet()
            except BlockingIOError:
                return messages
            except ConnectionError as error:
                if self._is_reset:
                    raise EOFError from error
                self._is_reset = True  # the kernel says it once, and before the peer's last words, which are still here
                continue
            if not packet:
                if messages:
                    return messages  # the end is seen again at the next call
                raise EOFError
            messages.append((self._decode(packet, descriptors), descriptors))

    def wait_for(self, kind: type[_Message]) -> _Message:
        """The next message, which must be of that kind and bring no descriptors; blocks.

        Raises EOFError when the peer is gone, WireError for another message. For the first word of a dialogue.
        """
        self._socket.setblocking(True)
        try:
            packet, descriptors = self._receive_packet()
        finally:
            self._socket.setblocking(False)
        if not packet:
            raise EOFError
        message = self._decode(packet, descriptors)
        if not isinstance(message, kind) or descriptors:
            raise WireError(f"{type(message).__name__} came where {kind.__name__} is due")
        return message

    def read_rest(self) -> None:
        """Hand on what has arrived and was not read yet: the last words of a process that has ended. Its end of the
        channel is not waited for."""
        if not self.is_closed and self._on_message is not None:
            self._readable()

    def close(self) -> None:
        """Close this end; the peer sees the end of input."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
        while self._waiting:
            _close_all(self._waiting.popleft()[1])
        self._socket.close()

    def _flush(self) -> None:
        while self._waiting and not self.is_closed:
            packet, descriptors = self._waiting[0]
            try:
                if descriptors:
                    socket.send_fds(self._socket, [packet], descriptors)
                else:
                    self._socket.send(packet)
            except BlockingIOError:
                if self._loop is not None:
                    self._loop.add_writer(self._socket.fileno(), self._flush)
                return
            except OSError:  # the peer is gone; the reader sees the end and reports it
                while self._waiting:
                    _close_all(self._waiting.popleft()[1])
                break
            self._waiting.popleft()
            _close_all(descriptors)
        if self._loop is not None and not self.is_closed:
            self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        assert self._on_message is not None
        try:
            messages = self.receive()
        except EOFError:
            self._lost("")
            return
        except WireError as error:
            self._lost(str(error))
            return
        for message, descriptors in messages:
            if self.is_closed:
                _close_all(descriptors)
                continue
            self._on_message(message, descriptors)
        if messages and self._is_reset and not self.is_closed:  # uvloop watches a socket with an error no more
            self._readable()

    def _lost(self, why: str) -> None:
        on_closed = self._on_closed
        self.close()
        if on_closed is not None:
            on_closed(why)

    def _receive_packet(self) -> tuple[bytes, list[int]]:
        ancillary_size = socket.CMSG_LEN(_MAX_DESCRIPTORS * array.array("i").itemsize)
        packet, ancillary, _, _ = self._socket.recvmsg(_PACKET_LIMIT, ancillary_size, socket.MSG_CMSG_CLOEXEC)
        descriptors = array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        return packet, list(descriptors)

    def _decode(self, packet: bytes, descriptors: list[int]) -> AnyMessage:
        try:
            if packet[:1] == b"I":
                return decode_message(packet[1:])
            if packet != b"M" or not descriptors:
                raise WireError("a control packet that is neither inline nor in memory")
            return decode_message(_read_memory(descriptors.pop()))
        except WireError:
            _close_all(descriptors)
            raise


def _read_memory(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as memory:
        size = os.fstat(memory.fileno()).st_size
        if size > _MEMORY_LIMIT:
            raise WireError(f"a control message of {size} bytes")
        memory.seek(0)
        return memory.read(size)


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
