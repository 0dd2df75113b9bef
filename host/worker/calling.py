"""Calls plugin code and says who is to blame when it goes wrong.

Whatever a plugin raises that is not an `HttpError` becomes a 500.0 that names the plugin, the hook, the file and the
line, and an event with the traceback. A plugin that calls sys.exit() ends its request, never the worker.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from copy import copy
from time import monotonic
from typing import Any, Final

from host.api import ClientGone, FilterStatus, HttpError, Request, Response, ThreadAnswer
from host.api.ctrl_c import is_ctrl_c
from host.worker.filter_changes import CHANGED, check_change, undo_changes
from host.worker.filter_output import KEY, FilterOutput, finished
from host.worker.hooks import ASYNC, INLINE, MODULE_HOOKS, Hook
from host.worker.plan import Calls
from host.worker.plugin_error import PluginError
from host.worker.plugin_loader import culprit_of, traceback_text, where
from host.worker.plugins import ReportEvent
from host.worker.request_task import become_task
from host.worker.thread_pool import ThreadPool


class FilterEnded(Exception):
    """A filter has said FINISHED of a response that is being sent: nothing more of it goes out."""


_ENDS = (HttpError, ClientGone, FilterEnded, asyncio.CancelledError)  # these pass as they are
_ANSWERS: Final = (Response, ThreadAnswer)  # compiled, `Response | ThreadAnswer` would be a new object each time
BODY = "body"
"""The name of the call while a handler's body is sent, piece by piece: `CallUnderWay.name` is a hook's, or this."""

_AFTER_THE_HANDLER = frozenset(
    name
    for name in MODULE_HOOKS
    if name.endswith(("handler_execute", "release_request_state", "update_request_cache", "log_request"))
    and name != "pre_request_handler_execute"
) | {"end_request"}
"""Events that may change a response but have none to give."""

_GIVES_NO_RESPONSE = _AFTER_THE_HANDLER | {"on_send_raw_data", "on_log", "on_end_of_request", "on_end_of_net_session"}


class CallUnderWay:
    """A call of plugin code that may take its time: a coroutine, or a function on a thread.

    `subject` is what it is about, nearly always the Request; `began_at` is monotonic seconds; `awaitable` is what is
    waited for, where it is known: its frames tell where the plugin is.
    """

    __slots__ = ("awaitable", "began_at", "is_on_a_thread", "name", "plugin", "subject")

    def __init__(self, plugin: str, name: str, subject: object, *, is_on_a_thread: bool = False) -> None:
        self.plugin = plugin
        self.name = name
        self.subject = subject
        self.is_on_a_thread = is_on_a_thread
        self.began_at = monotonic()
        self.awaitable: object = None

    def is_about(self, request: Request) -> bool:
        """Whether it is made for that request, or for one that it has led to inside the server."""
        return isinstance(self.subject, Request) and self.subject.id == request.id


def _sandbox_remedy(error: PermissionError, pool_name: str) -> str:
    """Whoever looks at the file's mode will not find why it is refused."""
    path = error.filename if isinstance(error.filename, str) else "..."
    rule = f'<add path="{path}" access="Read, Write" />'
    return f"The pool {pool_name} is in a sandbox: if it shall touch this, write {rule} in its <sandbox>. "


class HookCaller:
    """Calls hooks on the loop, on threads or as coroutines, whichever they are."""

    def __init__(self, pool: ThreadPool, report_event: ReportEvent) -> None:
        self.pool = pool
        self.under_way: set[CallUnderWay] = set()
        self.report_event = report_event

    async def ask(self, calls: Calls, *arguments: Any) -> Response | None:
        """Call one after the other until one answers with a Response or says that it has handled the notification."""
        hook = calls[0]
        try:
            for hook in calls:
                if hook[1] == INLINE:
                    answer = hook[0](*arguments)
                else:
                    answer = await self._wait_for(hook, arguments)
                if inspect.isawaitable(answer):  # a plain def that returned a coroutine
                    await become_task()
                    answer = await self._wait(hook, arguments[0], answer)
                if hook[3] in CHANGED:
                    check_change(hook[3], arguments[1])
                if answer is None:
                    continue
                if isinstance(answer, Response) and hook.name not in _GIVES_NO_RESPONSE:
                    return answer
                if not isinstance(answer, FilterStatus) or hook.name in MODULE_HOOKS:
                    raise TypeError(f"{hook.name} must not return a {type(answer).__name__}")
                if answer is FilterStatus.HANDLED_NOTIFICATION:
                    return None
                if answer is not FilterStatus.NEXT_NOTIFICATION:
                    return self._conclude(hook, answer, arguments[0])
        except HttpError as error:
            error.module = error.module or hook.plugin
            raise
        except _ENDS:
            raise
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            raise self.blame(hook, error, arguments[0]) from error
        return None

    async def tell(self, calls: Calls, *arguments: Any) -> None:
        """Call every one of them; what one raises is an event and keeps no other from being called.

        A filter that has handled the notification, or finished it, keeps it from the filters behind it.
        """
        for hook in calls:
            before = copy(arguments[1]) if hook[3] == "on_log" else None
            try:
                answer = hook[0](*arguments) if hook[1] == INLINE else await self._wait_for(hook, arguments)
                if inspect.isawaitable(answer):
                    await become_task()
                    answer = await self._wait(hook, arguments[0], answer)
                if hook[3] in CHANGED:
                    check_change(hook[3], arguments[1])
                if answer is None:
                    continue
                if not isinstance(answer, FilterStatus) or hook.name in MODULE_HOOKS:
                    raise TypeError(f"{hook.name} must not return a {type(answer).__name__}")
                if answer is FilterStatus.ERROR or answer is FilterStatus.READ_NEXT:
                    self._conclude(hook, answer, arguments[0])
                elif answer is not FilterStatus.NEXT_NOTIFICATION:
                    return
            except ClientGone:
                continue
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                if is_ctrl_c(error):
                    raise
                if before is not None:
                    undo_changes(arguments[1], before)
                if not isinstance(error, PluginError):  # that one has been reported
                    self.blame(hook, error, arguments[0])

    def _conclude(self, hook: Hook, answer: FilterStatus, subject: object) -> Response:
        """The response of a filter that has finished the request. Raises PluginError for one that has failed it."""
        if answer is FilterStatus.READ_NEXT:
            raise TypeError(f"{hook.name} must not return READ_NEXT: it reads no raw data")
        if answer is FilterStatus.ERROR:
            raise self.report_error(hook, subject)
        if hook.name == "on_send_raw_data":
            raise FilterEnded
        assert isinstance(subject, Request)
        return finished(subject, keeps_connection=answer is FilterStatus.FINISHED_KEEP_CONNECTION)

    async def handle(self, hook: Hook, request: Request, given: ThreadAnswer | None = None) -> Response | None:
        """Ask a handler, or wait for the thread that it has named already (`given`)."""
        try:
            answer: Any = given
            if answer is None:
                answer = hook[0](request) if hook[1] == INLINE else await self._wait_for(hook, (request,))
            if answer is None or answer.__class__ is Response:
                return answer
            if isinstance(answer, ThreadAnswer):  # no task is needed for that
                answer = await self._wait(hook, request, answer, answer.called_on_thread())
                if isinstance(answer, Response):
                    return answer
                raise TypeError(f"a thread must answer with a Response, not {type(answer).__name__}")
            if inspect.isawaitable(answer):
                await become_task()
                answer = await self._wait(hook, request, answer)
            if answer is None or isinstance(answer, Response):
                return answer
            raise TypeError(f"handle must return a Response or None, not {type(answer).__name__}")
        except HttpError as error:
            error.module = error.module or hook.plugin
            raise
        except _ENDS:
            raise
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            raise self.blame(hook, error, request) from error

    async def _wait(
        self, hook: Hook, subject: object, answer: Awaitable[Any], code: tuple[str, str] | None = None
    ) -> Any:
        """`code` is what a thread calls meanwhile, where that is known."""
        plugin, name = code or (hook.plugin, hook.name)
        call = CallUnderWay(plugin, name, subject, is_on_a_thread=code is not None)
        call.awaitable = answer
        self.under_way.add(call)
        try:
            return await answer
        finally:
            self.under_way.discard(call)

    async def _wait_for(self, hook: Hook, arguments: tuple[Any, ...]) -> Any:
        """The answer of a coroutine, or of a function on a thread, for which a request needs no task."""
        call = CallUnderWay(hook.plugin, hook.name, arguments[0], is_on_a_thread=hook.kind != ASYNC)
        self.under_way.add(call)
        try:
            if hook.kind == ASYNC:
                await become_task()
                call.awaitable = coroutine = hook.function(*arguments)
                return await coroutine
            return await self._pool_for(arguments[0]).run(hook.function, *arguments)
        finally:
            self.under_way.discard(call)

    async def run_on_thread(
        self, plugin: str, name: str, subject: object, function: Callable[..., Any], *arguments: Any
    ) -> Any:
        """A plugin's function on a thread of the pool, as a call under way; raises whatever it raises."""
        call = CallUnderWay(plugin, name, subject, is_on_a_thread=True)
        self.under_way.add(call)
        try:
            return await self._pool_for(subject).run(function, *arguments)
        finally:
            self.under_way.discard(call)

    def _pool_for(self, subject: object) -> ThreadPool:
        return self.pool.for_body(subject.body) if isinstance(subject, Request) else self.pool

    @contextmanager
    def noting(self, plugin: str, name: str, subject: object, awaitable: object) -> Iterator[None]:
        """Something that a plugin does outside its hooks (`name` says what), as a call under way."""
        call = CallUnderWay(plugin, name, subject)
        call.awaitable = awaitable
        self.under_way.add(call)
        try:
            yield
        finally:
            self.under_way.discard(call)

    def blame(self, hook: Hook, error: BaseException, subject: object) -> PluginError:
        """Report what a plugin raised; returns the 500.0 for its request."""
        failure = traceback_text(error)
        place = where(error)
        culprit = culprit_of(error)
        about = (
            f"{culprit}: {error}" if culprit else f"{hook.plugin}.{hook.name} raised {type(error).__name__}: {error}"
        )
        detail = about + (f" at {place}" if place else "")
        self._report_failure(hook, f"{detail}\n{failure}", subject, {"place": place})
        guilty = culprit or f"{hook.name} of the plugin {hook.plugin}"
        remedy = f"Correct the code at {place}." if place else f"Correct {guilty}."
        if isinstance(error, PermissionError) and isinstance(subject, Request) and subject.application.is_sandboxed:
            remedy = _sandbox_remedy(error, subject.application.pool_name) + remedy
        refusal = PluginError(500, 0, detail, remedy=remedy, failure=failure)
        refusal.module = hook.plugin
        return refusal

    def report_error(self, hook: Hook, subject: object) -> PluginError:
        """Report that a filter said ERROR; returns the 500.0 for its request."""
        holder = subject.context if isinstance(subject, Request) else getattr(subject, "state", {})
        output: FilterOutput | None = holder.get(KEY)
        code = output.last_error if output is not None else 0
        detail = f"{hook.plugin}.{hook.name} reported an error" + (f": Windows error {code}" if code else "")
        self._report_failure(hook, detail, subject, {"win32": str(code)})
        refusal = PluginError(500, 0, detail, remedy="Ask the filter's author what it means.", failure="")
        refusal.module, refusal.win32_status = hook.plugin, code
        return refusal

    def _report_failure(self, hook: Hook, text: str, subject: object, further: dict[str, str]) -> None:
        fields = {"plugin": hook.plugin, "hook": hook.name} | further
        if isinstance(subject, Request):
            fields |= {"request": subject.id, "url": subject.raw_target}
        self.report_event("plugin-error", text, fields)


def call_plain(calls: Calls, *arguments: Any) -> Calls:
    """Call hooks that are plain functions, as long as they have nothing to say; returns those to `ask` or `tell`.

    The everyday stage without a coroutine. A hook that had something to say, or raised, says it once more when asked.
    """
    for hook in calls:
        if hook[1] != INLINE:
            return calls[calls.index(hook) :]
        try:
            answer = hook[0](*arguments)
        except BaseException as error:
            return (saying(hook, error=error), *calls[calls.index(hook) + 1 :])
        if answer is not None:
            return (saying(hook, answer), *calls[calls.index(hook) + 1 :])
    return ()


def call_on_response(calls: Calls, request: Request, response: Response) -> Calls:
    """As `call_plain`, for on_send_response: who leaves a response that is none is named, not who stumbles on it."""
    headers, status, body = response.headers, response.status, response.body
    for hook in calls:
        if hook[1] != INLINE:
            return calls[calls.index(hook) :]
        try:
            answer = hook[0](request, response)
            if response.headers is not headers or response.status is not status or response.body is not body:
                check_change("on_send_response", response)
                headers, status, body = response.headers, response.status, response.body
        except BaseException as error:
            return (saying(hook, error=error), *calls[calls.index(hook) + 1 :])
        if answer is not None:
            return (saying(hook, answer), *calls[calls.index(hook) + 1 :])
    return ()


def call_quick(hooks: Calls, request: Request) -> Response | ThreadAnswer | Calls:
    """The answer of the first handler when it is a quick one; otherwise those that `handle` is to ask."""
    if not hooks or hooks[0][1] != INLINE:
        return hooks
    hook = hooks[0]
    try:
        answer = hook[0](request)
    except BaseException as error:
        return (saying(hook, error=error), *hooks[1:])
    return answer if isinstance(answer, _ANSWERS) else (saying(hook, answer), *hooks[1:])


def response_of(hook: Hook, answer: ThreadAnswer) -> Response | ThreadAnswer | Calls:
    """What a handler's answer has become that waited for one thing; `handle` is to wait for what is no response."""
    try:
        response = answer.response_at_once()
    except BaseException as error:
        return (saying(hook, error=error),)
    return response if isinstance(response, Response) else answer


def saying(hook: Hook, answer: object = None, error: BaseException | None = None) -> Hook:
    """A hook that was called, as one that answers at once, and once, what it said."""

    def say(*_arguments: Any) -> object:
        nonlocal error
        if error is not None:
            try:
                raise error
            finally:
                error = None  # its traceback leads here: no circle is left for the collector
        return answer

    return Hook(say, *hook[1:])
