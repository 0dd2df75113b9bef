"""Win32 error codes that ISAPI calls give (`GetLastError`), and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ERROR_FILE_NOT_FOUND: Final = 2
ERROR_PATH_NOT_FOUND: Final = 3
ERROR_ACCESS_DENIED: Final = 5
ERROR_INVALID_HANDLE: Final = 6
ERROR_NOT_ENOUGH_MEMORY: Final = 8
ERROR_INVALID_DATA: Final = 13
ERROR_NOT_SUPPORTED: Final = 50
ERROR_NETNAME_DELETED: Final = 64
ERROR_INVALID_PARAMETER: Final = 87
ERROR_CALL_NOT_IMPLEMENTED: Final = 120
ERROR_INSUFFICIENT_BUFFER: Final = 122
ERROR_NO_DATA: Final = 232
ERROR_MORE_DATA: Final = 234
ERROR_OPERATION_ABORTED: Final = 995
ERROR_INVALID_INDEX: Final = 1413
WSAEINVAL: Final = 10022
WSAECONNRESET: Final = 10054

MESSAGES: Final[Mapping[int, str]] = {
    ERROR_FILE_NOT_FOUND: "the file cannot be found",
    ERROR_PATH_NOT_FOUND: "the path cannot be found",
    ERROR_ACCESS_DENIED: "access is denied",
    ERROR_INVALID_HANDLE: "the handle is invalid",
    ERROR_NOT_ENOUGH_MEMORY: "there is not enough memory",
    ERROR_INVALID_DATA: "the data is invalid",
    ERROR_NOT_SUPPORTED: "the request is not supported",
    ERROR_NETNAME_DELETED: "the client has closed its connection",
    ERROR_INVALID_PARAMETER: "the parameter is incorrect",
    ERROR_CALL_NOT_IMPLEMENTED: "this function is not supported",
    ERROR_INSUFFICIENT_BUFFER: "the buffer is too small",
    ERROR_NO_DATA: "there is no data",
    ERROR_MORE_DATA: "more data is available",
    ERROR_OPERATION_ABORTED: "the operation was cancelled",
    ERROR_INVALID_INDEX: "there is no such variable",
    WSAEINVAL: "an argument is invalid",
    WSAECONNRESET: "the connection was reset by the client",
}
"""One line for each."""
