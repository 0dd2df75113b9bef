"""The listener's end of the link, as far as a test needs one: sends requests, collects their answers. On the loop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from host.wire.codec import (
    decode_file,
    decode_log,
    decode_number,
    decode_reset,
    decode_response,
    encode,
    encode_number,
    encode_pipe_state,
    encode_request,
    encode_session_end,
)
from host.wire.frames import (
    FILE_WINDOW_BYTES,
    INITIAL_BODY_WINDOW,
    Kind,
    LogFrame,
    PipeState,
    RequestFrame,
    ResponseFlag,
    ResponseFrame,
)
from host.worker.link import Link

_NOBODYS_APPLICATION: Final = b"0:/"
"""No site has the number 0: a request for it comes back at once, behind everything that was sent before."""

_READ_BYTES: Final = 1024 * 1024


@dataclass(slots=True)
class Incoming:
    """One request's answer while it comes. `arrived` are pieces of the body that nobody has taken yet."""

    number: int
    grants_at_once: bool  # otherwise the response window opens as far as the test has read
    head: ResponseFrame | None = None
    arrived: deque[bytes] = field(default_factory=deque)
    log: LogFrame | None = None
    reset: tuple[int, int, str] | None = None
    has_last_frame: bool = False
    has_ended: bool = False  # in the worker, too: no plugin will be called for it any more
    body_room: int = INITIAL_BODY_WINDOW
    files: deque[tuple[int, int, int] | bytes] = field(default_factory=deque)  # pieces behind a file that still comes
    descriptors: dict[int, int] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether all of the answer is there."""
        return self.has_last_frame and (not self.files or self.reset is not None)


class Front:
    """Owns one end of a link; `engine_end` and `engine_side` are for the engine to attach."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        mine, self.engine_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        my_side, self.engine_side = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link = Link(loop, mine, my_side)
        self._link.start(self._receive, self._closed, self._take_descriptor)
        self._incoming: dict[int, Incoming] = {}
        self._number = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._broken: str | None = None

    def send(self, frame: RequestFrame, *, grants_at_once: bool = True) -> Incoming:
        """Send a request's head with as much of its body as the frame has."""
        self._number += 1
        incoming = self._incoming[self._number] = Incoming(self._number, grants_at_once)
        incoming.body_room -= len(frame.body)
        self._link.queue(encode_request(self._number, frame))
        return incoming

    async def send_body(self, incoming: Incoming, data: bytes) -> bool:
        """More of the request's body, as the window allows; false when the answer was over before all was sent."""
        at = 0
        while at < len(data):
            await self.until(lambda: incoming.body_room > 0 or incoming.has_last_frame)
            if incoming.has_last_frame:
                return False
            piece = data[at : at + incoming.body_room]
            at += len(piece)
            incoming.body_room -= len(piece)
            self._link.queue(encode(Kind.BODY, incoming.number, piece))
        return True

    def end_body(self, incoming: Incoming) -> None:
        """The request's body is complete."""
        self._link.queue(encode(Kind.BODY_END, incoming.number))

    def open_window(self, incoming: Incoming, count: int) -> None:
        """The client has taken `count` bytes."""
        if not incoming.has_last_frame:
            self._link.queue(encode_number(Kind.WINDOW, incoming.number, count))

    def abort(self, incoming: Incoming) -> None:
        """The client is gone."""
        self._link.queue(encode(Kind.ABORT, incoming.number))

    async def end_session(self, connection: int) -> None:
        """The client's connection is closed; returns when the worker has heard it."""
        self._link.queue(encode_session_end(connection))
        barrier = self.send(RequestFrame(0, b"", _NOBODYS_APPLICATION, b"GET", b"/", b"", 0, b""))
        await self.until(lambda: barrier.has_last_frame)
        del self._incoming[barrier.number]

    def request_ended(self, number: int) -> None:
        """The worker has done everything for that request."""
        incoming = self._incoming.get(number)
        if incoming is not None:
            incoming.has_ended = True
            self._changed(incoming)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until frames have made `condition` true. Raises ConnectionError when the link is broken."""
        while not condition():
            if self._broken is not None:
                raise ConnectionError(f"the worker has closed its link: {self._broken}")
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def close(self) -> None:
        """Close this end: the clients of requests under way are gone."""
        for incoming in self._incoming.values():
            _close_files(incoming)
        self._incoming.clear()
        self._link.close()

    # --- frames

    def _receive(self, frames: list[tuple[Kind, int, bytes]]) -> None:
        for kind, number, body in frames:
            incoming = self._incoming.get(number)
            if incoming is not None:  # credits belong to none
                self._take(incoming, kind, body)
                self._changed(incoming)

    def _take(self, incoming: Incoming, kind: Kind, body: bytes) -> None:
        match kind:
            case Kind.RESPONSE:
                incoming.head = decode_response(body)
                incoming.files.extend([incoming.head.body] if incoming.head.body else [])
                incoming.has_last_frame = bool(incoming.head.flags & ResponseFlag.COMPLETE)
            case Kind.DATA:
                incoming.files.append(body)
            case Kind.FILE:
                incoming.files.append(decode_file(body))
            case Kind.PIPE:  # it reads none: the worker goes on by frames
                self._link.queue(encode_pipe_state(incoming.number, PipeState.RETURNED, 0))
            case Kind.END:
                incoming.has_last_frame = True
            case Kind.RESET:
                status, substatus, _, reason = decode_reset(body)
                incoming.reset = (status, substatus, reason)
                incoming.has_last_frame = True
            case Kind.BODY_WINDOW:
                incoming.body_room += decode_number(body)
            case Kind.LOG:
                incoming.log = decode_log(body)
            case _:
                pass
        self._put_in_order(incoming)

    def _put_in_order(self, incoming: Incoming) -> None:
        """Pieces become readable up to the first file whose descriptor has not come."""
        while incoming.files:
            piece = incoming.files[0]
            if isinstance(piece, bytes):
                count = len(piece)
                incoming.arrived.append(piece)
            else:
                sequence, offset, length = piece
                descriptor = incoming.descriptors.pop(sequence, None)
                if descriptor is None:
                    return
                count = FILE_WINDOW_BYTES
                incoming.arrived.extend(_content(descriptor, offset, length))
            incoming.files.popleft()
            if incoming.grants_at_once:
                self.open_window(incoming, count)

    def _take_descriptor(self, number: int, sequence: int, descriptor: int) -> None:
        incoming = self._incoming.get(number)
        if incoming is None:
            os.close(descriptor)
            return
        incoming.descriptors[sequence] = descriptor
        self._put_in_order(incoming)
        self._changed(incoming)

    def _changed(self, incoming: Incoming) -> None:
        if incoming.has_ended and incoming.is_over:
            _close_files(incoming)
            self._incoming.pop(incoming.number, None)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _closed(self, why: str) -> None:
        self._broken = why or "it has ended"
        for incoming in list(self._incoming.values()):
            self._changed(incoming)


def _content(descriptor: int, offset: int, length: int) -> list[bytes]:
    """What a file body holds, in pieces; the descriptor is closed."""
    pieces = []
    try:
        while length > 0 and (piece := os.pread(descriptor, min(length, _READ_BYTES), offset)):
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
    finally:
        os.close(descriptor)
    return pieces


def _close_files(incoming: Incoming) -> None:
    while incoming.descriptors:
        os.close(incoming.descriptors.popitem()[1])
