"""One link of frames: a stream socket, and beside it a side socket for descriptors. The only file here that knows them.

Frames that are queued in one turn of the event loop go out in one write. A worker holds a link to its front; in IIS 5
isolation mode inetinfo holds one to each dllhost, with the same class in the other role.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

from host.wire.codec import FrameDecoder
from host.wire.errors import WireError
from host.wire.frames import FRAMES_AT_ONCE, SIDE_PACKET, Kind

_READ_BYTES: Final = 64 * 1024  # below malloc's mmap threshold: no page faults per read

FramesReceived = Callable[[list[tuple[Kind, int, bytes]]], None]


class Link:
    """Both sockets of one link, on the loop. Every method must be called from the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stream: socket.socket, side: socket.socket) -> None:
        self._loop = loop
        self._stream = stream
        self._side = side
        stream.setblocking(False)
        side.setblocking(False)
        self._decoder = FrameDecoder()
        self._queued: list[bytes] = []
        self._unsent = b""
        self._flush_is_due = False
        self._flushed: list[asyncio.Future[None]] = []
        self._descriptors: deque[tuple[bytes, int]] = deque()
        self._receive: FramesReceived | None = None
        self._closed: Callable[[str], None] | None = None
        self._take_descriptor: Callable[[int, int, int], None] | None = None
        self._is_broken = False  # nothing can be sent; `closed` is called soon, or was
        self.is_closed = False

    def start(
        self,
        receive: FramesReceived,
        closed: Callable[[str], None],
        take_descriptor: Callable[[int, int, int], None] | None = None,
    ) -> None:
        """Begin to read. `receive(frames)` once per read; `closed(why)` once, `why` empty for a plain end of stream.

        `take_descriptor(request id, sequence, descriptor)` owns what it is given; without it none is accepted.
        """
        self._receive, self._closed, self._take_descriptor = receive, closed, take_descriptor
        self._loop.add_reader(self._stream.fileno(), self._readable)
        if take_descriptor is not None:
            self._loop.add_reader(self._side.fileno(), self._side_readable)

    def queue(self, frame: bytes) -> None:
        """Send this with everything else of the turn, or with the frames before it when they are enough for a write."""
        self._queued.append(frame)
        if len(self._queued) >= FRAMES_AT_ONCE and not self._unsent:
            is_due = self._flush_is_due
            self._flush()
            self._flush_is_due = is_due
            return
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def flush_after_this_turn(self) -> None:
        """Ask for the turn's write now, so that it stands behind the callbacks that were scheduled before."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def send_now(self, frame: bytes) -> bool:
        """Hand this to the kernel before returning; false when it could not be, and lies behind unsent bytes."""
        self._queued.append(frame)
        self._flush()
        return not self._unsent and not self._is_broken

    async def flushed(self) -> None:
        """Returns when everything queued so far is the kernel's. Raises ConnectionError when the link broke."""
        if self._is_broken:
            raise ConnectionError("the link is closed")
        if self._unsent or self._queued:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._flushed.append(waiter)
            await waiter

    def send_descriptor(self, request_id: int, sequence: int, descriptor: int) -> None:
        """Pass a descriptor over the side socket; this end of it is closed here, also when the link is gone."""
        self._descriptors.append((SIDE_PACKET.pack(request_id, sequence), descriptor))
        if self.is_closed:
            self._drop_descriptors()
        elif len(self._descriptors) == 1:
            self._side_writable()

    def close(self) -> None:
        """Close both sockets; `closed` is not called."""
        if self.is_closed:
            return
        self.is_closed = self._is_broken = True
        for end in (self._stream, self._side):
            self._loop.remove_reader(end.fileno())
            self._loop.remove_writer(end.fileno())
            end.close()
        self._drop_descriptors()
        self._queued.clear()
        self._unsent = b""
        for waiter in self._flushed:
            if not waiter.done():
                waiter.set_exception(ConnectionError("the link is closed"))
        self._flushed.clear()

    def _readable(self) -> None:
        try:
            data = self._stream.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(f"the link broke: {error}")
            return
        if not data:
            self._fail("the link ended inside a frame" if self._decoder.has_partial_frame else "")
            return
        assert self._receive is not None
        try:
            frames = self._decoder.receive(data)
            if frames:
                self._receive(frames)
        except WireError as error:
            self._fail(str(error))

    def _flush(self) -> None:
        self._flush_is_due = False
        if not self._queued or self._is_broken:
            return
        if self._unsent:  # the writer callback goes on with it
            return
        data = self._queued[0] if len(self._queued) == 1 else b"".join(self._queued)
        self._queued.clear()
        if not self._write(data):
            self._loop.add_writer(self._stream.fileno(), self._writable)

    def _writable(self) -> None:
        data = b"".join((self._unsent, *self._queued))
        self._queued.clear()
        if self._write(data) and not self.is_closed:
            self._loop.remove_writer(self._stream.fileno())

    def _write(self, data: bytes) -> bool:
        """Send what the kernel takes; true when nothing is left to do."""
        try:
            sent = self._stream.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._unsent = b""
            self._is_broken = True
            # not from inside the caller's own step: it may hold state that `closed` changes
            self._loop.call_soon(self._fail, f"the link broke: {error}")
            return True
        self._unsent = data[sent:] if sent < len(data) else b""
        if self._unsent:
            return False
        if self._flushed:
            waiters, self._flushed = self._flushed, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        return True

    def _side_writable(self) -> None:
        while self._descriptors:
            packet, descriptor = self._descriptors[0]
            try:
                socket.send_fds(self._side, [packet], [descriptor])
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._side.fileno(), self._side_writable)
                return
            except OSError as error:
                self._loop.call_soon(self._fail, f"a descriptor could not be passed: {error}")
                return
            self._descriptors.popleft()
            os.close(descriptor)
        self._loop.remove_writer(self._side.fileno())

    def _side_readable(self) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._side, SIDE_PACKET.size + 1, 4, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(f"the side socket broke: {error}")
            return
        if len(packet) != SIDE_PACKET.size or len(descriptors) != 1 or self._take_descriptor is None:
            for descriptor in descriptors:
                os.close(descriptor)
            self._fail("malformed packet on the side socket" if packet else "")
            return
        request_id, sequence = SIDE_PACKET.unpack(packet)
        self._take_descriptor(request_id, sequence, descriptors[0])

    def _drop_descriptors(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.popleft()[1])

    def _fail(self, why: str) -> None:
        if self.is_closed:
            return
        self.close()
        if self._closed is not None:
            self._closed(why)
