"""HTTP_FILTER_CONTEXT: what a hook gets that takes `filter_context` (host.api.FilterContext).

A filter none of whose hooks takes one is called as it is. Of the others every notification is wrapped: the wrapper
finds the filter's context, and leaves out what the filter has disabled.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from host.api import Connection, FilterError, FilterProperty, HttpError, Notification, Request, Response
from host.api.headers import check_field
from host.api.isapi import IsapiError
from host.worker.filter_output import FilterOutput, output_of, parse_status
from host.worker.hooks import ASYNC, FILTER_HOOKS, Hook
from host.worker.physical_path import decode_path, split_target

_OF_REQUEST: Final = Notification.PREPROC_HEADERS | Notification.AUTH_COMPLETE
_SPECIAL: Final = ("method", "url", "version")
_VARIABLES: Final = "host.isapi.filter_variables"


class WorkerFilterContext:
    """One filter's context for a request, or for a connection (host.api.FilterContext)."""

    __slots__ = (
        "_connection",
        "_disabled",
        "_notification",
        "_output",
        "_owner",
        "_request",
        "_response",
        "request_state",
    )

    def __init__(self, owner: str, connection: Connection, output: FilterOutput) -> None:
        self._owner = owner
        self._connection = connection
        self._output = output
        self._request: Request | None = None
        self._response: Response | None = None
        self._notification = Notification(0)
        self._disabled = Notification(0)
        self.request_state: Any = None

    def enter(self, notification: Notification, request: Request | None, response: Response | None) -> bool:
        """A notification is about to be given; false when the filter does not want it."""
        if self._disabled & notification:
            return False
        self._notification = notification
        self._request = request
        self._response = response
        self._output.last_error = 0
        return True

    # --- facts

    @property
    def connection(self) -> Connection:
        """The client's connection."""
        return self._connection

    @property
    def request(self) -> Request | None:
        """The request, if there is one."""
        return self._request

    @property
    def notification(self) -> Notification:
        """The notification given last."""
        return self._notification

    @property
    def is_secure_port(self) -> bool:
        """Whether the connection is TLS."""
        return self._connection.is_secure

    @property
    def last_error(self) -> int:
        """The Windows error that ERROR reports."""
        return self._output.last_error

    @last_error.setter
    def last_error(self, code: int) -> None:
        self._output.last_error = code

    @property
    def connection_state(self) -> Any:
        """The filter's own value for the connection."""
        return self._connection.state.get(self._owner)

    @connection_state.setter
    def connection_state(self, value: Any) -> None:
        self._connection.state[self._owner] = value

    def get_server_variable(self, name: str) -> str:
        """CGI's and IIS's variables. Raises FilterError 1413."""
        request = self._request
        if request is None:
            raise FilterError(FilterError.NO_SUCH_VARIABLE, f"there is no request that has a variable {name}")
        if not request.physical_path:  # before the first URL map
            path, _, raw_query = request.raw_target.partition("?")
            request = replace(request, path=self.normalize_url(path), raw_query=raw_query)
        room = importlib.import_module(_VARIABLES)  # few filters ask
        try:
            return str(room.filter_variable(request, name))
        except IsapiError as error:
            raise FilterError(error.code, f"there is no server variable {name}") from error

    def get_connection_id(self) -> int:
        """The connection's number."""
        return self._connection.number

    def get_property(self, which: FilterProperty) -> int:
        """The site's number. Raises FilterError 50 for anything else."""
        if which != FilterProperty.INSTANCE_NUMBER or self._request is None:
            raise FilterError(FilterError.NOT_SUPPORTED, f"there is no property {which!r} here")
        return self._request.application.site_id

    def set_certificate_info(self) -> None:
        """Raises FilterError 50."""
        raise FilterError(FilterError.NOT_SUPPORTED, "there are no SSPI contexts")

    def normalize_url(self, url: str) -> str:
        """The path as the server maps it. Raises FilterError 87."""
        try:
            return decode_path(split_target(url)[0])
        except HttpError as error:
            raise FilterError(FilterError.INVALID_PARAMETER, error.detail) from error

    # --- header fields

    def get_header(self, name: str) -> str:
        """A field or special name of the request or response. Raises FilterError."""
        request, response = self._subject()
        if response is not None:
            if name == "status":
                return response.status_line
            value = response.headers.get_all(_field_name(name))
        elif name in _SPECIAL:
            specials = {"method": request.method, "url": request.raw_target, "version": f"HTTP/{request.http_version}"}
            return specials[name]
        else:
            value = request.headers.get_all(_field_name(name))
        if not value:
            raise FilterError(FilterError.NO_SUCH_VARIABLE, f"there is no header field {name}")
        return ", ".join(value)

    def set_header(self, name: str, value: str) -> None:
        """Replace, or delete. Raises FilterError."""
        request, response = self._subject()
        if response is not None and name == "status":
            response.status, response.reason = parse_status(value)
        elif response is None and name in _SPECIAL:
            _set_special(request, name, value)
        else:
            headers = request.headers if response is None else response.headers
            field = _field_name(name)
            if value:
                _checked(headers.set, field, value)
            else:
                headers.remove(field)

    def add_header(self, name: str, value: str) -> None:
        """One more field. Raises FilterError."""
        request, response = self._subject()
        _checked((request if response is None else response).headers.add, _field_name(name), value)

    def _subject(self) -> tuple[Request, Response | None]:
        request = self._request
        if request is None or not (self._notification & _OF_REQUEST or self._response is not None):
            raise FilterError(FilterError.NOT_SUPPORTED, f"{self._notification.hook} has no header fields")
        return request, self._response

    # --- what the client gets

    def add_response_headers(self, text: str) -> None:
        """Fields for the response. Raises FilterError 87."""
        self._output.add_fields(text)

    def add_headers_on_denial(self, text: str) -> None:
        """Fields for a 401. Raises FilterError 87."""
        self._output.add_fields(text, on_denial=True)

    def send_response_header(self, status: str = "", headers: str = "") -> None:
        """Begin the filter's own answer. Raises FilterError 87."""
        self._output.begin_answer(status, headers)

    def write_client(self, data: bytes) -> None:
        """Bytes for the client. Raises FilterError 87 when it is too late."""
        self._output.write(data)

    def close_connection(self) -> None:
        """The connection ends with this response."""
        self._output.closes = True

    def set_proxy_info(self, is_proxy: bool) -> None:
        """Whether `Proxy-Connection` counts."""
        self._output.is_proxy = is_proxy

    # --- notifications

    def disable_notifications(self, notifications: Notification) -> None:
        """Not these, for the rest of the request."""
        self._disabled |= Notification(notifications)

    def set_next_read_size(self, size: int) -> None:
        """At most so many new bytes next time. Raises FilterError."""
        if self._notification is not Notification.READ_RAW_DATA:
            raise FilterError(FilterError.NOT_SUPPORTED, f"{self._notification.hook} reads nothing")
        if size < 1:
            raise FilterError(FilterError.INVALID_PARAMETER, f"{size} is no size")
        self._output.next_read_size = size


def context_of(owner: str, subject: Request | Connection) -> WorkerFilterContext:
    """The context of the filter `owner` for that request or connection."""
    output = output_of(subject.context if isinstance(subject, Request) else subject.state)
    context: WorkerFilterContext | None = output.contexts.get(owner)
    if context is None:
        connection = subject.connection if isinstance(subject, Request) else subject
        context = output.contexts[owner] = WorkerFilterContext(owner, connection, output)
    return context


def with_contexts(hooks: Mapping[str, Hook], owner: str) -> dict[str, Hook]:
    """The hooks of a filter whose private name is `owner`, ready to be called without a context."""
    if not any(hook.takes_context for hook in hooks.values()):
        return dict(hooks)
    return {name: _providing(hook, owner) if name in FILTER_HOOKS else hook for name, hook in hooks.items()}


def _providing(hook: Hook, owner: str) -> Hook:
    notification = Notification[hook.name.removeprefix("on_").upper()]
    is_about_response = notification is Notification.SEND_RESPONSE
    function, takes_context = hook.function, hook.takes_context

    def entered(subject: Any, further: tuple[Any, ...]) -> WorkerFilterContext | None:
        context = context_of(owner, subject)
        request = subject if isinstance(subject, Request) else None
        response = further[0] if is_about_response else None
        return context if context.enter(notification, request, response) else None

    def call(subject: Any, *further: Any) -> Any:
        context = entered(subject, further)
        if context is None:
            return None
        return function(subject, *further, context) if takes_context else function(subject, *further)

    async def call_later(subject: Any, *further: Any) -> Any:
        context = entered(subject, further)
        if context is None:
            return None
        return await (function(subject, *further, context) if takes_context else function(subject, *further))

    return hook._replace(function=call_later if hook.kind == ASYNC else call)


def _field_name(name: str) -> str:
    if not name.endswith(":"):
        raise FilterError(FilterError.INVALID_PARAMETER, f"a header field is named with its colon, not {name!r}")
    return name[:-1]


def _checked(change: Callable[[str, str], object], name: str, value: str) -> None:
    try:
        change(name, value)
    except ValueError as error:
        raise FilterError(FilterError.INVALID_PARAMETER, str(error)) from error


def _set_special(request: Request, name: str, value: str) -> None:
    if name == "url":
        try:
            request.set_url(value)
        except ValueError as error:
            raise FilterError(FilterError.INVALID_PARAMETER, str(error)) from error
    elif name == "version":
        if value not in ("HTTP/1.0", "HTTP/1.1"):
            raise FilterError(FilterError.INVALID_PARAMETER, f"no version: {value!r}")
        request.http_version = value.removeprefix("HTTP/")
    else:
        _checked(check_field, value, "")  # a method is a token, as a field's name is
        request.method = value
