"""A request that was forwarded to a dllhost, as inetinfo sees it: what came of its answer and is not taken yet."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import NamedTuple

from host.api import CachePolicy, Request
from host.wire.frames import FILE_WINDOW_BYTES, INITIAL_BODY_WINDOW, INITIAL_RESPONSE_WINDOW, ResponseFrame
from host.wire.request_dialogue import FlowWindow, RequestState


class FilePiece(NamedTuple):
    """A FILE frame; its descriptor comes beside the stream, before or after it."""

    sequence: int
    offset: int
    length: int


class Call:
    """One forwarded request, from REQUEST to END or RESET, and until its last descriptor has come."""

    def __init__(self, number: int, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        self.request = request
        self.state = RequestState.SENT
        self.head: asyncio.Future[ResponseFrame] = loop.create_future()
        self.pieces: deque[bytes | FilePiece] = deque()
        self.descriptors: dict[int, int] = {}
        self.descriptors_to_come = 0  # FILE frames less descriptors; negative when these were faster
        self.arrived = asyncio.Event()
        self.window = FlowWindow(INITIAL_RESPONSE_WINDOW)
        self.body_room = INITIAL_BODY_WINDOW
        self.body_opened = asyncio.Event()
        self.failure: Exception | None = None
        self.cache: CachePolicy | None = None
        self.is_abandoned = False  # nobody reads the answer any more

    @property
    def is_done(self) -> bool:
        """Whether no further frame will come."""
        return self.state is RequestState.DONE

    def fail(self, error: Exception) -> None:
        """It will not be answered, or not completely."""
        self.state, self.failure = RequestState.DONE, error
        if not self.head.done():
            self.head.set_exception(error)
            self.head.exception()  # seen: the caller may have been cancelled
        self.wake()

    def refuse(self, error: Exception) -> None:
        """The request itself is refused; what the dllhost still says of it is passed over."""
        self.failure = error
        if not self.head.done():
            self.head.set_exception(error)
            self.head.exception()  # seen: the caller may have been cancelled
        self.wake()

    def wake(self) -> None:
        """Something changed for the two who may wait."""
        self.arrived.set()
        self.body_opened.set()

    def add_piece(self, piece: bytes | FilePiece) -> None:
        """More of the answer's body. Raises WireError beyond the window."""
        if isinstance(piece, FilePiece):
            self.window.spend(FILE_WINDOW_BYTES)
            self.descriptors_to_come += 1
        else:
            self.window.spend(len(piece))
        if not self.is_abandoned:
            self.pieces.append(piece)

    def add_descriptor(self, sequence: int, descriptor: int) -> None:
        """A descriptor came."""
        self.descriptors_to_come -= 1
        if self.is_abandoned:
            os.close(descriptor)
        else:
            self.descriptors[sequence] = descriptor
        self.wake()

    def abandon(self) -> None:
        """Nobody will read what comes."""
        self.is_abandoned = True
        self.pieces.clear()
        while self.descriptors:
            os.close(self.descriptors.popitem()[1])
