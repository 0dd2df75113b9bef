"""Filters for pywin32 (`__FilterFactory__`) as plugins: their flags choose the hooks of `host.api` that they get."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final

from host.api import FilterInfo, FilterPriority, FilterStatus, PluginContext, hookimpl
from host.api.filters import FILTER_REVISION, FilterContext, Notification
from host.pywin32.control_block import text_bytes
from host.pywin32.filter_context import HttpFilterContext
from host.pywin32.filter_data import Authentication, Log, PreprocHeaders, RawDataPiece, UrlMapping
from host.pywin32.isapi import InternalReloadException, isapicon
from host.pywin32.private_imports import PrivateImports

_LONGEST_DESCRIPTION: Final = 257
_METHODS: Final = ("GetFilterVersion", "HttpFilterProc", "TerminateFilter")
_PRIORITIES: Final = (
    (isapicon.SF_NOTIFY_ORDER_HIGH, FilterPriority.HIGH),
    (isapicon.SF_NOTIFY_ORDER_MEDIUM, FilterPriority.MEDIUM),
)
_PORTS: Final = isapicon.SF_NOTIFY_SECURE_PORT | isapicon.SF_NOTIFY_NONSECURE_PORT


class NoFilter(Exception):
    """The file's filter cannot be used."""


class CarriedFilter:
    """The plugin: its attributes are marked hooks. Hashable, as pluggy wants it."""


def open_filter(path: str, _context: PluginContext) -> object:
    """The filter in a Python file with `__FilterFactory__`, as a plugin. Raises whatever the file raises."""
    world = PrivateImports(path)
    try:
        return _plugin(FactoryFilter(path, world))
    except BaseException:
        world.close()
        raise


class VersionInfo:
    """HTTP_FILTER_VERSION."""

    __slots__ = ("FilterVersion", "Flags", "_description")

    def __init__(self) -> None:
        self.FilterVersion = FILTER_REVISION
        self.Flags = 0
        self._description = b""

    @property
    def ServerFilterVersion(self) -> int:
        """The server's revision."""
        return FILTER_REVISION

    @property
    def FilterDesc(self) -> bytes:
        """The description; str or bytes of at most 257."""
        return self._description

    @FilterDesc.setter
    def FilterDesc(self, value: str | bytes) -> None:
        raw = text_bytes(value)
        if len(raw) > _LONGEST_DESCRIPTION:
            raise ValueError(f"a description has {_LONGEST_DESCRIPTION} bytes at most, not {len(raw)}")
        self._description = raw


class FactoryFilter:
    """What `__FilterFactory__` made, called by pywin32's rules."""

    def __init__(self, path: str, world: PrivateImports) -> None:
        """Loads the file and asks for its version. Raises NoFilter and whatever the file raises."""
        self._path = path
        self._world = world
        self._lock = threading.Lock()
        self.version = VersionInfo()
        self._bind()
        answer = self._get_version(self.version)
        if not (answer is None or answer):
            raise NoFilter(f"GetFilterVersion of {path} returned {answer!r}")
        if not isinstance(self.version.Flags, int):
            raise NoFilter(f"GetFilterVersion of {path} set Flags to {self.version.Flags!r}, which is no number")

    def call(self, context: FilterContext, data: Any) -> FilterStatus | None:
        """One notification. What the filter raises is a failure of this filter, which the host reports."""
        try:
            status = self._proc(HttpFilterContext(context, data))
        except InternalReloadException:
            with self._lock:
                self._terminate(0)
                self._bind()
                self._get_version(None)
            status = self._proc(HttpFilterContext(context, data))
        if status is None:
            return None
        try:
            return FilterStatus(status)
        except ValueError:
            raise TypeError(f"HttpFilterProc must return an SF_STATUS_ or None, not {status!r}") from None

    def close(self) -> None:
        """The worker ends: TerminateFilter."""
        try:
            self._terminate(0)
        finally:
            self._world.close()

    def _bind(self) -> None:
        module = self._world.load(os.path.splitext(os.path.basename(self._path))[0], self._path)
        found = module.__FilterFactory__()
        missing = [name for name in _METHODS if not callable(getattr(found, name, None))]
        if missing:
            raise NoFilter(f"what __FilterFactory__ of {self._path} returned has no {', '.join(missing)}")
        self._get_version, self._proc, self._terminate = (getattr(found, name) for name in _METHODS)


def _plugin(carried: FactoryFilter) -> CarriedFilter:
    plugin = CarriedFilter()
    flags = carried.version.Flags

    def filter_info() -> FilterInfo:
        ports = flags & _PORTS or _PORTS
        return FilterInfo(
            description=carried.version.FilterDesc.decode("utf-8", "replace"),
            priority=next((priority for bit, priority in _PRIORITIES if flags & bit), FilterPriority.LOW),
            secure_port=bool(ports & isapicon.SF_NOTIFY_SECURE_PORT),
            nonsecure_port=bool(ports & isapicon.SF_NOTIFY_NONSECURE_PORT),
        )

    def unload(context: PluginContext) -> None:
        carried.close()

    hooks: dict[str, Callable[..., Any]] = {"filter_info": filter_info, "unload": unload}
    for notification in Notification:
        if flags & notification:
            hooks[notification.hook] = _hook(carried, notification)
    for name, function in hooks.items():
        function.__name__ = name
        setattr(plugin, name, hookimpl(function))
    return plugin


def _hook(carried: FactoryFilter, notification: Notification) -> Callable[..., Any]:
    """A function with the arguments of the notification's hook; what it says is in its second argument, if any."""

    def on_request(request: Any, filter_context: Any) -> Any:
        return carried.call(filter_context, None)

    def on_preproc_headers(request: Any, filter_context: Any) -> Any:
        return carried.call(filter_context, PreprocHeaders(filter_context))

    def on_end_of_net_session(connection: Any, filter_context: Any) -> Any:
        return carried.call(filter_context, None)

    def on_url_map(request: Any, url_map: Any, filter_context: Any) -> Any:
        return carried.call(filter_context, UrlMapping(url_map))

    def on_authentication(request: Any, credentials: Any, filter_context: Any) -> Any:
        return carried.call(filter_context, Authentication(credentials))

    def on_access_denied(request: Any, denial: Any, filter_context: Any) -> Any:
        return carried.call(filter_context, None)

    def on_send_response(request: Any, response: Any, filter_context: Any) -> Any:
        return carried.call(filter_context, None)

    def on_send_raw_data(request: Any, data: Any, filter_context: Any) -> Any:
        return carried.call(filter_context, RawDataPiece(data))

    def on_read_raw_data(connection: Any, data: Any, filter_context: Any) -> Any:
        return carried.call(filter_context, RawDataPiece(data))

    def on_log(request: Any, entry: Any, filter_context: Any) -> Any:
        return carried.call(filter_context, Log(entry))

    own: dict[str, Callable[..., Any]] = {
        "on_preproc_headers": on_preproc_headers,
        "on_url_map": on_url_map,
        "on_authentication": on_authentication,
        "on_access_denied": on_access_denied,
        "on_send_response": on_send_response,
        "on_send_raw_data": on_send_raw_data,
        "on_read_raw_data": on_read_raw_data,
        "on_log": on_log,
        "on_end_of_net_session": on_end_of_net_session,
    }
    return own.get(notification.hook, on_request)
