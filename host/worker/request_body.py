"""The body of a request in the worker that did not come with its head: piece by piece, under a window.

The front may send INITIAL_BODY_WINDOW bytes unasked; as many as the reader has consumed are granted again, in steps of
a quarter of the window, so that a large upload never lies in the worker's memory.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from host.api import BodyTooLarge, ClientGone, HttpError
from host.wire.errors import WireError
from host.wire.frames import BODY_GRANT_STEP, INITIAL_BODY_WINDOW
from host.worker.body_handing import may_be_handed


class Handing(NamedTuple):
    """How a body's link hands the rest of it over; called on the loop."""

    hold: Callable[[], None]
    """Ask the front to keep back what has not been sent."""
    hand_over: Callable[[int], None]
    """The front is to write that into this pipe, which the link owns from then on."""


class StreamedBody:
    """A body that is still coming. `grant(bytes)` opens the window further and is called on the loop."""

    __slots__ = (
        "_consumed",
        "_grant",
        "_handing",
        "_has_asked",
        "_has_asked_to_hold",
        "_is_complete",
        "_is_gone",
        "_left",
        "_loop",
        "_pieces",
        "_received",
        "_refusal",
        "_room",
        "_thread_waits",
        "_waiter",
        "awaits_client",
        "is_held",
        "length",
        "passed_at",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        first: bytes,
        length: int | None,
        grant: Callable[[int], None],
        *,
        expects_continue: bool = False,
        handing: Handing | None = None,
    ) -> None:
        self._loop = loop
        self._grant = grant
        self._handing = handing
        self._has_asked_to_hold = False
        self.is_held = False
        self.awaits_client = True
        self.passed_at = 0.0
        self.length = length
        self._pieces: deque[bytes] = deque([first] if first else [])
        self._received = len(first)
        self._room = INITIAL_BODY_WINDOW - len(first)
        self._consumed = 0
        self._left = 0  # bytes that may still be read before `_refusal`
        self._refusal: HttpError | None = None
        self._is_complete = False
        self._is_gone = False
        self._has_asked = not expects_continue
        self._waiter: asyncio.Future[None] | None = None
        self._thread_waits: threading.Event | None = None

    @property
    def is_at_end(self) -> bool:
        """True once everything has been read."""
        return self._is_complete and not self._pieces

    @property
    def is_complete(self) -> bool:
        """Whether no read waits any more."""
        return self._is_complete

    @property
    def received(self) -> int:
        """How many bytes have come; what the front gives to a program by itself counts as soon as it holds it."""
        return self._received if not self.is_held or self.length is None else self.length

    # --- the link's side, on the loop

    def receive(self, data: bytes) -> None:
        """More of it. Raises WireError when the front sent more than its window."""
        self._room -= len(data)
        if self._room < 0:
            raise WireError(f"the front sent {-self._room} bytes of a body more than its window")
        if self.is_held:
            raise WireError("the front sent more of a body that it said it holds")
        if data:
            self._received += len(data)
            self._pieces.append(data)
            self._wake()

    def complete(self) -> None:
        """That was all."""
        self._is_complete = True
        self._wake()

    def hold(self) -> None:
        """The front holds what it has not sent. Raises WireError when nobody has asked for that."""
        if not self._has_asked_to_hold:
            raise WireError("the front holds a body that it was to send")
        self.is_held = True
        self._wake()

    def waits(self, *, for_client: bool) -> None:
        """Whether what goes past us waits for the client now, or for whom it is given to."""
        self.awaits_client, self.passed_at = for_client, self._loop.time()

    def client_left(self) -> None:
        """Reads raise ClientGone from now on."""
        self._is_gone = True
        self._wake()

    # --- the reader's side

    async def read(self, limit: int | None = None) -> bytes:
        """Everything that is left. Raises BodyTooLarge above `limit` bytes, ClientGone when the client left."""
        self._check_announced(limit)
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read_some():
            size = _within(limit, size + len(piece))
            pieces.append(piece)
        return b"".join(pieces)

    async def read_some(self) -> bytes:
        """The next piece; empty at the end. Raises ClientGone when the client left."""
        while not (self._pieces or self._is_complete or self._is_gone or self.is_held):
            self._ask()
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece, granted = self._take()
        if granted:
            self._open_window(granted)
        return piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.read_some():
            yield piece

    def read_blocking(self, limit: int | None = None) -> bytes:
        """As `read`, from a thread of the pool."""
        self._check_announced(limit)
        pieces: list[bytes] = []
        size = 0
        while piece := self.read_some_blocking():
            size = _within(limit, size + len(piece))
            pieces.append(piece)
        return b"".join(pieces)

    def read_some_blocking(self) -> bytes:
        """As `read_some`, from a thread of the pool."""
        if self._thread_waits is None:
            self._thread_waits = threading.Event()
        while True:
            self._thread_waits.clear()  # before the look: what arrives after it sets the event again
            if self._pieces or self._is_complete or self._is_gone or self.is_held:
                break
            if not self._has_asked:
                self._loop.call_soon_threadsafe(self._ask)
            self._thread_waits.wait()
        piece, granted = self._take()
        if granted:
            self._loop.call_soon_threadsafe(self._open_window, granted)
        return piece

    # --- past us (host/programs/request_input.py)

    def ask_to_hold(self) -> None:
        """Ask the front to keep back what it has not sent, if that is worth while; `is_held` says that it does."""
        most = None if self._refusal is None else self._left
        if self._handing is None or self._has_asked_to_hold or self._is_complete or self._is_gone:
            return
        if may_be_handed(self.length, self._received, most):
            self._has_asked_to_hold = self._has_asked = True
            self._handing.hold()

    def hand_over(self, descriptor: int) -> None:
        """The front writes what it holds into this pipe, of which it is given the only copy."""
        assert self._handing is not None
        self._handing.hand_over(descriptor)

    async def passed(self) -> None:
        """Returns when all of it has gone there, or nobody has read it. Raises ClientGone when the client left."""
        while not self._is_complete and not self._is_gone:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._is_gone:
            raise ClientGone("the client closed its connection")

    def refuse_above(self, most_bytes: int, refusal: HttpError) -> None:
        """Reads raise `refusal` once more than that has come."""
        self._left, self._refusal = most_bytes, refusal

    def _take(self) -> tuple[bytes, int]:
        """The next piece and the bytes to grant now (0: not yet)."""
        if self._is_gone:
            raise ClientGone("the client closed its connection")
        if not self._pieces:
            return b"", 0
        piece = self._pieces.popleft()
        if self._refusal is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise self._refusal
        self._consumed += len(piece)
        if self._consumed < BODY_GRANT_STEP or self._is_complete:
            return piece, 0
        granted, self._consumed = self._consumed, 0
        return piece, granted

    def _open_window(self, count: int) -> None:
        self._room += count
        self._has_asked = True
        self._grant(count)

    def _ask(self) -> None:
        """A client that waits for 100 Continue is told to go on by the first grant, an empty one does."""
        if not self._has_asked:
            self._has_asked = True
            self._grant(0)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self._thread_waits is not None:
            self._thread_waits.set()

    def _check_announced(self, limit: int | None) -> None:
        if limit is not None and self.length is not None and self.length > limit:
            raise BodyTooLarge(limit)


def _within(limit: int | None, size: int) -> int:
    if limit is not None and size > limit:
        raise BodyTooLarge(limit)
    return size
