"""A call of a WSGI application on the worker's main thread (threadingModel="Single"): no thread, no task, no lock.

The event loop stands still while the application is at work, and goes on between the pieces of an answer that it
yields. What it hands to `write()` leaves when it returns or yields: nothing can leave while it does neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any

from host.api import NO_MORE, Request, Response, SteppedBody, call_plainly
from host.python_apps.wsgi_call import Callee, RunCode, WsgiCall, check_piece


class MainThreadCall(WsgiCall):
    """`answer` makes the call. The request's body must be complete, and the turn be this call's."""

    __slots__ = ("_context", "_iterable", "_iterator", "_run_code", "_step", "_written")

    def __init__(self, callee: Callee, request: Request, run_code: RunCode) -> None:
        super().__init__(callee, request)
        self._run_code = run_code
        self._context = Context()
        self._step: Callable[[], Any] = _nothing
        self._iterable: Any = None
        self._iterator: Iterator[Any] | None = None
        self._written: list[bytes] = []

    def answer(self) -> Response:
        """The application's response. Raises what it raises, HttpError for a refused body, ClientGone."""
        is_streamed = False
        try:
            response: Response = self._run(self._begin)
            is_streamed = self._iterator is not None
            return response
        finally:
            if not is_streamed:
                self._leave()

    def run(self) -> Any:
        """The application's code that is due, in the call's context (Runnable)."""
        return self._context.run(self._step)

    def _run(self, step: Callable[[], Any]) -> Any:
        self._step = step
        try:
            return call_plainly(self._run_code, self, self._request)
        except BaseException as error:
            self._accuse(error)
            refusal = self._input.refusal
            if refusal is None or refusal is error:
                raise
            raise refusal from error
        finally:
            self._step = _nothing  # a method of this: no circle is left for the collector

    def _begin(self) -> Response:
        iterable = self._enter()
        is_streamed = False
        try:
            complete = None if self._written else self._complete(iterable)
            response = self._first(iterable) if complete is None else self._head(complete)
            is_streamed = self._iterator is not None
            return response
        finally:
            if not is_streamed:
                self._let_go(iterable)

    def _first(self, iterable: Any) -> Response:
        """The response of what yields pieces: whole when the first is all that was promised, or nothing comes."""
        self._iterator = iter(iterable)
        piece: bytes | None = b""
        while piece == b"":  # before the first bytes of its body an application may still change its mind
            piece = self._next()
        if piece is None or len(piece) == self._promised:
            self._iterator = None
            return self._head(piece or b"")
        self._iterable, self._has_written = iterable, True
        return self._head(SteppedBody(self._take, self._end, piece, culprit=self._callee.name))

    def _next(self) -> bytes | None:
        """The next piece, behind what was written meanwhile; None behind the last."""
        assert self._iterator is not None, "there is one while pieces are asked for"
        piece: Any = next(self._iterator, NO_MORE)
        is_over = piece is NO_MORE
        if is_over or not piece:  # whatever is empty is passed over, as on a thread
            piece = b""
        check_piece(piece)
        if self._written:
            piece = b"".join([*self._written, piece])
            self._written.clear()
        self._count(len(piece))
        return None if is_over and not piece else piece

    def _write(self, data: Any) -> None:
        check_piece(data)
        if data:
            if self._input.refusal is not None:
                raise self._input.refusal
            self._written.append(data)
            self._has_written = True

    # --- while the answer is sent

    def _take(self) -> Any:
        piece = self._run(self._next)
        return NO_MORE if piece is None else piece

    def _end(self) -> None:
        try:
            self._run(self._close)
        finally:
            self._leave()

    def _close(self) -> None:
        self._let_go(self._iterable)

    def _leave(self) -> None:
        self._errors.close_line()
        if self._callee.turn is not None:
            self._callee.turn.give_back()


def _nothing() -> None:
    """No code of the application is due."""
