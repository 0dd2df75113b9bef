"""What an extension has written and the client has not taken: filled on any thread, emptied on the event loop.

An answer is kept whole up to responseBufferLimit and then is one response with a length, as IIS 7 does; beyond that,
or when the extension wants it flushed, it is streamed, and whoever writes waits while more than WINDOW_BYTES lie here.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Final

from host.api import CachePolicy, FileBody, HttpError, Response
from host.api.isapi import IsapiError
from host.api.win32_errors import ERROR_INVALID_PARAMETER, ERROR_NETNAME_DELETED
from host.isapi.response_head import ResponseHead

WINDOW_BYTES: Final = 256 * 1024
"""Bytes that a streamed answer may be ahead of the client; what the host has handed on is not counted."""

Piece = bytes | FileBody


class _State(enum.Enum):
    OPEN = "more may be written"
    COMPLETE = "that was all"
    CUT = "the connection is to be cut"
    GONE = "nobody takes what is written"


class Output:
    """The answer of one request. `begun` is done when there is a response to be had from `response`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, buffer_limit: int, is_connected: Callable[[], bool]) -> None:
        self._is_connected = is_connected
        self._loop = loop
        self._buffer_limit = buffer_limit
        self._changed = threading.Condition()
        self._pieces: deque[Piece] = deque()
        self._size = 0
        self._state = _State.OPEN
        self._is_streamed = False
        self._is_deaf = False  # the client wants no body (HEAD, 304): what is written is dropped
        self._waiter: asyncio.Future[None] | None = None
        self._room_awaited: Callable[[], None] | None = None
        self._failure: BaseException | None = None
        self.begun: asyncio.Future[None] = loop.create_future()
        self.head: ResponseHead | None = None
        self.implied_status: Callable[[], int] = lambda: 200  # of an answer whose extension has sent no header
        self._is_head_implied = False
        self.closes = False
        self.is_abortive = False  # and the connection is reset
        self.is_cacheable = False  # the extension wants the answer in the listener's cache
        self.flushes = buffer_limit == 0
        self.local_url = ""
        self.loop_thread = 0  # while the extension is called on the loop: there nobody would make room

    # --- the extension's side, on any thread

    def begin(self, head: ResponseHead) -> None:
        """Send the head. Raises IsapiError 87 when one was sent."""
        with self._changed:
            self._check()
            if self.head is not None or self.local_url:
                raise IsapiError(ERROR_INVALID_PARAMETER, "the response's header has been sent already")
            self.head = head
        pieces: list[Piece] = [piece for piece in (head.raw, head.rest) if piece]
        if pieces:
            self.write(pieces, waits=True)
        elif self.flushes:
            self._stream()

    def write(self, pieces: list[Piece], *, waits: bool) -> None:
        """Append to the body, and wait for room. Descriptors are this object's from now on, whatever happens.

        Raises IsapiError 64 when the client has left, 87 when the answer is complete.
        """
        with self._changed:
            try:
                self._check()
            except IsapiError:
                _close(pieces)
                raise
            if self._is_deaf:
                _close(pieces)
                if not self._is_connected():
                    raise IsapiError(ERROR_NETNAME_DELETED)
                return
            if self.head is None:
                self._imply_head(pieces)
            self._pieces.extend(pieces)
            self._size += sum(len(piece) for piece in pieces if isinstance(piece, bytes))
            if self._is_streamed or self.flushes or self._size > self._buffer_limit:
                self._stream_unlocked()
            while (
                waits
                and not self._is_on_loop()
                and self._is_streamed
                and self._size > WINDOW_BYTES
                and self._state is _State.OPEN
            ):
                self._changed.wait()
            if waits:
                self.check_taken()

    def when_room(self, callback: Callable[[], None]) -> None:
        """Call it, on the loop, as soon as a further write would not wait."""
        with self._changed:
            if self._is_streamed and self._size > WINDOW_BYTES and self._state is _State.OPEN:
                self._room_awaited = callback
                return
        self._on_loop(callback)

    def check_taken(self) -> None:
        """Raises IsapiError 64 when nobody takes what was written."""
        if self._state in (_State.GONE, _State.CUT):
            raise IsapiError(ERROR_NETNAME_DELETED)

    def complete(self, failure: BaseException | None = None) -> None:
        """Nothing more follows. With `failure` the answer is that, or, when it has begun, is cut."""
        with self._changed:
            if self._state is _State.OPEN:
                self._state = _State.COMPLETE if failure is None else _State.CUT
                self._failure = failure
            self._end_unlocked()

    def cut(self) -> None:
        """Close the client's connection now: behind what has been sent, if that is anything."""
        with self._changed:
            if self.head is not None:
                self._stream_unlocked()
        self.complete(HttpError(500, 0, "the extension closed the connection"))

    def finish(self) -> None:
        """No more may be written; the session goes on."""
        with self._changed:
            if self._state is _State.OPEN:
                self._state = _State.COMPLETE

    def answer_with(self, target: str) -> None:
        """Another URL of the site is to be the answer. Raises IsapiError 87 when a header was sent."""
        with self._changed:
            self._check()
            if self.head is not None:
                raise IsapiError(ERROR_INVALID_PARAMETER, "the response's header has been sent already")
            self.local_url = target

    def set_flushes(self, flushes: bool) -> None:
        """Whether what is written is sent at once; what is kept is sent now."""
        with self._changed:
            self.flushes = flushes or self._buffer_limit == 0
            if self.flushes and self.head is not None:
                self._stream_unlocked()

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is sent as it comes."""
        return self._is_streamed

    @property
    def is_cut(self) -> bool:
        """Whether the client's connection is to be cut."""
        return self._state is _State.CUT

    @property
    def is_open(self) -> bool:
        """Whether more may be written."""
        return self._state is _State.OPEN

    @property
    def has_content(self) -> bool:
        """Whether the extension has sent anything."""
        return self.head is not None

    # --- the host's side, on the loop

    def response(self) -> Response:
        """The answer, once `begun` is done; the body of one that `is_streamed` comes by `pieces`.

        Raises what the extension failed with.
        """
        with self._changed:
            if self._failure is not None and not self._is_streamed:
                raise self._failure
            head = self.head or ResponseHead()
            if self.local_url:
                return Response.local_redirect(self.local_url)
            if self._is_head_implied:
                head.status = self.implied_status()
            response = Response(status=head.status, reason=head.reason, headers=head.headers)
            response.close_connection = head.closes or self.closes
            response.abortive_close = self.is_abortive
            response.raw = bool(head.raw)
            if self.is_cacheable:
                response.cache = CachePolicy(ignores_cookies=True)  # as HTTP.sys, which looks at no cookie
            if self._is_streamed:
                return response
            pieces = list(self._pieces)
            self._pieces.clear()
        if any(isinstance(piece, FileBody) for piece in pieces):
            response.body = pieces
        else:
            response.body = b"".join(piece for piece in pieces if isinstance(piece, bytes))
        return response

    def leave(self, *, is_connected: bool) -> None:
        """Nobody takes the answer any more: the client has left, or wants no body."""
        with self._changed:
            _close(list(self._pieces))
            self._pieces.clear()
            self._size = 0
            if is_connected:
                self._is_deaf = True
            elif self._state is _State.OPEN:
                self._state = _State.GONE
            self._end_unlocked()

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """A streamed answer as it comes. Whoever takes a file owns its descriptor. Raises what cuts the answer."""
        while (piece := await self._next()) is not None:
            yield piece

    async def _next(self) -> Piece | None:
        while True:
            with self._changed:
                if self._pieces:
                    return self._take()
                if self._state is _State.CUT:
                    assert self._failure is not None, "what is cut has a reason"
                    raise self._failure
                if self._state is not _State.OPEN:
                    return None
                self._waiter = self._loop.create_future()
            await self._waiter

    def _take(self) -> Piece:
        piece = self._pieces.popleft()
        if isinstance(piece, bytes):
            self._size -= len(piece)
        if self._size <= WINDOW_BYTES:
            self._changed.notify_all()
            self._tell_room()
        return piece

    # --- both

    def _check(self) -> None:
        self.check_taken()
        if self._state is _State.COMPLETE:
            raise IsapiError(ERROR_INVALID_PARAMETER, "the answer is complete")

    def _imply_head(self, pieces: list[Piece]) -> None:
        """Bytes before any header: an answer that the extension frames by itself, or the body of a plain 200."""
        first = pieces[0] if pieces else b""
        if isinstance(first, bytes) and first.startswith(b"HTTP/"):
            self.head = ResponseHead(closes=True, raw=first)
        else:
            self.head = ResponseHead()
            self._is_head_implied = True

    def _stream(self) -> None:
        with self._changed:
            self._stream_unlocked()

    def _stream_unlocked(self) -> None:
        if not self._is_streamed:
            self._is_streamed = True
            self._announce_from_anywhere()
        self._wake()

    def _end_unlocked(self) -> None:
        self._changed.notify_all()
        self._tell_room()
        self._announce_from_anywhere()
        self._wake()

    def _tell_room(self) -> None:
        callback, self._room_awaited = self._room_awaited, None
        if callback is not None:
            self._on_loop(callback)

    def _is_on_loop(self) -> bool:
        return self.loop_thread == threading.get_ident()

    def _announce_from_anywhere(self) -> None:
        if self._is_on_loop():
            self._announce()
        else:
            self._on_loop(self._announce)

    def _announce(self) -> None:
        if not self.begun.done():
            self.begun.set_result(None)

    def _wake(self) -> None:
        if self._waiter is not None:
            self._on_loop(self._wake_waiter)

    def _wake_waiter(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _on_loop(self, callback: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the worker has ended
            self._loop.call_soon_threadsafe(callback)


def _close(pieces: list[Piece]) -> None:
    for piece in pieces:
        if isinstance(piece, FileBody):
            os.close(piece.descriptor)
