"""inetinfo's end of a link to one dllhost: requests out, answers in, both ways under windows.

The dialogue is the one between front and worker, so a dllhost is an ordinary worker. What it answers becomes an
`api.Response` again; pieces of files keep their descriptors.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Final

from host.api import CachePolicy, ClientGone, FileBody, Headers, HttpError, Request, Response
from host.wire.codec import (
    decode_cache,
    decode_end,
    decode_file,
    decode_log,
    decode_number,
    decode_reset,
    decode_response,
    encode,
    encode_number,
    encode_request,
    encode_session_end,
)
from host.wire.errors import WireError
from host.wire.frames import (
    FILE_WINDOW_BYTES,
    INITIAL_RESPONSE_WINDOW,
    MAX_DATA_BYTES,
    CacheFlag,
    CacheFrame,
    Kind,
    LogFrame,
    RequestFlag,
    RequestFrame,
    ResponseFlag,
    ResponseFrame,
)
from host.wire.request_dialogue import RequestState, next_state
from host.worker.connection_facts import facts_of
from host.worker.error_responses import RefusedElsewhere
from host.worker.forwarding import forwarded_block
from host.worker.host_call import Call, FilePiece
from host.worker.link import Link

_GRANT_STEP: Final = INITIAL_RESPONSE_WINDOW // 4
_DIED: Final = "the dllhost of this application ended before it answered"


class _AnswerBody:
    """A body as it comes. Not a generator: one that is closed before its first piece would not be told."""

    def __init__(self, pieces: AsyncGenerator[bytes | FileBody, None], abandon: Callable[[], None]) -> None:
        self._pieces = pieces
        self._abandon = abandon

    def __aiter__(self) -> AsyncGenerator[bytes | FileBody, None]:
        return self._pieces

    async def aclose(self) -> None:
        """Everything was taken, or nobody wants the rest."""
        await self._pieces.aclose()
        self._abandon()


class HostLink:
    """A link to a dllhost. `changed` is called when credit came or the link closed (with the reason, if any)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stream: socket.socket,
        side: socket.socket,
        changed: Callable[[HostLink, str], None],
    ) -> None:
        self._loop = loop
        self._link = Link(loop, stream, side)
        self._changed = changed
        self._numbers = itertools.count(1)
        self._calls: dict[int, Call] = {}
        self._senders: set[asyncio.Task[None]] = set()
        self.credit = 0
        self.is_draining = False
        self._link.start(self._receive, self._closed, self._take_descriptor)

    @property
    def is_closed(self) -> bool:
        """Whether the dllhost is gone."""
        return self._link.is_closed

    def drain(self) -> None:
        """No further request follows; the dllhost ends when it has answered those it has."""
        self.is_draining = True
        if not self.is_closed:
            self._link.queue(encode(Kind.DRAIN, 0))

    def close(self) -> None:
        """Let go of it."""
        self._link.close()
        self._closed("")

    def session_ended(self, connection_number: int) -> None:
        """A client connection is closed."""
        if not self.is_closed:
            self._link.queue(encode_session_end(connection_number))

    async def handle(self, request: Request) -> Response:
        """Forward a request; the caller has spent one of the link's credits for it.

        Raises HttpError (502.3 when the dllhost dies, RefusedElsewhere with the page when it refuses, or what it
        reports instead of an answer). Cancelling it sends ABORT.
        """
        if self.is_closed:
            raise HttpError(502, 3, _DIED)
        call = Call(next(self._numbers), request, self._loop)
        self._calls[call.number] = call
        self._send_request(call, request)
        try:
            frame = await call.head
        except asyncio.CancelledError:
            self._abandon(call)
            raise
        response = self._response(call, frame)
        if frame.flags & ResponseFlag.REFUSAL:
            raise RefusedElsewhere(response)
        return response

    def _response(self, call: Call, frame: ResponseFrame) -> Response:
        line, _, fields = frame.head.partition(b"\r\n")
        response = Response(
            status=frame.status,
            reason=line.decode("latin-1").partition(" ")[2],
            headers=Headers.from_raw(fields),
            body=frame.body,
            substatus=frame.substatus,
            win32_status=frame.win32_status,
            close_connection=bool(frame.flags & ResponseFlag.CLOSE),
            abortive_close=bool(frame.flags & ResponseFlag.ABORTIVE),
            raw=bool(frame.flags & ResponseFlag.RAW),
            cache=call.cache,
        )
        if not frame.flags & ResponseFlag.COMPLETE:
            if frame.body:
                call.pieces.appendleft(frame.body)
            response.body = _AnswerBody(self._stream(call), partial(self._abandon, call))
        return response

    async def _stream(self, call: Call) -> AsyncGenerator[bytes | FileBody, None]:
        """The body as it comes; the window opens again by what was taken. The reader closes the files."""
        taken = 0
        try:
            while True:
                while call.pieces:
                    piece = call.pieces.popleft()
                    if isinstance(piece, FilePiece):
                        descriptor = await self._descriptor(call, piece.sequence)
                        yield FileBody(descriptor, piece.offset, piece.length)
                        taken += FILE_WINDOW_BYTES
                    else:
                        yield piece
                        taken += len(piece)
                    if taken >= _GRANT_STEP:
                        self._grant(call, taken)
                        taken = 0
                if call.failure is not None:
                    raise call.failure
                if call.is_done:
                    return
                call.arrived.clear()
                await call.arrived.wait()
        finally:
            self._abandon(call)

    async def _descriptor(self, call: Call, sequence: int) -> int:
        while sequence not in call.descriptors:
            if self.is_closed:
                raise HttpError(502, 3, _DIED)
            call.arrived.clear()
            await call.arrived.wait()
        return call.descriptors.pop(sequence)

    # --- out

    def _send_request(self, call: Call, request: Request) -> None:
        flags = RequestFlag.HTTP_1_1 if request.http_version == "1.1" else RequestFlag(0)
        if request.connection.is_secure:
            flags |= RequestFlag.SECURE
        body = b""
        length = request.body.length
        if length == 0 or request.body.is_at_end:
            flags |= RequestFlag.BODY_COMPLETE
        else:
            flags |= RequestFlag.HAS_BODY
            sender = self._loop.create_task(self._send_body(call, request))
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        application = request.application
        frame = RequestFrame(
            int(flags),
            facts_of(request.connection),
            f"{application.site_id}:{application.path}".encode(),
            request.method.encode("latin-1"),
            request.raw_target.encode("latin-1"),
            forwarded_block(request),
            -1 if length is None else length,
            body,
        )
        self._link.queue(encode_request(call.number, frame))

    async def _send_body(self, call: Call, request: Request) -> None:
        """The request's body under the dllhost's window; ends with the call."""
        try:
            async for piece in request.body:
                at = 0
                while at < len(piece):
                    while call.body_room <= 0 and not call.is_done:
                        call.body_opened.clear()
                        await call.body_opened.wait()
                    if call.is_done:
                        return
                    data = piece[at : at + min(MAX_DATA_BYTES, call.body_room)]
                    at += len(data)
                    call.body_room -= len(data)
                    self._link.queue(encode(Kind.BODY, call.number, data))
        except ClientGone:
            self._abandon(call)
            return
        except HttpError as refusal:  # a filter limits the body
            call.refuse(refusal)
            self._abandon(call)
            return
        if not call.is_done:
            self._link.queue(encode(Kind.BODY_END, call.number))

    def _abandon(self, call: Call) -> None:
        """Nobody wants the answer any more, or all of it was taken."""
        if call.is_abandoned:
            return
        call.abandon()
        if not call.is_done and not self.is_closed:
            self._link.queue(encode(Kind.ABORT, call.number))

    def _grant(self, call: Call, count: int) -> None:
        if not call.is_done and not self.is_closed:
            call.window.grant(count)
            self._link.queue(encode_number(Kind.WINDOW, call.number, count))

    # --- in

    def _receive(self, frames: list[tuple[Kind, int, bytes]]) -> None:
        for kind, number, body in frames:
            if kind is Kind.CREDIT:
                self._give_credit(decode_number(body))
                continue
            call = self._calls.get(number)
            if call is None or call.is_done:
                raise WireError(f"{kind.name} for request {number}, which is not under way")
            call.state = next_state(call.state, kind)
            self._take(call, kind, body)
            call.wake()

    def _take(self, call: Call, kind: Kind, body: bytes) -> None:
        if kind is Kind.RESPONSE:
            frame = decode_response(body)
            if frame.flags & ResponseFlag.COMPLETE:
                self._finish(call, frame.credit)
            if not call.head.done():
                call.head.set_result(frame)
        elif kind is Kind.DATA:
            call.add_piece(body)
        elif kind is Kind.FILE:
            call.add_piece(FilePiece(*decode_file(body)))
        elif kind is Kind.PIPE:
            raise WireError("a dllhost lends no pipe: its front is a worker itself")
        elif kind is Kind.CACHE:
            call.cache = _time_limited(decode_cache(body))
        elif kind is Kind.LOG:
            _note_log(call.request, decode_log(body))
        elif kind is Kind.BODY_WINDOW:
            call.body_room += decode_number(body)
        elif kind is Kind.END:
            self._finish(call, decode_end(body))
        elif kind is Kind.RESET:
            status, substatus, credit, reason = decode_reset(body)
            self._finish(call, credit)
            call.fail(HttpError(status, substatus, reason))

    def _finish(self, call: Call, credit: int) -> None:
        call.state = RequestState.DONE
        if call.descriptors_to_come <= 0:
            self._calls.pop(call.number, None)
        if credit:
            self._give_credit(credit)

    def _give_credit(self, count: int) -> None:
        self.credit += count
        self._changed(self, "")

    def _take_descriptor(self, number: int, sequence: int, descriptor: int) -> None:
        call = self._calls.get(number)
        if call is None:
            os.close(descriptor)
            return
        call.add_descriptor(sequence, descriptor)
        if call.is_done and call.descriptors_to_come <= 0:
            del self._calls[number]

    def _closed(self, why: str) -> None:
        error = HttpError(502, 3, _DIED, remedy="The event log says why it ended; a request starts it again.")
        calls, self._calls = list(self._calls.values()), {}
        for call in calls:
            if not call.is_done:
                call.fail(error)
            call.wake()
        self._changed(self, why)


def _time_limited(frame: CacheFrame) -> CachePolicy | None:
    """What the front may offer on: nobody there hears when a dllhost's answer is out of date before its time."""
    if not frame.seconds:
        return None
    return CachePolicy(seconds=frame.seconds, ignores_cookies=bool(frame.flags & CacheFlag.IGNORES_COOKIES))


def _note_log(request: Request, frame: LogFrame) -> None:
    """What the handler wants in the log line; the line itself is settled here, where the filters are."""
    if frame.target:
        request.host.append_to_log(frame.target.removeprefix(request.raw_target).removeprefix("?"))
    if frame.status:
        request.host.set_log_status(int(frame.status))
