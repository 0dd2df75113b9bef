"""What every call of a WSGI application (PEP 3333) has, wherever it is made: environ, start_response, the response."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from host.api import FileBody, Headers, Request, Response, SteppedBody, reason_phrase
from host.api.ctrl_c import is_ctrl_c
from host.api.response import new_response
from host.python_apps.length_check import BODYLESS, LengthCheck
from host.python_apps.threaded_body import ThreadedBody
from host.python_apps.turn import Turn
from host.python_apps.wsgi_environ import request_environ
from host.python_apps.wsgi_file import FileWrapper
from host.python_apps.wsgi_streams import ErrorStream, InputStream
from host.remembered import Remembered

_NO_ITERABLES: Final = (bytes, str)  # of bytes: what they give is numbers and characters
_WHOLE: Final = (list, tuple)  # compiled, `list | tuple` would be a new object each time


class WsgiError(Exception):
    """The application, `culprit`, broke PEP 3333: no code of isapy's is to be corrected."""

    culprit: str = ""


class Runnable(Protocol):
    """A part of a call that is the application's code."""

    def run(self) -> Any:
        """Run it."""


RunCode = Callable[[Any, Request], Any]
"""A function of the plugin that only calls `run()` of a Runnable: its frame tells an examiner of a process that hangs
whose code it is, and for which request."""


class KnownHead:
    """Header fields that an application has given, as it gave them and as they go out."""

    __slots__ = ("given", "headers", "promised")

    def __init__(self, given: list[Any], headers: Headers, promised: int | None) -> None:
        self.given = given
        self.headers = headers
        self.promised = promised  # Content-Length


@dataclass(slots=True)
class Callee:
    """A loaded application, and what its calls share."""

    function: Callable[..., Any]
    loop: asyncio.AbstractEventLoop
    report_event: Callable[[str, str], None]
    turn: Turn | None  # None: many calls at a time
    base: dict[str, Any]  # of environ
    name: str  # module:callable
    lengths: LengthCheck
    known: KnownHead | None = None  # the last answer's: most answers have the same

    def report(self, request_id: str, line: str) -> None:
        """A line of wsgi.errors. On any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self.loop.call_soon_threadsafe(self.report_event, "application-output", f"request {request_id}: {line}")

    def report_failure(self, request: Request, what: str, error: BaseException) -> None:
        """Something has failed of which the answer does not depend any more. On any thread."""
        lines = "".join(traceback.format_exception(error)).rstrip()
        text = f"request {request.id}: {what} raised {type(error).__name__}: {error}\n{lines}"
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self.loop.call_soon_threadsafe(self.report_event, "plugin-error", text)

    def report_length(self, request: Request, promised: int, given: int) -> None:
        """Content-Length says something else than the whole body. On any thread."""
        if not self.lengths.is_told:
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.lengths.tell, request.id, promised, given)

    def report_more(self, request: Request, promised: int) -> None:
        """A body in pieces goes on behind Content-Length. On any thread."""
        if not self.lengths.is_told:
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.lengths.tell_of_more, request.id, promised)


class WsgiCall:
    """One request's way through the application."""

    __slots__ = (
        "_callee",
        "_errors",
        "_has_written",
        "_headers",
        "_input",
        "_promised",
        "_request",
        "_sent",
        "_status",
    )

    def __init__(self, callee: Callee, request: Request) -> None:
        self._callee = callee
        self._request = request
        self._input = InputStream(request.body)
        self._errors = ErrorStream(callee.report, request.id)
        self._status = ""
        self._headers: Any = ()
        self._promised: int | None = None  # Content-Length
        self._sent = 0  # bytes of a body that comes in pieces
        self._has_written = False  # the head has left, or counts as if it had

    # What the application hands in is checked here, and not by a compiled function's arguments.

    def start_response(self, status: Any, headers: Any, exc_info: Any = None, /) -> Callable[[bytes], None]:
        """PEP 3333's start_response; the head leaves with the first bytes of the body."""
        if exc_info:
            try:
                if self._has_written:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a reference cycle otherwise
        elif self._status:
            raise WsgiError("start_response was called twice without exc_info")
        if not isinstance(status, str) or status[3:4] not in (" ", "") or not status[:3].isdigit():
            raise WsgiError(f"a status is text such as '200 OK', not {status!r}")
        self._status, self._headers, self._promised = status, headers, None
        known = self._callee.known
        if known is not None and known.given == headers:
            self._promised = known.promised
            return self._write
        self._promised = _length_in(headers)
        return self._write

    def _write(self, data: Any) -> None:
        """PEP 3333's write."""
        raise NotImplementedError

    def _enter(self) -> Any:
        """Call the application; what it returns."""
        environ = request_environ(self._callee.base, self._request)
        environ["wsgi.input"] = self._input
        environ["wsgi.errors"] = self._errors
        return self._callee.function(environ, self.start_response)

    def _let_go(self, iterable: Any) -> None:
        """Close what the application has returned. What that raises is an event alone: by now the answer is complete,
        or something else is the matter with it."""
        try:
            close(iterable)
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            self._callee.report_failure(self._request, "close() behind the answer", error)

    def _complete(self, iterable: Any) -> bytes | FileBody | None:
        """The body, when what the application returned holds all of it."""
        if isinstance(iterable, _WHOLE):
            return joined(iterable)
        if isinstance(iterable, _NO_ITERABLES) or not (
            hasattr(iterable, "__iter__") or hasattr(iterable, "__getitem__")
        ):
            kind = type(iterable).__name__
            raise WsgiError(f"the application returned {kind}, and not an iterable of bytes such as [body]")
        return iterable.as_file(self._promised) if isinstance(iterable, FileWrapper) else None

    def _head(self, body: bytes | FileBody | ThreadedBody | SteppedBody) -> Response:
        """The response. Raises what has refused the request's body: an application may have made a page of it, which
        is not its to make."""
        if self._input.refusal is not None:
            raise self._input.refusal
        if not self._status:
            raise WsgiError("the application returned without a call of start_response")
        status = _statuses[self._status]
        given = self._headers
        known = self._callee.known
        if known is not None and known.given == given:
            headers = known.headers.copy()  # filters may change them
        else:
            headers = _fields_of(given)
            if given.__class__ is list:  # it may have changed since start_response
                self._callee.known = KnownHead(given.copy(), headers.copy(), _length_in(given))
        promised = self._promised
        if promised is not None and isinstance(body, bytes) and promised != len(body):
            self._tell_length(promised, len(body), status[0])
        return new_response(status[0], headers, body, status[1])

    def _accuse(self, error: BaseException) -> None:
        """What has broken PEP 3333 is told of the application."""
        if isinstance(error, WsgiError):
            error.culprit = self._callee.name

    def _count(self, size: int) -> None:
        """So many bytes more of a body in pieces."""
        self._sent += size
        promised = self._promised
        if promised is not None and self._sent > promised and self._request.method != "HEAD":
            self._callee.report_more(self._request, promised)

    def _tell_length(self, promised: int, given: int, status: int) -> None:
        if self._request.method != "HEAD" and status not in BODYLESS:
            self._callee.report_length(self._request, promised, given)


def check_piece(data: object) -> None:
    """Raises WsgiError for a piece of a body that is not bytes."""
    if not isinstance(data, bytes):
        raise WsgiError(f"a piece of the body is {type(data).__name__}, not bytes")


def joined(pieces: Any) -> bytes:
    """A body in one piece. Raises WsgiError for one that is not bytes."""
    try:
        return pieces[0] if len(pieces) == 1 and pieces[0].__class__ is bytes else b"".join(pieces)
    except TypeError as error:
        raise WsgiError(f"a piece of the body is no bytes: {error}") from error


def close(iterable: Any) -> None:
    """PEP 3333: whatever the application returned is closed, if it can be, however the request ended."""
    kind = iterable.__class__
    if kind is list or kind is tuple:  # the everyday one has none: looking for it costs an AttributeError
        return
    function = getattr(iterable, "close", None)
    if function is not None:
        function()


def _length_in(headers: Any) -> int | None:
    """Content-Length. Raises WsgiError for what are no header fields."""
    promised = None
    try:
        for name, value in headers:
            if len(name) == 14 and name.lower() == "content-length":
                promised = int(value)
    except (AttributeError, TypeError, ValueError) as error:
        raise WsgiError(f"header fields are a list of pairs of str, Content-Length a number: {error}") from error
    return promised


def _fields_of(headers: Any) -> Headers:
    try:
        return Headers.repeated(headers)
    except (AttributeError, TypeError, ValueError) as error:
        raise WsgiError(f"header fields are a list of pairs of str that HTTP allows: {error}") from error


def _parse_status(text: str) -> tuple[int, str]:
    status, reason = int(text[:3]), text[4:]
    return status, "" if reason == reason_phrase(status) else reason


_statuses: Final = Remembered(_parse_status, 256, 128)
