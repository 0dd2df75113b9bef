"""What `GetData()` of a filter context gives, by notification: pywin32's names and types over the hooks' arguments."""

from __future__ import annotations

from typing import Any, Final

from host.api import Credentials, LogEntry, RawData, UrlMap
from host.api.filters import FilterContext
from host.api.filters import FilterError as HostFilterError
from host.pywin32.control_block import str_only, text_bytes
from host.pywin32.isapi import FilterError

_MISSING: Final = object()


def bytes_only(value: Any) -> bytes:
    """Raises TypeError for what is not bytes."""
    if not isinstance(value, bytes):
        raise TypeError(f"bytes are required, not {type(value).__name__}")
    return value


def wire(text: str) -> bytes:
    """Header and URL text as bytes."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text_bytes(text)


class PreprocHeaders:
    """HTTP_FILTER_PREPROC_HEADERS."""

    __slots__ = ("_context",)

    def __init__(self, context: FilterContext) -> None:
        self._context = context

    def GetHeader(self, name: str, default: Any = _MISSING) -> Any:
        """bytes; `default`, when it is given, instead of FilterError."""
        try:
            return wire(self._context.get_header(str_only(name)))
        except HostFilterError as error:
            if default is not _MISSING:
                return default
            raise FilterError(error.code, str(error), "GetHeader") from error

    def SetHeader(self, name: str, val: str) -> None:
        """Replace; an empty value deletes."""
        try:
            self._context.set_header(str_only(name), str_only(val))
        except HostFilterError as error:
            raise FilterError(error.code, str(error), "SetHeader") from error

    def AddHeader(self, name: str, val: str) -> None:
        """One more."""
        try:
            self._context.add_header(str_only(name), str_only(val))
        except HostFilterError as error:
            raise FilterError(error.code, str(error), "AddHeader") from error


class UrlMapping:
    """HTTP_FILTER_URL_MAP."""

    __slots__ = ("_url_map",)

    def __init__(self, url_map: UrlMap) -> None:
        self._url_map = url_map

    @property
    def URL(self) -> bytes:
        """The URL path."""
        return text_bytes(self._url_map.url_path)

    @property
    def PhysicalPath(self) -> bytes:
        """May be replaced by other bytes."""
        return text_bytes(self._url_map.physical_path)

    @PhysicalPath.setter
    def PhysicalPath(self, value: bytes) -> None:
        self._url_map.physical_path = bytes_only(value).decode("utf-8", "surrogateescape")


class RawDataPiece:
    """HTTP_FILTER_RAW_DATA."""

    __slots__ = ("_data",)

    def __init__(self, data: RawData) -> None:
        self._data = data

    @property
    def InData(self) -> bytes:
        """The bytes; may be replaced."""
        return self._data.data

    @InData.setter
    def InData(self, value: bytes | None) -> None:
        self._data.data = b"" if value is None else bytes_only(value)


class Authentication:
    """HTTP_FILTER_AUTHENT."""

    __slots__ = ("_credentials",)

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    @property
    def User(self) -> bytes:
        """The user's name; may be replaced."""
        return text_bytes(self._credentials.user)

    @User.setter
    def User(self, value: bytes) -> None:
        self._credentials.user = bytes_only(value).decode("utf-8", "replace")

    @property
    def Password(self) -> bytes:
        """The password; may be replaced."""
        return text_bytes(self._credentials.password)

    @Password.setter
    def Password(self, value: bytes) -> None:
        self._credentials.password = bytes_only(value).decode("utf-8", "replace")


def _text(field: str) -> property:
    def get(self: Log) -> bytes:
        return text_bytes(getattr(self._entry, field))

    def put(self: Log, value: bytes) -> None:
        setattr(self._entry, field, bytes_only(value).decode("utf-8", "replace"))

    return property(get, put)


def _number(field: str) -> property:
    def get(self: Log) -> int:
        return int(getattr(self._entry, field))

    def put(self: Log, value: int) -> None:
        setattr(self._entry, field, int(value))

    return property(get, put)


class Log:
    """HTTP_FILTER_LOG."""

    __slots__ = ("_entry",)
    _entry: LogEntry

    def __init__(self, entry: LogEntry) -> None:
        self._entry = entry

    ClientHostName = _text("client_host_name")
    ClientUserName = _text("client_user_name")
    ServerName = _text("server_name")
    Operation = _text("operation")
    Target = _text("target")
    Parameters = _text("parameters")
    HttpStatus = _number("http_status")
    Win32Status = _number("win32_status")
