"""What filters may change in a notification is looked at behind each of them, so that the right one is named."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import fields
from typing import Any, Final

from host.api import Credentials, FileBody, Headers, LogEntry, RawData, Response, UrlMap

_MOST_WIN32: Final = 0xFFFFFFFF


def check_change(hook: str, value: Any) -> None:
    """Raise TypeError or ValueError when a filter has left in `value` what does not belong there."""
    CHANGED[hook](value)


def undo_changes(entry: LogEntry, before: LogEntry) -> None:
    """What a filter did to a log line before it failed does not count."""
    for field in fields(LogEntry):
        setattr(entry, field.name, getattr(before, field.name))


def _check_response(response: Response) -> None:
    if not isinstance(response.headers, Headers):
        raise TypeError(f"Response.headers must stay Headers, not {type(response.headers).__name__}")
    if not isinstance(response.status, int) or not 100 <= response.status <= 999:
        raise TypeError(f"Response.status must stay a number of 100 to 999, not {response.status!r}")
    body = response.body
    if isinstance(body, str) or not isinstance(body, bytes | FileBody | Iterable | AsyncIterable):
        raise TypeError(f"Response.body must stay bytes, a FileBody or pieces of them, not {type(body).__name__}")


def _check_url_map(url_map: UrlMap) -> None:
    path = _text(url_map.physical_path, "UrlMap.physical_path")
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"UrlMap.physical_path must stay an absolute path, not {path!r}")


def _check_credentials(credentials: Credentials) -> None:
    _text(credentials.user, "Credentials.user")
    _text(credentials.password, "Credentials.password")


def _check_raw_data(raw: RawData) -> None:
    if not isinstance(raw.data, bytes):
        raise TypeError(f"RawData.data must stay bytes, not {type(raw.data).__name__}")


def _check_log_entry(entry: LogEntry) -> None:
    for field in fields(LogEntry):
        value = getattr(entry, field.name)
        if isinstance(field.default, str):
            _text(value, f"LogEntry.{field.name}")
        elif not isinstance(value, int):
            raise TypeError(f"LogEntry.{field.name} must stay an int, not {type(value).__name__}")
    if not 100 <= entry.http_status <= 999 or not 0 <= entry.win32_status <= _MOST_WIN32:
        raise ValueError(f"LogEntry: {entry.http_status} and {entry.win32_status} are no statuses")


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must stay text, not {type(value).__name__}")
    return value


CHANGED: Final[dict[str, Callable[[Any], None]]] = {
    "on_url_map": _check_url_map,
    "on_authentication": _check_credentials,
    "on_read_raw_data": _check_raw_data,
    "on_send_response": _check_response,
    "on_send_raw_data": _check_raw_data,
    "on_log": _check_log_entry,
}
"""Hooks whose second argument is what they may change."""
