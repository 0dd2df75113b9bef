"""Every request code of ServerSupportFunction: supported by which method, or refused with which error.

`docs/isapi.md` shows this table; carriers that get numbers (the native one) ask it what to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from host.api.win32_errors import ERROR_CALL_NOT_IMPLEMENTED, ERROR_NOT_SUPPORTED


class SupportRequest(NamedTuple):
    """A request code. `method` is the control block's; empty: refused with `error`."""

    name: str
    method: str = ""
    error: int = 0
    note: str = ""


_UNICODE: Final = "the same in UTF-16"
_NO_OBJECT: Final = "an object of IIS's own"

REQUESTS: Final[Mapping[int, SupportRequest]] = {
    1: SupportRequest("HSE_REQ_SEND_URL_REDIRECT_RESP", "send_url_redirect_resp"),
    2: SupportRequest("HSE_REQ_SEND_URL", "send_url"),
    3: SupportRequest("HSE_REQ_SEND_RESPONSE_HEADER", "send_response_header"),
    4: SupportRequest("HSE_REQ_DONE_WITH_SESSION", "done_with_session"),
    1001: SupportRequest("HSE_REQ_MAP_URL_TO_PATH", "map_url_to_path"),
    1002: SupportRequest("HSE_REQ_GET_SSPI_INFO", error=ERROR_NOT_SUPPORTED, note="there is no SSPI"),
    1003: SupportRequest("HSE_APPEND_LOG_PARAMETER", "append_log_parameter"),
    1005: SupportRequest("HSE_REQ_IO_COMPLETION", "io_completion"),
    1006: SupportRequest("HSE_REQ_TRANSMIT_FILE", "transmit_file"),
    1007: SupportRequest("HSE_REQ_REFRESH_ISAPI_ACL", "refresh_isapi_acl", note="nothing is to be done"),
    1008: SupportRequest("HSE_REQ_IS_KEEP_CONN", "is_keep_conn"),
    1010: SupportRequest("HSE_REQ_ASYNC_READ_CLIENT", "async_read_client"),
    1011: SupportRequest("HSE_REQ_GET_IMPERSONATION_TOKEN", "get_impersonation_token", note="a pseudo handle, -6"),
    1012: SupportRequest("HSE_REQ_MAP_URL_TO_PATH_EX", "map_url_to_path_ex"),
    1014: SupportRequest("HSE_REQ_ABORTIVE_CLOSE", "abortive_close", note="reset once the client has the answer"),
    1015: SupportRequest(
        "HSE_REQ_GET_CERT_INFO_EX", "get_cert_info_ex", note="fails with 232 when the client has shown none"
    ),
    1016: SupportRequest("HSE_REQ_SEND_RESPONSE_HEADER_EX", "send_response_header_ex"),
    1017: SupportRequest("HSE_REQ_CLOSE_CONNECTION", "close_connection", note="500.0 when no header was sent"),
    1018: SupportRequest("HSE_REQ_IS_CONNECTED", "is_connected"),
    1020: SupportRequest("HSE_REQ_EXTENSION_TRIGGER", error=ERROR_CALL_NOT_IMPLEMENTED),
    1021: SupportRequest("HSE_REQ_GET_VIRTUAL_PATH_TOKEN", "get_virtual_path_token", note="a pseudo handle, -6"),
    1023: SupportRequest("HSE_REQ_MAP_UNICODE_URL_TO_PATH", "map_url_to_path", note=_UNICODE),
    1024: SupportRequest("HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX", "map_url_to_path_ex", note=_UNICODE),
    1025: SupportRequest("HSE_REQ_EXEC_UNICODE_URL", "exec_url", note=_UNICODE),
    1026: SupportRequest("HSE_REQ_EXEC_URL", "exec_url"),
    1027: SupportRequest("HSE_REQ_GET_EXEC_URL_STATUS", "get_exec_url_status"),
    1028: SupportRequest("HSE_REQ_SEND_CUSTOM_ERROR", "send_custom_error"),
    1030: SupportRequest("HSE_REQ_IS_IN_PROCESS", "is_in_process"),
    1031: SupportRequest("HSE_REQ_GET_UNICODE_VIRTUAL_PATH_TOKEN", "get_virtual_path_token", note=_UNICODE),
    1032: SupportRequest(
        "HSE_REQ_REPORT_UNHEALTHY",
        "report_unhealthy",
        note="in IIS 5 isolation mode an event: inetinfo and dllhosts go on",
    ),
    1033: SupportRequest("HSE_REQ_NORMALIZE_URL", "normalize_url"),
    1034: SupportRequest("HSE_REQ_ADD_FRAGMENT_TO_CACHE", "add_fragment_to_cache", note="each worker has its own"),
    1035: SupportRequest("HSE_REQ_READ_FRAGMENT_FROM_CACHE", "read_fragment_from_cache"),
    1036: SupportRequest("HSE_REQ_REMOVE_FRAGMENT_FROM_CACHE", "remove_fragment_from_cache"),
    1037: SupportRequest(
        "HSE_REQ_VECTOR_SEND",
        "vector_send",
        note="the cache flag: until the worker ends; not over the hop to a dllhost",
    ),
    1038: SupportRequest("HSE_REQ_GET_ANONYMOUS_TOKEN", "get_anonymous_token", note="a pseudo handle, -6"),
    1040: SupportRequest(
        "HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK", error=ERROR_NOT_SUPPORTED, note="answers are not taken back by URL"
    ),
    1041: SupportRequest("HSE_REQ_GET_UNICODE_ANONYMOUS_TOKEN", "get_anonymous_token", note=_UNICODE),
    1042: SupportRequest("HSE_REQ_GET_TRACE_INFO", "is_traced", note="never traced"),
    1043: SupportRequest("HSE_REQ_SET_FLUSH_FLAG", "set_flush_flag"),
    1044: SupportRequest("HSE_REQ_GET_TRACE_INFO_EX", error=ERROR_CALL_NOT_IMPLEMENTED),
    1045: SupportRequest("HSE_REQ_RAISE_TRACE_EVENT", error=ERROR_CALL_NOT_IMPLEMENTED),
    1046: SupportRequest("HSE_REQ_GET_CONFIG_OBJECT", error=ERROR_CALL_NOT_IMPLEMENTED, note=_NO_OBJECT),
    1047: SupportRequest("HSE_REQ_GET_WORKER_PROCESS_SETTINGS", error=ERROR_CALL_NOT_IMPLEMENTED, note=_NO_OBJECT),
    1048: SupportRequest(
        "HSE_REQ_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK", error=ERROR_CALL_NOT_IMPLEMENTED, note=_NO_OBJECT
    ),
    1049: SupportRequest("HSE_REQ_CANCEL_IO", "cancel_io"),
    1050: SupportRequest(
        "HSE_REQ_GET_CHANNEL_BINDING_TOKEN", error=ERROR_NOT_SUPPORTED, note="there is no channel binding"
    ),
}
"""By number. Any other number is refused with ERROR_CALL_NOT_IMPLEMENTED."""


def request_of(number: int) -> SupportRequest:
    """What becomes of a request code, whichever it is."""
    return REQUESTS.get(number) or SupportRequest(f"HSE_REQ_{number}", error=ERROR_CALL_NOT_IMPLEMENTED)
