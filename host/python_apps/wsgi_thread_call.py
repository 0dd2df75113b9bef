"""A call of a WSGI application on one thread of the worker, from its begin to the iterable's `close()`.

An answer that is complete when the application returns goes to the client in one piece. Otherwise the thread goes on
while the client takes what it has made (`ThreadedBody`), and waits when the client is slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from contextvars import Context
from typing import Any

from host.api import ClientGone, FileBody, PendingResult, Request, Response
from host.api.thread_work import ThreadWork
from host.python_apps.threaded_body import ThreadedBody
from host.python_apps.wsgi_call import Callee, WsgiCall, check_piece


class ThreadCall(WsgiCall):
    """Under way on a thread; `answer` waits for what comes of it."""

    __slots__ = ("_body", "_pending", "_response", "_work")

    def __init__(self, callee: Callee, request: Request, pending: PendingResult) -> None:
        super().__init__(callee, request)
        self._pending = pending
        self._body: ThreadedBody | None = None
        self._response: Response | None = None
        self._work = ThreadWork(callee.loop)

    # --- on the thread

    def run(self) -> Response | None:
        """Call the application; its response, also when that has been handed over as it was made. None: abandoned.

        The end of a call may be noted on the loop before what the call has handed over.
        """
        if not self._work.begin():
            self._end_turn()
            return None
        body = None
        failure: BaseException | None = None
        try:
            whole = Context().run(self._call)
            if whole is not None:
                self._response = whole
        except BaseException as error:
            failure = self._input.refusal or error
            self._accuse(failure)
            if self._body is None:
                raise failure from (error if failure is not error else error.__cause__)
        finally:
            body = self._body
            self._errors.close_line()
            self._end_turn()
            if body is not None:
                body.finish(failure)
            failure = body = None  # the one leads to this frame, the other to it: no circle is left for the collector
            self._work.end(self._drop_response)
        return self._response

    def _call(self) -> Response | None:
        iterable = self._enter()
        try:
            return self._answer(iterable)
        finally:
            self._let_go(iterable)

    def _answer(self, iterable: Any) -> Response | None:
        if self._body is None and (complete := self._complete(iterable)) is not None:
            return self._head(complete)
        sent = 0
        for piece in iterable:
            if not piece:
                continue
            if piece.__class__ is not bytes:
                check_piece(piece)
            if self._body is None and len(piece) == self._promised:
                return self._head(piece)
            self._write(piece)
            sent += len(piece)
            if sent == self._promised:
                break
        return self._head(b"") if self._body is None else None

    def _write(self, data: Any) -> None:
        check_piece(data)
        self._count(len(data))
        if self._body is not None:
            self._body.push(data)
        elif data:
            loop = self._callee.loop
            body = ThreadedBody(loop, self._callee.name)
            response = self._head(body)
            with self._work.lock:
                if self._work.is_abandoned:
                    raise ClientGone("the client closed its connection")
                self._body = body  # from now on `abandon` closes it
                self._has_written = True
                self._response = response
            body.push(data)
            loop.call_soon_threadsafe(self._hand_over, response)

    def _end_turn(self) -> None:
        turn = self._callee.turn
        if turn is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._callee.loop.call_soon_threadsafe(turn.give_back)

    # --- on the loop

    @property
    def response(self) -> Response | None:
        """The response, once `answer` has nothing to wait for. None: it raises."""
        return self._response

    async def answer(self) -> Response:
        """The answer. Raises what the application raises; when it is cancelled, the thread's end is waited for."""
        cancelled: asyncio.CancelledError | None = None
        try:
            response: Response = await self._pending
            return response
        except asyncio.CancelledError as error:
            cancelled = error
        await self.abandon()
        try:
            raise cancelled
        finally:
            cancelled = None  # it holds this frame

    def _hand_over(self, response: Response) -> None:
        if not self._pending.done():
            self._pending.set_result(response)

    async def abandon(self) -> None:
        """The request is over without its answer. Returns when no thread is at work for it."""
        if not self._work.abandon():
            self._drop_response()
            return
        if self._body is not None:
            await self._body.aclose()
        await self._work.ended()

    def _drop_response(self) -> None:
        """On the thread, or on the loop when no thread is at work."""
        response = self._response
        if response is None:
            return
        body, response.body = response.body, b""
        if isinstance(body, FileBody):
            os.close(body.descriptor)
