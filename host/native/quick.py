"""A call without a session as long as none is needed: on a thread, or (ISAPY_QUICK_PROC) on the event loop.

Nearly every answer is a header and some writes. They are kept, by the library itself where it can (`front.Front`),
else here, and become a response when the proc returns. The first thing that needs more (another support function, an
answer beyond responseBufferLimit, HSE_STATUS_PENDING) makes the session and gives it what has been kept: from then on
it is a request like any other.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

from host.api import Request, Response, reason_phrase
from host.api.isapi import HSE_IO_ASYNC, HSE_STATUS_PENDING
from host.api.win32_errors import ERROR_INVALID_PARAMETER
from host.isapi.control_block import paths_of
from host.isapi.driver import answer_of
from host.isapi.response_head import ResponseHead, parse_head
from host.isapi.sending import ExtensionControlBlock
from host.isapi.server_variables import variable
from host.isapi.session import SUCCESSES, ExtensionFacts, Session
from host.native.blocks import NativeBlock, block_texts
from host.native.failing import Failed
from host.native.front import Front, Kept, new_block
from host.native.library import Library

_UNICODE: Final = "UNICODE_"
_PROC: Final = "HttpExtensionProc"
_MEMORABLE_BYTES: Final = 1024
"""Header texts up to this length are parsed once; longer ones are hardly the same each time."""


_lock: Final = threading.RLock()
"""A library may use a block on its own threads while its proc runs: one at a time changes what is kept."""


class Callee(NamedTuple):
    """What is called: HttpExtensionProc of a library, and what that keeps by itself."""

    library: Library
    proc: Any
    front: Front | None


class QuickBlock(NativeBlock):
    """A request without a body. `run` on a thread, or `respond` on the loop."""

    __slots__ = (
        "_facts",
        "_front",
        "_has_returned",
        "_head",
        "_is_abandoned",
        "_is_on_loop",
        "_kept",
        "_limit",
        "_loop",
        "_opened",
        "_paths",
        "_pieces",
        "_proc",
        "_request",
        "_size",
        "_thread_id",
        "response",
    )

    def __init__(self, callee: Callee, request: Request, facts: ExtensionFacts, *, is_direct: bool) -> None:
        """To be called on the loop. The request must have no body."""
        mapping = request.mapping
        self.library, self._proc, self._front = callee
        self.response: Response | None = None
        self._request = request
        self._facts = facts
        self._paths = paths_of(request, is_direct=is_direct)
        self._head: ResponseHead | None = None
        self._kept: Kept | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._limit = mapping.response_buffer_limit if mapping is not None else 0
        self._loop = asyncio.get_running_loop()
        self._thread_id = 0
        self._is_on_loop = self._is_abandoned = self._has_returned = False
        self._opened: Callable[[], None] | None = None
        self._ecb = None

    # --- its life

    def run(self) -> None:
        """Call the proc on this thread, a thread of the pool: `response` is there afterwards, or `session`."""
        self.response = self._finish(self._call())

    def respond(self) -> Response | Awaitable[Response]:
        """Call it on the loop; the answer is there at once unless it is streamed or pending."""
        self._is_on_loop = True
        return self._finish(self._call()) or answer_of(self.ecb.session)

    def when_opened(self, callback: Callable[[], None]) -> None:
        """Call it as soon as there is a session while the proc runs, on whatever thread that is. Before `run`."""
        self._opened = callback

    @property
    def session(self) -> Session | None:
        """The session, if one has been needed."""
        return None if self._ecb is None else self._ecb.session

    def abandon(self) -> None:
        """Nobody waits for the answer. On the loop."""
        with _lock:
            self._is_abandoned = True
            session = self.session
        if session is not None:
            session.abandon()

    def _call(self) -> int:
        request = self._request  # whoever examines the stacks of a worker that hangs finds it here
        self._thread_id = threading.get_ident()
        library, front, kept = self.library, self._front, None
        if front is None:
            self.fill(library, request, self._paths, b"", 0)
        else:
            texts = block_texts(request, self._paths)
            struct, held = new_block(texts)
            number = self.enlist(library, struct, held)
            if self._limit:
                self._kept = kept = front.borrow(self._limit)
        place = library.black_box.enter(library.path, _PROC, request)
        try:
            if front is None:
                status = int(self._proc(self.struct))
            else:
                status = front.call(kept, number, self.struct, texts, self._proc)
        finally:
            library.black_box.leave(place)
        if status == HSE_STATUS_PENDING:
            self.place = library.black_box.hold(library.path, f"{_PROC}, pending", request)
        if kept is not None and front is not None:
            with _lock:
                self._take_kept(is_running=False)
            front.give_back(kept)
        return status

    def _finish(self, status: int) -> Response | None:
        """The proc has returned: its answer, or None when it is the session's."""
        struct, head = self.struct, self._head
        with _lock:  # whoever opens a session from now on, on another thread, does so before or after this
            self._has_returned = True
            is_plain = self._ecb is None and head is not None and status in SUCCESSES
            is_plain = is_plain and struct.dwHttpStatusCode == 200 and struct.lpszLogData[0] == b"\0"
            if is_plain:
                self.release()
        if is_plain:
            assert head is not None
            body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            response = Response(status=head.status, reason=head.reason, headers=head.headers.copy(), body=body)
            response.close_connection = head.closes
            return response
        session: Session = self.ecb.session
        session.output.loop_thread = 0
        if not session.is_done and status != HSE_STATUS_PENDING:
            self.read_back()
        session.returned(status)
        return None

    # --- what is kept, and the session that takes it over

    @property
    def ecb(self) -> Any:
        """The control block of a session, which is made when it is wanted for the first time."""
        if self._ecb is None:
            with _lock:
                if self._ecb is None:
                    self._ecb = self._open_session()
        return self._ecb

    def _open_session(self) -> ExtensionControlBlock:
        if self.is_over:  # a thread of the library that was looking for the block when the proc returned
            raise Failed(ERROR_INVALID_PARAMETER)
        self._take_kept(is_running=True)
        session = Session(self._request, self.library.path, self._facts, self._loop)
        session.output.loop_thread = self._thread_id if self._is_on_loop and not self._has_returned else 0
        ecb = ExtensionControlBlock(session, self._paths)
        session.when_released(self.release)
        if self._head is not None:
            session.output.begin(_own(self._head))
        if self._pieces:
            session.output.write([b"".join(self._pieces)], waits=False)
        if self._is_abandoned:
            session.output.leave(is_connected=False)
        self._ecb = ecb
        if self._opened is not None and not self._has_returned:
            self._opened()
        return ecb

    def _take_kept(self, *, is_running: bool) -> None:
        """What the library has kept so far; `is_running`: the proc may still be sending. Under the lock."""
        kept, front = self._kept, self._front
        if kept is None or front is None:
            return
        self._kept = None
        head = front.take(kept, is_running=is_running)
        if head is not None:
            self._head = head
            if body := kept.body:
                self._pieces.append(body)
                self._size += len(body)

    # --- the callbacks of every answer

    def send_head(self, status: bytes, headers: bytes, *, keeps: bool) -> None:
        """The head of the response."""
        self._take_over()
        if self._head is None and self._may_keep(len(status) + len(headers)):
            head = _known(status, headers, keeps)
            if not (head.raw or head.rest):
                if self._front is not None:
                    self._front.learn(status, headers, head, keeps=keeps)
                with _lock:
                    if self._ecb is None:
                        self._head = head
                        return
        super().send_head(status, headers, keeps=keeps)

    def write(self, data: bytes, flags: int) -> int:
        """More of its body."""
        self._take_over()
        size = len(data)
        if self._head is not None and not flags & HSE_IO_ASYNC and threading.get_ident() == self._thread_id:
            with _lock:
                if self._ecb is None and self._size + size <= self._limit:
                    self._size += size
                    self._pieces.append(data)
                    return size
        return super().write(data, flags)

    def variable(self, name: str) -> bytes:
        """A server variable."""
        if self._ecb is None and not name.startswith(_UNICODE):
            return variable(self._request, self._paths, name)
        return super().variable(name)

    def _take_over(self) -> None:
        if self._kept is not None:
            with _lock:
                self._take_kept(is_running=True)

    def _may_keep(self, size: int) -> bool:
        is_ours = self._ecb is None and threading.get_ident() == self._thread_id
        return is_ours and self._limit > 0 and size <= _MEMORABLE_BYTES


def _own(head: ResponseHead) -> ResponseHead:
    """A head that may be changed."""
    return replace(head, headers=head.headers.copy())


@lru_cache(maxsize=128)
def _known(status: bytes, headers: bytes, keeps: bool) -> ResponseHead:
    head = parse_head(status, headers, keeps=keeps)
    if head.reason == reason_phrase(head.status):
        head.reason = ""  # the everyday head, which is known as bytes
    return head
