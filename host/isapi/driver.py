"""Runs one call of an extension: a request in, a response out as soon as there is one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable
from typing import Final

from host.api import Request, Response
from host.isapi.control_block import paths_of
from host.isapi.loaded_extension import LoadedExtension
from host.isapi.output import Piece
from host.isapi.sending import ExtensionControlBlock
from host.isapi.session import ExtensionFacts, Session

PROC: Final = "http_extension_proc"


def answer_of(session: Session) -> Response | Awaitable[Response]:
    """The answer of a session whose proc has been called on the loop and has returned: at once if it is whole."""
    if session.is_done and not session.output.is_streamed:
        return session.output.response()
    return outcome(session, None)


def respond_on_loop(
    request: Request, extension: LoadedExtension, facts: ExtensionFacts, *, is_direct: bool = False
) -> Response | Awaitable[Response]:
    """The answer of a proc that is called here, on the event loop, because its mapping says threadingModel="Single".

    The request's body must be complete. Raises what `respond` raises, unless the answer is streamed or pending.
    """
    session = Session(request, extension.name, facts)
    session.read_at_once()
    ExtensionControlBlock(session, paths_of(request, is_direct=is_direct))
    session.output.loop_thread = threading.get_ident()
    session.call(extension.http_extension_proc)
    session.output.loop_thread = 0
    return answer_of(session)


async def respond(
    request: Request, extension: LoadedExtension, facts: ExtensionFacts, *, is_direct: bool = False
) -> Response:
    """The extension's answer. `is_direct`: the URL names its own file.

    The proc runs on a thread of the pool; a request is never given back while it does. A pending session lasts until
    it is done, the client leaves, or the request's time is over. Raises HttpError, ClientGone, and what the proc
    raised.
    """
    session = Session(request, extension.name, facts)
    await session.read_ahead()
    ExtensionControlBlock(session, paths_of(request, is_direct=is_direct))
    running = session.host.run_on_thread(extension.name, PROC, session.call, extension.http_extension_proc)
    proc = asyncio.get_running_loop().create_task(running)
    proc.add_done_callback(session.proc_ended)
    return await outcome(session, proc)


async def outcome(session: Session, proc: asyncio.Task[None] | None) -> Response:
    """The answer of a session whose proc is running, or (None) has returned."""
    try:
        await session.output.begun
        if not session.output.is_streamed:
            await _end_of(proc)
    except asyncio.CancelledError:
        session.abandon()
        if proc is not None:
            proc.cancel()
        await _end_of(proc)
        raise
    return _with_body(session, proc)


def _with_body(session: Session, proc: asyncio.Task[None] | None) -> Response:
    response = session.output.response()
    if session.output.is_streamed:
        response.body = _StreamedBody(session, proc)
    return response


class _StreamedBody:
    """The body as it comes. Not a generator: one that is closed before its first piece would not be told."""

    def __init__(self, session: Session, proc: asyncio.Task[None] | None) -> None:
        self._session = session
        self._proc = proc
        self._pieces = session.output.pieces()

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self

    async def __anext__(self) -> Piece:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """Everything was sent, nobody is there any more, or nobody wants a body (HEAD): the proc may finish."""
        await self._pieces.aclose()
        self._session.output.leave(is_connected=self._session.host.is_connected)
        if not self._session.host.is_connected:
            self._session.abandon()
        await _end_of(self._proc)


async def _end_of(proc: asyncio.Task[None] | None) -> None:
    """Return when the proc has: its thread cannot be stopped. None: it has."""
    while proc is not None and not proc.done():
        try:
            await asyncio.wait([proc])
        except asyncio.CancelledError:
            continue
