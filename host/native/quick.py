"""A call on the event loop, of a library that says ISAPY_QUICK_PROC: without a session as long as none is needed.

Nearly every such answer is a header and some writes. They are kept here, and become a response when the proc returns.
The first thing that needs more (another support function, an answer beyond responseBufferLimit, HSE_STATUS_PENDING)
makes the session and gives it what has been kept: from then on it is a request like any other.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from host.api import Request, Response
from host.api.isapi import HSE_IO_ASYNC, HSE_STATUS_PENDING
from host.api.win32_errors import ERROR_INVALID_PARAMETER
from host.isapi.control_block import paths_of
from host.isapi.driver import answer_of
from host.isapi.response_head import ResponseHead, parse_head
from host.isapi.sending import ExtensionControlBlock
from host.isapi.server_variables import variable
from host.isapi.session import SUCCESSES, ExtensionFacts, Session
from host.native.blocks import NativeBlock
from host.native.failing import Failed
from host.native.library import Library

_UNICODE: Final = "UNICODE_"
_MEMORABLE_BYTES: Final = 1024
"""Header texts up to this length are parsed once; longer ones are hardly the same each time."""


_lock: Final = threading.RLock()
"""A library may use a block on its own threads while the loop is in its proc: one at a time changes what is kept."""


class QuickBlock(NativeBlock):
    """A request that is answered while the event loop waits."""

    __slots__ = (
        "_facts",
        "_has_returned",
        "_head",
        "_limit",
        "_loop",
        "_paths",
        "_pieces",
        "_request",
        "_size",
        "_thread",
    )

    def __init__(self, library: Library, request: Request, facts: ExtensionFacts, *, is_direct: bool) -> None:
        """To be called on the loop. The request must have no body."""
        mapping = request.mapping
        self._request = request
        self._facts = facts
        self._paths = paths_of(request, is_direct=is_direct)
        self._head: ResponseHead | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._limit = mapping.response_buffer_limit if mapping is not None else 0
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._has_returned = False
        self._ecb = None
        self.fill(library, request, self._paths, b"", 0)

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
        session = Session(self._request, self.library.path, self._facts, self._loop)
        session.output.loop_thread = 0 if self._has_returned else self._thread
        ecb = ExtensionControlBlock(session, self._paths)
        session.when_released(self.release)
        if self._head is not None:
            session.output.begin(_own(self._head))
        if self._pieces:
            session.output.write([b"".join(self._pieces)], waits=False)
        return ecb

    def send_head(self, status: bytes, headers: bytes, *, keeps: bool) -> None:
        """The head of the response."""
        if self._head is None and self._may_keep(len(status) + len(headers)):
            head = _known(status, headers, keeps)
            if not (head.raw or head.rest):
                with _lock:
                    if self._ecb is None:
                        self._head = head
                        return
        super().send_head(status, headers, keeps=keeps)

    def _may_keep(self, size: int) -> bool:
        is_ours = self._ecb is None and threading.get_ident() == self._thread
        return is_ours and self._limit > 0 and size <= _MEMORABLE_BYTES

    def write(self, data: bytes, flags: int) -> int:
        """More of its body."""
        size = len(data)
        if self._head is not None and not flags & HSE_IO_ASYNC and threading.get_ident() == self._thread:
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

    def answer(self, status: int) -> Response | Awaitable[Response]:
        """The proc has returned."""
        struct, head = self.struct, self._head
        with _lock:
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
        return answer_of(session)


def _own(head: ResponseHead) -> ResponseHead:
    """A head that may be changed."""
    return replace(head, headers=head.headers.copy())


@lru_cache(maxsize=128)
def _known(status: bytes, headers: bytes, keeps: bool) -> ResponseHead:
    return parse_head(status, headers, keeps=keeps)
