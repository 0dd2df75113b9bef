"""A shared object as an ISAPI filter: every notification that it registered for becomes a hook of `host.api`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from host.api import (
    Credentials,
    Denial,
    FilterContext,
    FilterInfo,
    FilterPriority,
    FilterStatus,
    LogEntry,
    Notification,
    PluginContext,
    RawData,
    Request,
    Response,
    UrlMap,
    hookimpl,
)
from host.api.filters import FILTER_REVISION
from host.native.filter_callbacks import AUTH_COMPLETE_TEMPLATE, HEADERS_TEMPLATE, NativeConnection
from host.native.library import CannotLoad, Library
from host.native.structures import ffi, raw_text_of, text_of

_SECURE_PORT: Final = 0x1
_NONSECURE_PORT: Final = 0x2
_ORDER_MEDIUM: Final = 0x40000
_ORDER_HIGH: Final = 0x80000
_DESCRIPTION_BYTES: Final = 257
_TERM_MUST_UNLOAD: Final = 2
_NAME_BUFFER: Final = 257  # SF_MAX_USERNAME, SF_MAX_PASSWORD
_PATH_BUFFER: Final = 4096
_PROC: Final = "HttpFilterProc"
_MOST_DWORD: Final = 0xFFFFFFFF
_BY_NUMBER: Final = {int(status): status for status in FilterStatus}

_LOG_TEXTS: Final = {
    "pszClientHostName": "client_host_name",
    "pszClientUserName": "client_user_name",
    "pszServerName": "server_name",
    "pszOperation": "operation",
    "pszTarget": "target",
    "pszParameters": "parameters",
}


class NoFilterStatus(TypeError):
    """HttpFilterProc has returned what is no SF_STATUS_REQ_: the library, `culprit`, is to be corrected."""

    def __init__(self, path: str, status: int) -> None:
        super().__init__(f"HttpFilterProc returned {status:#x}, which is no SF_STATUS_REQ_")
        self.culprit = path


class CarriedFilter:
    """The hooks of one native filter: those that it registered for, as attributes."""


class NativeFilter:
    """One library that exports GetFilterVersion and HttpFilterProc, loaded."""

    def __init__(self, path: str, context: PluginContext) -> None:
        """Calls GetFilterVersion. Raises CannotLoad."""
        self._path = path
        self._black_box = context.black_box
        self._owner = f"native filter {path}"
        place = self._black_box.enter(path, "dlopen")  # constructors run
        try:
            self._library = Library(path, context.black_box)
            get_version = self._library.required("GetFilterVersion")
            self._proc = self._library.required(_PROC)
            self._terminate = self._library.function("TerminateFilter")
        finally:
            self._black_box.leave(place)
        version = ffi.new("HTTP_FILTER_VERSION *")
        version.dwServerFilterVersion = FILTER_REVISION
        place = self._black_box.enter(path, "GetFilterVersion")
        try:
            is_accepted = get_version(version)
        finally:
            self._black_box.leave(place)
        if not is_accepted:
            code = self._library.get_last_error()
            self._library.close()
            raise CannotLoad(f"GetFilterVersion of {path} returned FALSE" + (f": Windows error {code}" if code else ""))
        self.flags = int(version.dwFlags)
        self.description = raw_text_of(version.lpszFilterDesc, _DESCRIPTION_BYTES).decode("utf-8", "replace")

    def info(self) -> FilterInfo:
        """What it said of itself; without an order it is low, without a port it is called for both."""
        priority = FilterPriority.LOW
        if self.flags & _ORDER_HIGH:
            priority = FilterPriority.HIGH
        elif self.flags & _ORDER_MEDIUM:
            priority = FilterPriority.MEDIUM
        return FilterInfo(
            description=self.description,
            priority=priority,
            secure_port=bool(self.flags & _SECURE_PORT),
            nonsecure_port=bool(self.flags & _NONSECURE_PORT),
        )

    def carried(self) -> CarriedFilter:
        """Its hooks. Raises CannotLoad for a filter that has registered for nothing."""
        plugin = CarriedFilter()
        wanted = [notification for notification in Notification if self.flags & notification]
        if not wanted:
            raise CannotLoad(f"GetFilterVersion of {self._path} has put no SF_NOTIFY_ flag into dwFlags")
        for notification in wanted:
            hook: Callable[..., Any] = getattr(self, f"_make_{notification.hook}")()
            setattr(plugin, notification.hook, hookimpl(hook))

        def filter_info() -> FilterInfo:
            return self.info()

        def unload() -> None:
            self.terminate()

        for declared in (filter_info, unload):
            setattr(plugin, declared.__name__, hookimpl(declared))
        return plugin

    def terminate(self) -> None:
        """TerminateFilter. The library stays in memory until the process ends: threads of its own may still run."""
        if self._terminate is not None:
            place = self._black_box.enter(self._path, "TerminateFilter")
            try:
                self._terminate(_TERM_MUST_UNLOAD)
            finally:
                self._black_box.leave(place)

    # --- one notification

    def _connection(self, context: FilterContext) -> NativeConnection:
        connection = context.connection_state
        if connection is None:
            connection = NativeConnection(self._library, is_secure=context.is_secure_port)
            context.connection_state = connection
        assert isinstance(connection, NativeConnection)
        return connection

    def _notify(
        self, connection: NativeConnection, context: FilterContext, notification: int, structure: Any
    ) -> FilterStatus | None:
        """HttpFilterProc. Raises NoFilterStatus for a return value that there is not."""
        outer = connection.enter(context)
        place = self._black_box.enter(self._path, _PROC, context.request)
        try:
            status = int(self._proc(connection.struct, notification, structure))
        finally:
            self._black_box.leave(place)
            connection.leave(outer)
        if status == FilterStatus.NEXT_NOTIFICATION:
            return None
        if status == FilterStatus.ERROR:
            context.last_error = self._library.get_last_error()
        answer = _BY_NUMBER.get(status)
        if answer is None:
            raise NoFilterStatus(self._path, status)
        return answer

    # --- the hooks, by notification

    def _make_on_preproc_headers(self) -> Callable[..., Any]:
        number = int(Notification.PREPROC_HEADERS)

        def on_preproc_headers(filter_context: FilterContext) -> FilterStatus | None:
            return self._notify(self._connection(filter_context), filter_context, number, HEADERS_TEMPLATE)

        return on_preproc_headers

    def _make_on_url_map(self) -> Callable[..., Any]:
        def on_url_map(url_map: UrlMap, filter_context: FilterContext) -> FilterStatus | None:
            url, path = (
                url_map.url_path.encode("utf-8", "surrogateescape"),
                url_map.physical_path.encode("utf-8", "surrogateescape"),
            )
            room = max(_PATH_BUFFER, len(path) + 1)
            buffer, raw_url = ffi.new("char[]", room), ffi.new("char[]", url)
            ffi.memmove(buffer, path, len(path))
            mapping = ffi.new("HTTP_FILTER_URL_MAP_EX *")
            mapping.pszURL, mapping.pszPhysicalPath, mapping.cbPathBuff = raw_url, buffer, room
            mapping.cchMatchingPath, mapping.cchMatchingURL = len(path), len(url)
            answer = self._notify(self._connection(filter_context), filter_context, Notification.URL_MAP, mapping)
            url_map.physical_path = raw_text_of(buffer, room).decode("utf-8", "surrogateescape")
            return answer

        return on_url_map

    def _make_on_authentication(self) -> Callable[..., Any]:
        def on_authentication(credentials: Credentials, filter_context: FilterContext) -> FilterStatus | None:
            user = _text_buffer(credentials.user, _NAME_BUFFER)
            password = _text_buffer(credentials.password, _NAME_BUFFER)
            structure = ffi.new("HTTP_FILTER_AUTHENT *")
            structure.pszUser, structure.cbUserBuff = user, len(user)
            structure.pszPassword, structure.cbPasswordBuff = password, len(password)
            connection = self._connection(filter_context)
            answer = self._notify(connection, filter_context, Notification.AUTHENTICATION, structure)
            credentials.user = raw_text_of(user, len(user)).decode("utf-8", "surrogateescape")
            credentials.password = raw_text_of(password, len(password)).decode("utf-8", "surrogateescape")
            return answer

        return on_authentication

    def _make_on_auth_complete(self) -> Callable[..., Any]:
        def on_auth_complete(request: Request, filter_context: FilterContext) -> FilterStatus | None:
            structure = ffi.new("HTTP_FILTER_AUTH_COMPLETE_INFO *", AUTH_COMPLETE_TEMPLATE[0])
            structure.HttpStatus = 200
            connection = self._connection(filter_context)
            answer = self._notify(connection, filter_context, Notification.AUTH_COMPLETE, structure)
            if structure.fResetAuth:
                request.user = request.auth_type = ""
            return answer

        return on_auth_complete

    def _make_on_access_denied(self) -> Callable[..., Any]:
        def on_access_denied(denial: Denial, filter_context: FilterContext) -> FilterStatus | None:
            url = ffi.new("char[]", denial.url_path.encode("utf-8", "surrogateescape"))
            path = ffi.new("char[]", denial.physical_path.encode("utf-8", "surrogateescape"))
            structure = ffi.new("HTTP_FILTER_ACCESS_DENIED *")
            structure.pszURL, structure.pszPhysicalPath, structure.dwReason = url, path, denial.reason.value
            return self._notify(self._connection(filter_context), filter_context, Notification.ACCESS_DENIED, structure)

        return on_access_denied

    def _make_on_send_response(self) -> Callable[..., Any]:
        def on_send_response(response: Response, filter_context: FilterContext) -> FilterStatus | None:
            structure = ffi.new("HTTP_FILTER_PREPROC_HEADERS *", HEADERS_TEMPLATE[0])
            structure.HttpStatus = response.status
            return self._notify(self._connection(filter_context), filter_context, Notification.SEND_RESPONSE, structure)

        return on_send_response

    def _make_on_read_raw_data(self) -> Callable[..., Any]:
        def on_read_raw_data(data: RawData, filter_context: FilterContext) -> FilterStatus | None:
            return self._raw(data, filter_context, Notification.READ_RAW_DATA)

        return on_read_raw_data

    def _make_on_send_raw_data(self) -> Callable[..., Any]:
        def on_send_raw_data(data: RawData, filter_context: FilterContext) -> FilterStatus | None:
            return self._raw(data, filter_context, Notification.SEND_RAW_DATA)

        return on_send_raw_data

    def _raw(self, data: RawData, context: FilterContext, notification: Notification) -> FilterStatus | None:
        own = ffi.new("char[]", data.data)  # with a NUL behind it, which many a filter relies on
        size = len(data.data)
        structure = ffi.new("HTTP_FILTER_RAW_DATA *")
        structure.pvInData, structure.cbInData, structure.cbInBuffer = own, size, size
        answer = self._notify(self._connection(context), context, notification, structure)
        is_own = structure.pvInData == ffi.cast("void *", own)
        if structure.cbInData > structure.cbInBuffer or (is_own and structure.cbInBuffer > size):
            raise TypeError(f"{self._path}: cbInData {structure.cbInData} is more than the buffer has")
        data.data = bytes(ffi.buffer(structure.pvInData, structure.cbInData)) if structure.cbInData else b""
        return answer

    def _make_on_log(self) -> Callable[..., Any]:
        def on_log(entry: LogEntry, filter_context: FilterContext) -> FilterStatus | None:
            texts = {member: getattr(entry, name) for member, name in _LOG_TEXTS.items()}
            given = {member: ffi.new("char[]", text.encode("latin-1", "replace")) for member, text in texts.items()}
            structure = ffi.new("HTTP_FILTER_LOG *")
            for member, raw in given.items():
                setattr(structure, member, raw)
            structure.dwHttpStatus, structure.dwWin32Status = entry.http_status, entry.win32_status
            structure.dwBytesSent = min(entry.bytes_sent, _MOST_DWORD)
            structure.dwBytesRecvd = min(entry.bytes_received, _MOST_DWORD)
            structure.msTimeForProcessing = min(entry.time_taken_ms, _MOST_DWORD)
            answer = self._notify(self._connection(filter_context), filter_context, Notification.LOG, structure)
            for member, name in _LOG_TEXTS.items():
                pointer = getattr(structure, member)
                if pointer != given[member]:  # replaced, as a filter does it: memory of its own or of AllocMem
                    setattr(entry, name, text_of(pointer))
            entry.http_status, entry.win32_status = structure.dwHttpStatus, structure.dwWin32Status
            return answer

        return on_log

    def _make_on_end_of_request(self) -> Callable[..., Any]:
        def on_end_of_request(filter_context: FilterContext) -> FilterStatus | None:
            connection = self._connection(filter_context)
            return self._notify(connection, filter_context, Notification.END_OF_REQUEST, ffi.NULL)

        return on_end_of_request

    def _make_on_end_of_net_session(self) -> Callable[..., Any]:
        def on_end_of_net_session(filter_context: FilterContext) -> FilterStatus | None:
            native = self._connection(filter_context)
            return self._notify(native, filter_context, Notification.END_OF_NET_SESSION, ffi.NULL)

        return on_end_of_net_session


def open_filter(path: str, context: PluginContext) -> CarriedFilter:
    """For `extensions/isapi.py`: load the library and give the plugin that carries it. Raises CannotLoad."""
    return NativeFilter(path, context).carried()


def _text_buffer(text: str, room: int) -> Any:
    raw = text.encode("utf-8", "surrogateescape")
    buffer = ffi.new("char[]", max(room, len(raw) + 1))
    ffi.memmove(buffer, raw, len(raw))
    return buffer
