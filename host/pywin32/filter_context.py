"""HTTP_FILTER_CONTEXT as pywin32 gives it to Python, over `host.api.filters.FilterContext`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from host.api.filters import FILTER_REVISION, FilterContext, Notification
from host.api.filters import FilterError as HostFilterError
from host.pywin32.control_block import str_only, text_bytes
from host.pywin32.isapi import FilterError

_MISSING: Final = object()


class HttpFilterContext:
    """What `HttpFilterProc(fc)` gets; good during the call."""

    __slots__ = ("_context", "_data")
    _context: FilterContext
    _data: Any

    def __init__(self, context: FilterContext, data: Any) -> None:
        self._context = context
        self._data = data

    @property
    def Revision(self) -> int:
        """The contract's."""
        return FILTER_REVISION

    @property
    def fIsSecurePort(self) -> int:
        """1 on a TLS connection."""
        return int(self._context.is_secure_port)

    @property
    def NotificationType(self) -> int:
        """An SF_NOTIFY_."""
        return int(self._context.notification)

    @property
    def FilterContext(self) -> Any:
        """The filter's own object for the connection; None at first."""
        return self._context.connection_state

    @FilterContext.setter
    def FilterContext(self, value: Any) -> None:
        self._context.connection_state = value

    def GetData(self) -> Any:
        """The notification's object. Raises ValueError for one that has none."""
        if self._data is None:
            raise ValueError(f"notification {self.NotificationType:#x} has no data")
        return self._data

    def GetServerVariable(self, name: str, default: Any = _MISSING) -> Any:
        """bytes, str for UNICODE_; `default`, when it is given, instead of FilterError."""
        wanted = str_only(name)
        is_unicode = wanted.startswith("UNICODE_")
        try:
            found = self._context.get_server_variable(wanted.removeprefix("UNICODE_"))
        except HostFilterError as error:
            if default is not _MISSING:
                return default
            raise FilterError(error.code, str(error), "GetServerVariable") from error
        return found if is_unicode else text_bytes(found)

    def WriteClient(self, data: str | bytes, reserved: int = 0) -> None:
        """Bytes for the client."""
        raw = text_bytes(data)
        _raise_as("WriteClient", lambda: self._context.write_client(raw))

    write = WriteClient

    def AddResponseHeaders(self, data: str, reserved: int = 0) -> None:
        """Header lines for whatever response the server sends."""
        text = str_only(data)
        _raise_as("AddResponseHeaders", lambda: self._context.add_response_headers(text))

    def SendResponseHeader(self, status: str | None, header: str | None) -> None:
        """SF_REQ_SEND_RESPONSE_HEADER: the filter's own answer."""
        _raise_as(
            "ServerSupportFunction(SF_REQ_SEND_RESPONSE_HEADER)",
            lambda: self._context.send_response_header(status or "", header or ""),
        )

    def DisableNotifications(self, flags: int) -> None:
        """For the rest of the request."""
        known = Notification(flags & sum(Notification))
        _raise_as(
            "ServerSupportFunction(SF_REQ_DISABLE_NOTIFICATIONS)", lambda: self._context.disable_notifications(known)
        )


def _raise_as(name: str, call: Callable[[], None]) -> None:
    try:
        call()
    except HostFilterError as error:
        raise FilterError(error.code, str(error), name) from error
