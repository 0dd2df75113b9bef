"""The ISAPI extension contract for Python: constants, errors, and the control block that each request brings.

    from host.api import HandlerMapping, hookimpl
    from host.api.isapi import HSE_STATUS_SUCCESS

    @hookimpl
    def http_extension_proc(ecb):
        ecb.send_response_header_ex("200 OK", "Content-Type: text/plain\\r\\n\\r\\n")
        ecb.write_client(b"hello")
        return HSE_STATUS_SUCCESS

Numbers and names are those of httpext.h. What C does by FALSE and GetLastError is `IsapiError` here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from host.api.win32_errors import MESSAGES

HSE_VERSION: Final = 0x00070005
"""The ISAPI version that control blocks report: 7.5, major in the high word."""

HSE_MAX_EXT_DLL_NAME_LEN: Final = 256
HSE_LOG_BUFFER_LEN: Final = 80
UNKNOWN_LENGTH: Final = 0xFFFFFFFF
"""`total_bytes` of a body that no length announces (chunked), or of 4 GiB and more."""

HSE_STATUS_SUCCESS: Final = 1
HSE_STATUS_SUCCESS_AND_KEEP_CONN: Final = 2
HSE_STATUS_PENDING: Final = 3
HSE_STATUS_ERROR: Final = 4

HSE_TERM_ADVISORY_UNLOAD: Final = 1
HSE_TERM_MUST_UNLOAD: Final = 2

HSE_IO_SYNC: Final = 0x1
HSE_IO_ASYNC: Final = 0x2
HSE_IO_DISCONNECT_AFTER_SEND: Final = 0x4
HSE_IO_SEND_HEADERS: Final = 0x8
HSE_IO_FINAL_SEND: Final = 0x10
HSE_IO_CACHE_RESPONSE: Final = 0x20
HSE_IO_TRY_SKIP_CUSTOM_ERRORS: Final = 0x40
HSE_IO_NODELAY: Final = 0x1000

HSE_EXEC_URL_NO_HEADERS: Final = 0x02
HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR: Final = 0x04
HSE_EXEC_URL_IGNORE_VALIDATION_AND_RANGE: Final = 0x10
HSE_EXEC_URL_DISABLE_CUSTOM_ERROR: Final = 0x20
HSE_EXEC_URL_SSI_CMD: Final = 0x40
HSE_EXEC_URL_HTTP_CACHE_ELIGIBLE: Final = 0x80

HSE_URL_FLAGS_READ: Final = 0x001
HSE_URL_FLAGS_WRITE: Final = 0x002
HSE_URL_FLAGS_EXECUTE: Final = 0x004
HSE_URL_FLAGS_SCRIPT: Final = 0x200

HSE_APP_FLAG_IN_PROCESS: Final = 0
HSE_APP_FLAG_ISOLATED_OOP: Final = 1
HSE_APP_FLAG_POOLED_OOP: Final = 2

ANONYMOUS_TOKEN: Final = -6
"""What stands for a token: the worker's own identity, as GetCurrentThreadEffectiveToken's pseudo handle does."""

Text = str | bytes
"""Text for the client or a name: bytes go out as they are, str as ISO 8859-1 where it fits and else as UTF-8."""

IoCompletion = Callable[["ControlBlock", Any, int, int], object]
"""Called on a thread of the pool: control block, the registered argument, bytes moved, 0 or a Win32 error code."""


class IsapiError(OSError):
    """A call of the control block failed. `code` is the Win32 error that GetLastError would give."""

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(code, detail or MESSAGES.get(code, f"Win32 error {code}"))
        self.code = code
        self.winerror = code


@dataclass(slots=True)
class ExtensionVersion:
    """HSE_VERSION_INFO: what `get_extension_version` fills in."""

    version: int = 0  # major in the high word
    description: str = ""  # at most 255 bytes count


@dataclass(frozen=True, slots=True)
class UrlMapping:
    """HSE_URL_MAPEX_INFO: the file or folder of a URL, its HSE_URL_FLAGS_, and how many characters of the path and
    of the URL belong to the virtual directory."""

    path: str
    flags: int
    matching_path: int
    matching_url: int


@dataclass(frozen=True, slots=True)
class VectorElement:
    """HSE_VECTOR_ELEMENT: a buffer, or `size` bytes of an open file from `offset` (size 0: to its end)."""

    buffer: bytes = b""
    file: Any = None  # a descriptor, or what has a fileno()
    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class ExecUrlUser:
    """HSE_EXEC_URL_USER_INFO: as whom the child request runs."""

    name: str
    auth_type: str


@dataclass(frozen=True, slots=True)
class ExecUrlStatus:
    """HSE_EXEC_URL_STATUS: how the last child request ended."""

    status: int
    substatus: int
    win32_error: int


class ControlBlock(Protocol):
    """EXTENSION_CONTROL_BLOCK: one request, as an extension sees it.

    Every method may be called on any thread but the event loop's, and raises `IsapiError`: 87
    (ERROR_INVALID_PARAMETER) for whatever is called after the session's end, 64 (ERROR_NETNAME_DELETED) when the
    client has left. The fields can be read at any time.
    """

    http_status_code: int
    """In: 200. Out: what is logged, and the status of an answer for which no header was sent."""

    log_data: Text
    """Appended to the log line at the end of the request; 79 bytes of it."""

    @property
    def version(self) -> int:
        """`HSE_VERSION`."""

    @property
    def connection_id(self) -> int:
        """ConnID: of this request alone while it lives."""

    @property
    def method(self) -> str:
        """REQUEST_METHOD."""

    @property
    def query_string(self) -> str:
        """What follows `?`, still encoded."""

    @property
    def path_info(self) -> str:
        """PATH_INFO: the whole path, unless the mapping says allowPathInfo or the URL names the extension itself."""

    @property
    def path_translated(self) -> str:
        """The physical path of `path_info`."""

    @property
    def content_type(self) -> str:
        """The body's media type."""

    @property
    def total_bytes(self) -> int:
        """Bytes of the body, or UNKNOWN_LENGTH: then read until there is nothing more."""

    @property
    def available_bytes(self) -> int:
        """Length of `available_data`."""

    @property
    def available_data(self) -> bytes:
        """The beginning of the body, up to 48 KB; `read_client` gives what follows."""

    def get_server_variable(self, name: str) -> str:
        """A server variable. Raises IsapiError 1413 (ERROR_INVALID_INDEX) for a name or header that there is not."""

    def get_raw_server_variable(self, name: str) -> bytes:
        """The same as bytes: header fields as the client sent them, paths in UTF-8, UNICODE_ ones in UTF-16."""

    def read_client(self, size: int) -> bytes:
        """Up to `size` bytes of the body that have not been read; waits for at least one; empty at the end."""

    def write_client(self, data: Text, flags: int = HSE_IO_SYNC) -> int:
        """Send bytes of the body; returns how many. Waits while the client is slow, or, with HSE_IO_ASYNC, returns at
        once and completes through the registered callback."""

    def io_completion(self, callback: IoCompletion | None, argument: Any = None) -> None:
        """HSE_REQ_IO_COMPLETION: what is called when an asynchronous operation is complete. One at a time."""

    def async_read_client(self, buffer: bytearray | memoryview) -> None:
        """HSE_REQ_ASYNC_READ_CLIENT: fill `buffer`, then the callback; 0 bytes are the end of the body."""

    def cancel_io(self) -> None:
        """HSE_REQ_CANCEL_IO: the operation under way completes with 995 (ERROR_OPERATION_ABORTED)."""

    def done_with_session(self, status: int = HSE_STATUS_SUCCESS) -> None:
        """HSE_REQ_DONE_WITH_SESSION: ends a pending request; from any thread, also before the proc has returned."""

    def send_response_header(self, status: Text | None = None, headers: Text | None = None) -> None:
        """HSE_REQ_SEND_RESPONSE_HEADER: status such as `404 Not Found`, and `Name: value` lines ended by an empty one;
        what follows it is the beginning of the body."""

    def send_response_header_ex(
        self, status: Text | None = None, headers: Text | None = None, keep_connection: bool = True
    ) -> None:
        """HSE_REQ_SEND_RESPONSE_HEADER_EX; `keep_connection` false closes the client's connection afterwards."""

    def send_url_redirect_resp(self, url: Text) -> None:
        """HSE_REQ_SEND_URL_REDIRECT_RESP: a whole answer, 302 to `url`."""

    def send_url(self, url: Text) -> None:
        """HSE_REQ_SEND_URL: when this request is done the host answers with that local URL, asked for by GET."""

    def map_url_to_path(self, url: Text) -> str:
        """HSE_REQ_MAP_URL_TO_PATH: the file or folder of a URL path of this site."""

    def map_url_to_path_ex(self, url: Text) -> UrlMapping:
        """HSE_REQ_MAP_URL_TO_PATH_EX."""

    def append_log_parameter(self, text: Text) -> None:
        """HSE_APPEND_LOG_PARAMETER: into the query field of the log line."""

    def transmit_file(  # noqa: PLR0913 - the structure's members
        self,
        file: Any,
        *,
        offset: int = 0,
        length: int = 0,
        head: Text = b"",
        tail: Text = b"",
        status: Text | None = None,
        flags: int = HSE_IO_SYNC,
        callback: IoCompletion | None = None,
        argument: Any = None,
    ) -> None:
        """HSE_REQ_TRANSMIT_FILE: `length` bytes (0: to the end) of an open file from `offset`, between head and tail.

        `file` is a descriptor or has a fileno(); it may be closed when the call has returned. With HSE_IO_SEND_HEADERS
        `head` is the header text. Raises IsapiError 10022 for an offset behind the file's end.
        """

    def vector_send(
        self,
        elements: Sequence[VectorElement],
        *,
        status: Text | None = None,
        headers: Text | None = None,
        flags: int = HSE_IO_SYNC,
    ) -> int:
        """HSE_REQ_VECTOR_SEND: several pieces at once, with HSE_IO_SEND_HEADERS behind a header; returns the bytes.

        `flags` has one of HSE_IO_SYNC and HSE_IO_ASYNC; status and headers are given if and only if
        HSE_IO_SEND_HEADERS is. After HSE_IO_FINAL_SEND nothing more can be sent.
        """

    def exec_url(
        self,
        url: Text | None = None,
        *,
        method: str | None = None,
        headers: Text | None = None,
        user: ExecUrlUser | None = None,
        entity: bytes | None = None,
        flags: int = 0,
    ) -> None:
        """HSE_REQ_EXEC_URL: another URL of the application pool answers this request; what is None is inherited.

        Asynchronous: the registered callback is told, then `get_exec_url_status`. `url` None processes the same URL
        again: with HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR by the mapping behind this one.
        """

    def get_exec_url_status(self) -> ExecUrlStatus:
        """HSE_REQ_GET_EXEC_URL_STATUS: of the last child request. Raises IsapiError 87 when there was none."""

    def send_custom_error(self, status: Text, sub_error: int = 0, *, is_async: bool = False) -> None:
        """HSE_REQ_SEND_CUSTOM_ERROR: the page that httpErrors names. Raises IsapiError 2 when it names none."""

    def is_connected(self) -> bool:
        """HSE_REQ_IS_CONNECTED."""

    def is_keep_conn(self) -> bool:
        """HSE_REQ_IS_KEEP_CONN: whether the client wants its connection kept."""

    def close_connection(self) -> None:
        """HSE_REQ_CLOSE_CONNECTION: now, in the middle of the answer. `done_with_session` is still to be called."""

    def abortive_close(self) -> None:
        """HSE_REQ_ABORTIVE_CLOSE: the connection is reset when the request has ended and the client has the answer."""

    def report_unhealthy(self, reason: Text | None = None) -> None:
        """HSE_REQ_REPORT_UNHEALTHY: the worker is replaced; the reason goes into the event log."""

    def normalize_url(self, url: Text) -> str:
        """HSE_REQ_NORMALIZE_URL: decoded, `\\` as `/`, `.`, `..` and empty segments taken out."""

    def add_fragment_to_cache(self, name: str, data: bytes) -> None:
        """HSE_REQ_ADD_FRAGMENT_TO_CACHE: the oldest make room. Raises IsapiError 8 when it is too large."""

    def read_fragment_from_cache(self, name: str) -> bytes:
        """HSE_REQ_READ_FRAGMENT_FROM_CACHE. Raises IsapiError 2 when it is not there."""

    def remove_fragment_from_cache(self, name: str) -> None:
        """HSE_REQ_REMOVE_FRAGMENT_FROM_CACHE. Raises IsapiError 2 when it is not there."""

    def is_in_process(self) -> int:
        """HSE_REQ_IS_IN_PROCESS: an HSE_APP_FLAG_; what is not 0 exists in IIS 5 isolation mode only."""

    def get_impersonation_token(self) -> int:
        """HSE_REQ_GET_IMPERSONATION_TOKEN: ANONYMOUS_TOKEN; requests run as the worker's user."""

    def get_anonymous_token(self, metabase_path: Text) -> int:
        """HSE_REQ_GET_ANONYMOUS_TOKEN: the same."""

    def get_virtual_path_token(self, url: Text) -> int:
        """HSE_REQ_GET_VIRTUAL_PATH_TOKEN: the same, when the URL is one of this pool."""

    def refresh_isapi_acl(self, path: Text) -> None:
        """HSE_REQ_REFRESH_ISAPI_ACL: nothing to do, permissions are never cached."""

    def get_cert_info_ex(self) -> bytes:
        """HSE_REQ_GET_CERT_INFO_EX: the client's certificate, DER. Raises IsapiError 232 (ERROR_NO_DATA): none."""

    def set_flush_flag(self, is_set: bool) -> None:
        """HSE_REQ_SET_FLUSH_FLAG: true sends what is written at once, whatever responseBufferLimit says."""

    def is_traced(self) -> bool:
        """HSE_REQ_GET_TRACE_INFO: whether the request is traced for the extension. It never is."""
