"""The answer of a call on a thread that has a session only if it needs one: an everyday answer takes no coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

from host.api import PendingResult, Request, Response, ThreadAnswer, Threads
from host.api.thread_work import ThreadWork
from host.isapi.driver import PROC, outcome
from host.isapi.loaded_extension import BriefCall


class BriefAnswer(ThreadAnswer):
    """Made on the loop; the call is under way from then on, or waits for a thread."""

    __slots__ = ("_call", "_failure", "_loop", "_path", "_pending", "_work")

    def __init__(self, call: BriefCall, request: Request, path: str, threads: Threads) -> None:
        """`request` tells whoever examines a thread that hangs what it is at work for, `path` whose code that is."""
        self._call = call
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._work = ThreadWork(self._loop)
        self._failure: BaseException | None = None
        self._pending = threads.pending_result()
        call.when_opened(self._interrupt)
        threads.submit(self._run, (request,), self._pending)

    # --- on the thread

    def _run(self, _request: Request) -> None:
        if not self._work.begin():
            return
        try:
            self._call.run()
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._work.end()

    def _interrupt(self) -> None:
        """A session has been opened while the proc runs: its answer may come before the proc returns. On any thread."""
        self._loop.call_soon_threadsafe(_set, self._pending)

    # --- on the loop

    def waits_for(self) -> PendingResult:
        """The end of the call, or a session."""
        return self._pending

    def called_on_thread(self) -> tuple[str, str]:
        """The extension's proc."""
        return self._path, PROC

    def response_at_once(self) -> Response | None:
        """The response; None when there is a session, or awaiting it raises."""
        return self._call.response

    def __await__(self) -> Generator[None, None, Response]:
        """The response. Raises what the call raises; when it is cancelled, the thread's end is waited for."""
        return self._answer().__await__()

    async def _answer(self) -> Response:
        try:
            await self._pending
        except BaseException as error:
            failure: BaseException = error
        else:
            if (response := self._call.response) is not None:
                return response
            return await self._outcome()
        try:
            self._call.abandon()
            await self._work.ended()
            raise failure
        finally:
            del failure  # its traceback leads to this frame
            self._failure = None

    async def _outcome(self) -> Response:
        session = self._call.session
        assert session is not None, "a call without a response has a session"
        await asyncio.sleep(0)  # from here on in a task
        if self._work.is_over:
            return await outcome(session, None)
        proc = self._loop.create_task(self._end_of_call())
        proc.add_done_callback(session.proc_ended)
        return await outcome(session, proc)

    async def _end_of_call(self) -> None:
        """As the task that `outcome` may cancel: it ends with the call. Raises what that raises."""
        await self._work.ended()
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure


def _set(future: PendingResult) -> None:
    if not future.done():
        future.set_result(None)
