"""HTTP_FILTER_CONTEXT and the header structures that C sees, and their callbacks: made once in a process.

A filter has one HTTP_FILTER_CONTEXT for each connection, at one address in all its notifications. The callbacks find
by that address what the notification under way is about; at any other time they fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from host.api import FilterContext, FilterProperty, Notification
from host.api.filters import FILTER_REVISION
from host.api.isapi import ANONYMOUS_TOKEN
from host.api.win32_errors import ERROR_CALL_NOT_IMPLEMENTED, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER
from host.native.failing import Failed, TellsErrors, give, guarded
from host.native.library import Library
from host.native.structures import ffi, member_type, raw_text_of, text_of

_UNICODE: Final = "UNICODE_"
_MOST_MEMORY: Final = 64 * 1024 * 1024
_EVERY_NOTIFICATION: Final = sum(notification.value for notification in Notification)

_connections: Final[dict[int, NativeConnection]] = {}


class NativeConnection:
    """A connection as one filter sees it. `current` is the context of the notification under way, if one is."""

    def __init__(self, library: Library, *, is_secure: bool) -> None:
        self.library = library
        self.current: FilterContext | None = None
        self.memory: list[Any] = []  # of AllocMem: freed with this object
        self.struct = ffi.new("HTTP_FILTER_CONTEXT *", CONTEXT_TEMPLATE[0])
        self.struct.fIsSecurePort = is_secure
        self._address = int(ffi.cast("uintptr_t", self.struct))

    def enter(self, context: FilterContext) -> FilterContext | None:
        """A notification is about to be given; gives what `leave` wants back (a notification may lead to another)."""
        outer, self.current = self.current, context
        _connections[self._address] = self
        return outer

    def leave(self, outer: FilterContext | None) -> None:
        """It has been."""
        self.current = outer
        if outer is None:
            del _connections[self._address]

    def text(self, text: str) -> Any:
        """A `char *` that lives as long as the connection's memory."""
        raw = ffi.new("char[]", text.encode("latin-1", "replace"))
        self.memory.append(raw)
        return raw


class _NoLibrary:
    """Nobody knows whose context it is, so nobody can be told."""

    def set_last_error(self, code: int) -> None:
        """Nothing."""


_no_library: Final = _NoLibrary()


def _find(pointer: Any) -> tuple[TellsErrors, NativeConnection | None]:
    connection = _connections.get(int(ffi.cast("uintptr_t", pointer)))
    return (_no_library, None) if connection is None else (connection.library, connection)


def _context(connection: NativeConnection) -> FilterContext:
    assert connection.current is not None, "a connection is known while a notification is under way"
    return connection.current


def _name(pointer: Any) -> str:
    if not pointer:
        raise Failed(ERROR_INVALID_PARAMETER)
    return text_of(pointer, 4096)


# --- callbacks of HTTP_FILTER_CONTEXT


@guarded(_find)
def _get_server_variable(connection: NativeConnection, name: Any, buffer: Any, size: Any) -> None:
    asked = _name(name)
    value = _context(connection).get_server_variable(asked.removeprefix(_UNICODE))
    if asked.startswith(_UNICODE):
        give(value.encode("utf-16-le", "surrogatepass"), buffer, size, b"\0\0")
    else:
        give(_encoded(value), buffer, size)


@guarded(_find)
def _add_response_headers(connection: NativeConnection, headers: Any, _reserved: int) -> None:
    _context(connection).add_response_headers(text_of(headers))


@guarded(_find)
def _write_client(connection: NativeConnection, buffer: Any, size: Any, _reserved: int) -> None:
    if not size or (size[0] and not buffer):
        raise Failed(ERROR_INVALID_PARAMETER)
    _context(connection).write_client(bytes(ffi.buffer(buffer, size[0])) if size[0] else b"")


def _alloc_mem(pointer: Any, size: int, _reserved: int) -> Any:
    _, connection = _find(pointer)
    if connection is None or size > _MOST_MEMORY:
        return ffi.NULL
    memory = ffi.new("char[]", max(size, 1))
    connection.memory.append(memory)
    return ffi.cast("void *", memory)


@guarded(_find)
def _server_support_function(connection: NativeConnection, request: int, data: Any, first: int, _second: int) -> None:
    handler = SUPPORT.get(request)
    if handler is None:
        raise Failed(ERROR_CALL_NOT_IMPLEMENTED)
    handler(_context(connection), data, first)


def _put_number(data: Any, number: int) -> None:
    if not data:
        raise Failed(ERROR_INVALID_PARAMETER)
    ffi.cast("DWORD *", data)[0] = number & 0xFFFFFFFF


def _property(context: FilterContext, data: Any, which: int) -> None:
    if which not in FilterProperty.__members__.values():
        raise Failed(ERROR_INVALID_PARAMETER)
    _put_number(data, context.get_property(FilterProperty(which)))


def _normalize(context: FilterContext, data: Any, _first: int) -> None:
    given = raw_text_of(data)
    raw = _encoded(context.normalize_url(given.decode("latin-1")))
    if len(raw) > len(given):
        raise Failed(ERROR_INSUFFICIENT_BUFFER)
    ffi.memmove(data, raw + b"\0", len(raw) + 1)


SUPPORT: Final[dict[int, Callable[[FilterContext, Any, int], None]]] = {
    0: lambda context, data, first: context.send_response_header(text_of(data), text_of(ffi.cast("char *", first))),
    1: lambda context, data, _first: context.add_headers_on_denial(text_of(data)),
    2: lambda context, _data, first: context.set_next_read_size(first),
    3: lambda context, _data, first: context.set_proxy_info(bool(first)),
    4: lambda context, data, _first: _put_number(data, context.get_connection_id()),
    5: lambda context, _data, _first: context.set_certificate_info(),
    6: _property,
    7: _normalize,
    8: lambda context, _data, first: context.disable_notifications(Notification(first & _EVERY_NOTIFICATION)),
}
"""What each SF_REQ_ does."""

# --- callbacks of the header structures


@guarded(_find)
def _get_header(connection: NativeConnection, name: Any, buffer: Any, size: Any) -> None:
    give(_context(connection).get_header(_name(name)).encode("latin-1", "replace"), buffer, size)


@guarded(_find)
def _set_header(connection: NativeConnection, name: Any, value: Any) -> None:
    _context(connection).set_header(_name(name), text_of(value))


@guarded(_find)
def _add_header(connection: NativeConnection, name: Any, value: Any) -> None:
    _context(connection).add_header(_name(name), text_of(value))


@guarded(_find)
def _get_user_token(_connection: NativeConnection, token: Any) -> None:
    if not token:
        raise Failed(ERROR_INVALID_PARAMETER)
    token[0] = ffi.cast("HANDLE", ANONYMOUS_TOKEN)


def _encoded(text: str) -> bytes:
    """A variable or path: ISO 8859-1 as header fields came, UTF-8 for what else there is."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


_callbacks: Final[list[Any]] = []  # kept for ever


def _template(structure: str, functions: dict[str, Callable[..., Any]]) -> Any:
    template = ffi.new(f"{structure} *")
    for name, function in functions.items():
        callback = ffi.callback(member_type(structure, name), function)
        _callbacks.append(callback)
        setattr(template, name, callback)
    return template


_HEADERS: Final = {"GetHeader": _get_header, "SetHeader": _set_header, "AddHeader": _add_header}

CONTEXT_TEMPLATE: Final = _template(
    "HTTP_FILTER_CONTEXT",
    {
        "GetServerVariable": _get_server_variable,
        "AddResponseHeaders": _add_response_headers,
        "WriteClient": _write_client,
        "AllocMem": _alloc_mem,
        "ServerSupportFunction": _server_support_function,
    },
)
CONTEXT_TEMPLATE.cbSize = ffi.sizeof("HTTP_FILTER_CONTEXT")
CONTEXT_TEMPLATE.Revision = FILTER_REVISION

HEADERS_TEMPLATE: Final = _template("HTTP_FILTER_PREPROC_HEADERS", _HEADERS)
"""Of PREPROC_HEADERS and SEND_RESPONSE."""

AUTH_COMPLETE_TEMPLATE: Final = _template(
    "HTTP_FILTER_AUTH_COMPLETE_INFO", {**_HEADERS, "GetUserToken": _get_user_token}
)
