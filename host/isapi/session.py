"""One call of an extension, from the first byte of the request to the end of its session.

Two things must have happened before a control block is dead: the proc has returned, and the session is done (by a
return that says so, by HSE_REQ_DONE_WITH_SESSION, or because nobody waits any more). They may come in either order.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from host.api import ClientGone, HttpError, Request
from host.api.isapi import (
    HSE_STATUS_ERROR,
    HSE_STATUS_PENDING,
    HSE_STATUS_SUCCESS,
    HSE_STATUS_SUCCESS_AND_KEEP_CONN,
    ExecUrlStatus,
    IoCompletion,
    IsapiError,
)
from host.api.win32_errors import (
    ERROR_ACCESS_DENIED,
    ERROR_INVALID_DATA,
    ERROR_INVALID_PARAMETER,
    ERROR_NETNAME_DELETED,
    ERROR_OPERATION_ABORTED,
)
from host.isapi.fragment_cache import FragmentCache
from host.isapi.output import Output
from host.isapi.response_head import ResponseHead

T = TypeVar("T")

SUCCESSES: Final = frozenset({0, HSE_STATUS_SUCCESS, HSE_STATUS_SUCCESS_AND_KEEP_CONN})
"""0 is no defined status; IIS and Apache take it for success."""

_CODES: Final = {400: ERROR_INVALID_PARAMETER, 401: ERROR_ACCESS_DENIED, 403: ERROR_ACCESS_DENIED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionFacts:
    """What every call of an extension knows of its worker."""

    app_flag: int  # an HSE_APP_FLAG_
    report_unhealthy: Callable[[str], None]
    report_event: Callable[[str, str], None]
    fragments: FragmentCache


class Session:
    """The state that a control block works on. Its methods may be called on any thread unless they say otherwise."""

    def __init__(
        self,
        request: Request,
        extension_name: str,
        facts: ExtensionFacts,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """To be called on the loop, unless it is given."""
        mapping = request.mapping
        self.request = request
        self.host = host = request.host
        self.extension_name = extension_name
        self.facts = facts
        self.loop = loop or asyncio.get_running_loop()
        limit = mapping.response_buffer_limit if mapping is not None else 0
        self.output = Output(self.loop, limit, lambda: host.is_connected)
        self.available = b""
        self.http_status_code = 200
        self.output.implied_status = self._implied_status
        self.log_data: str | bytes = b""
        self.completion: tuple[IoCompletion, Any] | None = None
        self.ecb: Any = None  # the control block, for callbacks
        self._left_over = b""  # of the body: read and not given
        self._has_read = False  # by the extension, behind `available`
        self.child_status: ExecUrlStatus | None = None
        self._lock = threading.Lock()
        self._has_returned = False
        self._is_done = False
        self._operation: asyncio.Task[None] | None = None
        self._is_operating = False  # an asynchronous operation has begun, its callback has not
        self._callbacks_running = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._when_released: list[Callable[[], None]] = []

    # --- before and after the proc

    async def read_ahead(self) -> None:
        """Wait for the beginning of the body: `serverRuntime/@uploadReadAheadSize`. On the loop.

        Raises ClientGone and what limits the body."""
        body = self.request.body
        if body.length == 0:
            return
        most = self.request.settings.upload_read_ahead_bytes
        pieces, size = [], 0
        while size < most and not body.is_at_end and (piece := await body.read_some()):
            pieces.append(piece)
            size += len(piece)
        self._split(b"".join(pieces), most)

    def read_at_once(self) -> None:
        """The same for a body that is complete. Raises what limits the body, ClientGone."""
        body = self.request.body
        if body.length != 0:
            self._split(body.read_blocking(), self.request.settings.upload_read_ahead_bytes)

    def _split(self, data: bytes, most: int) -> None:
        self.available, self._left_over = data[:most], data[most:]

    def call(self, proc: Callable[[Any], int]) -> None:
        """Call the proc and draw the consequences of what it returns or raises. On a thread of the pool."""
        request = self.request  # whoever examines the stacks of a worker that hangs finds it here
        try:
            status: object = proc(self.ecb)
            if not isinstance(status, int):
                self.returned(HSE_STATUS_ERROR, self._no_status(status))
                return
        except IsapiError as error:
            gone = error.code == ERROR_NETNAME_DELETED and not self.host.is_connected
            self.returned(HSE_STATUS_ERROR, None if gone else error)
        except ClientGone:
            self.returned(HSE_STATUS_ERROR)
        except BaseException as error:  # the host says which plugin raised it, whatever it is
            self.returned(HSE_STATUS_ERROR, error)
        else:
            self.returned(status)
        del request

    @property
    def is_done(self) -> bool:
        """Whether nothing more can come from the extension."""
        return self._is_done

    def returned(self, status: int, failure: BaseException | None = None) -> None:
        """The proc has returned."""
        with self._lock:
            self._has_returned = True
            is_pending = status == HSE_STATUS_PENDING or (
                # IIS keeps a request whose transfer is under way, though its extension says that it is finished
                status in SUCCESSES and (self._is_operating or self._callbacks_running > 0)
            )
            ends = not (is_pending or self._is_done)
            self._is_done = self._is_done or ends
        if ends:
            self._end(status, failure)
        self._release_if_dead()

    def proc_ended(self, proc: asyncio.Task[None]) -> None:
        """The call's task is over, on the loop: when no thread could take it, the answer is that failure."""
        if not proc.cancelled() and (error := proc.exception()) is not None:
            self.returned(HSE_STATUS_ERROR, error)

    def done(self, status: int) -> None:
        """HSE_REQ_DONE_WITH_SESSION. Raises IsapiError 87 when it is."""
        with self._lock:
            if self._is_done:
                raise IsapiError(ERROR_INVALID_PARAMETER, "the session is done")
            self._is_done = True
        self._end(status, None)
        self._release_if_dead()

    def abandon(self) -> None:
        """Nobody waits for the answer: the client has left, or its time is over. Calls fail from now on; the
        extension may still say that it is done."""
        self.output.leave(is_connected=False)
        self.loop.call_soon(self._cancel_operation)

    def when_released(self, callback: Callable[[], None]) -> None:
        """Call it once the extension will not use the control block any more: what it points to may be freed."""
        with self._lock:
            if not (self._has_returned and self._is_done):
                self._when_released.append(callback)
                return
        callback()

    def check(self) -> None:
        """Raises IsapiError 87 when the session is done."""
        if self._is_done:
            raise IsapiError(ERROR_INVALID_PARAMETER, "the session is done")

    def _end(self, status: int, failure: BaseException | None) -> None:
        self._settle_log()
        output = self.output
        if failure is None and status not in SUCCESSES:
            if output.has_content:  # it has sent a page of its own, as pywin32 does
                self.host.set_log_status(500)
                output.closes = True
            else:
                is_its_own = status == HSE_STATUS_ERROR
                told = f"{self.extension_name} returned HSE_STATUS_ERROR"
                failure = HttpError(500, 0, told) if is_its_own else self._no_status(status)
        elif failure is None and not output.has_content and not output.local_url and output.is_open:
            with contextlib.suppress(IsapiError):
                output.begin(ResponseHead(self._implied_status()))
        output.complete(failure)

    def _no_status(self, status: object) -> HttpError:
        """The proc's mistake, which is an event, too."""
        text = f"{self.extension_name}: http_extension_proc returned {status!r}, which is no HSE_STATUS_"
        self.facts.report_event("plugin-error", f"request {self.request.id}: {text}")
        return HttpError(500, 0, text, remedy="Return HSE_STATUS_SUCCESS (1), or another of the four.")

    def _implied_status(self) -> int:
        """What an answer without a header has."""
        return self.http_status_code if 200 <= self.http_status_code <= 999 else 200

    def _settle_log(self) -> None:
        text = self.log_data
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        if raw:
            self.host.append_to_log(raw.partition(b"\0")[0][:79].decode("utf-8", "replace"))
        status = self.http_status_code
        if status != 200 and 100 <= status <= 999:
            self.host.set_log_status(status)

    def _release_if_dead(self) -> None:
        with self._lock:
            if not (self._has_returned and self._is_done) or self._callbacks_running:
                return
            callbacks, self._when_released = self._when_released, []
            self.ecb = None  # they hold each other
        for callback in callbacks:
            callback()

    # --- the body

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; waits for at least one; empty at the end."""
        if size <= 0:
            return b""
        if not self._left_over:
            try:
                self._left_over = self.request.body.read_some_blocking()
            except ClientGone as error:
                raise IsapiError(ERROR_NETNAME_DELETED) from error
            except HttpError as error:
                raise IsapiError(ERROR_INVALID_DATA, str(error)) from error
        return self._take(size)

    async def read_some(self, size: int) -> bytes:
        """The same, on the loop."""
        if not self._left_over and size > 0:
            self._left_over = await self.request.body.read_some()
        return self._take(size)

    def take_unread(self) -> bytes:
        """What was read of the body and not by the extension: for a child request, which reads on behind it.

        Bytes that lie in `available` were handed out with the control block; a child that inherits the body gets
        them all the same, unless the extension has read further.
        """
        ahead = b"" if self._has_read else self.available
        rest, self._left_over = ahead + self._left_over, b""
        return rest

    def check_idle(self, completion: tuple[IoCompletion, Any] | None) -> None:
        """Raises IsapiError 87 when no asynchronous operation can begin."""
        if completion is None and self.completion is None:
            raise IsapiError(ERROR_INVALID_PARAMETER, "no completion callback is registered (HSE_REQ_IO_COMPLETION)")
        if self._is_operating:
            raise IsapiError(ERROR_INVALID_PARAMETER, "another asynchronous operation is under way")

    def _take(self, size: int) -> bytes:
        self._has_read = True
        data, self._left_over = self._left_over[:size], self._left_over[size:]
        return data

    # --- the loop's work for a thread

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine on the loop. Raises IsapiError for an HttpError, and on the loop for a coroutine
        that would have to wait there."""
        try:
            if self._is_on_loop():
                return _at_once(coroutine)
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()
        except HttpError as error:
            raise IsapiError(_CODES.get(error.status, ERROR_INVALID_DATA), str(error)) from error
        except ValueError as error:
            raise IsapiError(ERROR_INVALID_PARAMETER, str(error)) from error

    def _is_on_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def operate(
        self,
        work: Callable[[], Coroutine[Any, Any, int]],
        completion: tuple[IoCompletion, Any] | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        """Begin an asynchronous operation: `prepare` now, `work` on the loop, then the callback with what it returns.

        Raises IsapiError 87 without a callback, and while another operation is under way; and what `prepare` raises.
        """
        self.check_idle(completion)
        chosen = completion or self.completion
        assert chosen is not None, "check_idle has seen it"
        with self._lock:
            if self._is_done:
                raise IsapiError(ERROR_INVALID_PARAMETER, "the session is done")
            if self._is_operating:
                raise IsapiError(ERROR_INVALID_PARAMETER, "another asynchronous operation is under way")
            self._is_operating = True
        try:
            if prepare is not None:
                prepare()
        except BaseException:
            self._is_operating = False
            raise
        self.loop.call_soon_threadsafe(self._start, work, chosen)

    def cancel(self) -> None:
        """HSE_REQ_CANCEL_IO."""
        if not self._is_operating:
            raise IsapiError(ERROR_INVALID_PARAMETER, "no operation is under way")
        self.loop.call_soon_threadsafe(self._cancel_operation)

    def _cancel_operation(self) -> None:
        if self._operation is not None:
            self._operation.cancel()

    def _start(self, work: Callable[[], Coroutine[Any, Any, int]], completion: tuple[IoCompletion, Any]) -> None:
        self._operation = self.loop.create_task(self._operate(work))
        task = self.loop.create_task(self._complete(self._operation, completion))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _operate(self, work: Callable[[], Coroutine[Any, Any, int]]) -> Any:
        return await work()

    async def _complete(self, operation: asyncio.Task[Any], completion: tuple[IoCompletion, Any]) -> None:
        count, code = 0, 0
        await asyncio.wait([operation])
        if operation.cancelled():
            code = ERROR_OPERATION_ABORTED if self.host.is_connected else ERROR_NETNAME_DELETED
        elif (error := operation.exception()) is not None:
            code = _code_of(error)
        else:
            count = operation.result()
        with self._lock:
            self._operation, self._is_operating = None, False
            if self._is_done:
                return
            self._callbacks_running += 1
            ecb = self.ecb
        callback, argument = completion
        name = "io_completion"
        try:
            await self.host.run_on_thread(self.extension_name, name, callback, ecb, argument, count, code)
        except Exception as error:
            self._fail(error)
        finally:
            with self._lock:
                self._callbacks_running -= 1
            self._release_if_dead()

    def _fail(self, error: Exception) -> None:
        """A callback raised: the request ends with an error."""
        with self._lock:
            if self._is_done:
                return
            self._is_done = True
        self._end(HSE_STATUS_ERROR, error)
        self._release_if_dead()


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing. Raises IsapiError 87 for one that does."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise IsapiError(ERROR_INVALID_PARAMETER, "what may wait cannot be called on the event loop, only on a thread")


def _code_of(error: BaseException) -> int:
    if isinstance(error, IsapiError):
        return error.code
    if isinstance(error, ClientGone):
        return ERROR_NETNAME_DELETED
    if isinstance(error, HttpError):
        return _CODES.get(error.status, ERROR_INVALID_DATA)
    return ERROR_INVALID_DATA
