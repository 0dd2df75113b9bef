"""ServerSupportFunction: from the structures of each request code to the control block's methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from host.api.isapi import (
    HSE_IO_ASYNC,
    HSE_STATUS_SUCCESS,
    ExecUrlUser,
    IoCompletion,
    VectorElement,
)
from host.api.win32_errors import ERROR_CALL_NOT_IMPLEMENTED, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER
from host.isapi.requests import REQUESTS
from host.native.blocks import NativeBlock, find_block
from host.native.failing import Failed, guarded
from host.native.structures import ffi, raw_text_of, text_of, unicode_text_of

Handler = Callable[[NativeBlock, Any, Any, Any], Any]

_PATH_LIMIT: Final = 260  # MAX_PATH: HSE_URL_MAPEX_INFO has no room for more
_FILE_HANDLE: Final = 1
_X509_ASN_ENCODING: Final = 1


@guarded(find_block)
def server_support_function(block: NativeBlock, request: int, buffer: Any, size: Any, kind: Any) -> Any:
    """The callback. A code that has no handler fails with the error that `host.isapi.requests` refuses it with."""
    handler = HANDLERS.get(request)
    if handler is None:
        block.ecb.session.check()
        refused = REQUESTS.get(request)
        raise Failed(refused.error if refused is not None else ERROR_CALL_NOT_IMPLEMENTED)
    return handler(block, buffer, size, kind)


def _needed(pointer: Any, type_name: str) -> Any:
    """A pointer that must not be NULL, as that type."""
    if not pointer:
        raise Failed(ERROR_INVALID_PARAMETER)
    return ffi.cast(type_name, pointer)


def _sized(pointer: Any, size: Any) -> bytes:
    """A text whose length may stand in `*size`; without it, to its NUL."""
    raw = raw_text_of(_needed(pointer, "char *"), size[0] if size and size[0] else -1)
    if not raw:
        raise Failed(ERROR_INVALID_PARAMETER)
    return raw


# --- the head and the end


def _redirect(block: NativeBlock, buffer: Any, size: Any, _kind: Any) -> None:
    block.ecb.send_url_redirect_resp(_sized(buffer, size))


def _send_url(block: NativeBlock, buffer: Any, size: Any, _kind: Any) -> None:
    block.ecb.send_url(_sized(buffer, size))


def _send_response_header(block: NativeBlock, buffer: Any, _size: Any, kind: Any) -> None:
    block.send_head(raw_text_of(buffer), raw_text_of(kind), keeps=True)


def _send_response_header_ex(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    info = _needed(buffer, "HSE_SEND_HEADER_EX_INFO *")
    status = ffi.string(info.pszStatus, info.cchStatus or -1) if info.pszStatus else b""
    headers = ffi.string(info.pszHeader, info.cchHeader or -1) if info.pszHeader else b""
    block.send_head(status, headers, keeps=bool(info.fKeepConn))


def _done_with_session(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    status = ffi.cast("DWORD *", buffer)[0] if buffer else HSE_STATUS_SUCCESS
    block.read_back()
    block.ecb.done_with_session(status)


def _send_custom_error(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    info = _needed(buffer, "HSE_CUSTOM_ERROR_INFO *")
    block.ecb.send_custom_error(raw_text_of(info.pszStatus), info.uHttpSubError, is_async=bool(info.fAsync))


# --- URLs


def _put(raw: bytes, terminator: bytes, buffer: Any, size: Any) -> None:
    """A path in place of the URL: `*size` is the room, then the path's length without its NUL."""
    if not size:
        raise Failed(ERROR_INVALID_PARAMETER)
    room, whole = size[0], raw + terminator
    if room < len(whole):
        size[0] = len(whole)
        raise Failed(ERROR_INSUFFICIENT_BUFFER)
    ffi.memmove(buffer, whole, len(whole))
    size[0] = len(raw)


def _map_url(block: NativeBlock, buffer: Any, size: Any, _kind: Any) -> None:
    path = block.ecb.map_url_to_path(raw_text_of(_needed(buffer, "char *")))
    _put(path.encode("utf-8", "surrogateescape"), b"\0", buffer, size)


def _map_unicode_url(block: NativeBlock, buffer: Any, size: Any, _kind: Any) -> None:
    path = block.ecb.map_url_to_path(unicode_text_of(_needed(buffer, "WCHAR *")))
    _put(path.encode("utf-16-le", "surrogatepass"), b"\0\0", buffer, size)


def _fill_map_info(block: NativeBlock, url: bytes | str, info: Any, encoding: str, unit: int) -> None:
    found = block.ecb.map_url_to_path_ex(url)
    errors = "surrogateescape" if unit == 1 else "surrogatepass"
    raw = found.path.encode(encoding, errors) + bytes(unit)
    if len(raw) > _PATH_LIMIT * unit:
        raise Failed(ERROR_INSUFFICIENT_BUFFER)
    ffi.memmove(info.lpszPath, raw, len(raw))
    info.dwFlags = found.flags
    info.cchMatchingPath = found.matching_path
    info.cchMatchingURL = found.matching_url


def _map_url_ex(block: NativeBlock, buffer: Any, size: Any, kind: Any) -> None:
    _fill_map_info(block, _sized(buffer, size), _needed(kind, "HSE_URL_MAPEX_INFO *"), "utf-8", 1)


def _map_unicode_url_ex(block: NativeBlock, buffer: Any, _size: Any, kind: Any) -> None:
    url = unicode_text_of(_needed(buffer, "WCHAR *"))
    _fill_map_info(block, url, _needed(kind, "HSE_UNICODE_URL_MAPEX_INFO *"), "utf-16-le", 2)


def _normalize_url(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    given = raw_text_of(_needed(buffer, "char *"))
    raw = block.ecb.normalize_url(given).encode("utf-8", "surrogateescape")
    if len(raw) > len(given):  # in place: there is no more room than the URL had
        raise Failed(ERROR_INSUFFICIENT_BUFFER)
    ffi.memmove(buffer, raw + b"\0", len(raw) + 1)


# --- asynchronous operations, files and vectors


def completion_of(block: NativeBlock, function: Any, context: Any) -> IoCompletion:
    """A PFN_HSE_IO_COMPLETION as the contract's callback. It runs on a thread of the pool."""

    def complete(_ecb: Any, _argument: Any, size: int, error: int) -> None:
        library = block.library
        place = library.black_box.enter(library.path, "completion callback", block.ecb.session.request)
        try:
            function(block.struct, context, size, error)
        finally:
            library.black_box.leave(place)

    return complete


def _io_completion(block: NativeBlock, buffer: Any, _size: Any, kind: Any) -> None:
    if not buffer:
        block.ecb.io_completion(None)
        return
    function = ffi.cast("PFN_HSE_IO_COMPLETION", buffer)
    block.ecb.io_completion(completion_of(block, function, ffi.cast("void *", kind)))


def _async_read_client(block: NativeBlock, buffer: Any, size: Any, kind: Any) -> None:
    _needed(buffer, "char *")
    if not size or not size[0] or not kind or not kind[0] & HSE_IO_ASYNC:
        raise Failed(ERROR_INVALID_PARAMETER)
    block.ecb.async_read_client(memoryview(ffi.buffer(buffer, size[0])))


def _descriptor(handle: Any) -> int:
    return int(ffi.cast("intptr_t", handle))


def _bytes_at(pointer: Any, length: int) -> bytes:
    return bytes(ffi.buffer(_needed(pointer, "char *"), length)) if length else b""


def _transmit_file(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    info = _needed(buffer, "HSE_TF_INFO *")
    block.ecb.transmit_file(
        _descriptor(info.hFile),
        offset=info.Offset,
        length=info.BytesToWrite,
        head=_bytes_at(info.pHead, info.HeadLength),
        tail=_bytes_at(info.pTail, info.TailLength),
        status=raw_text_of(info.pszStatusCode) or None,
        flags=info.dwFlags,
        callback=completion_of(block, info.pfnHseIO, info.pContext) if info.pfnHseIO else None,
    )


def _vector_send(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    vector = _needed(buffer, "HSE_RESPONSE_VECTOR *")
    elements = []
    for index in range(vector.nElementCount):
        element = _needed(vector.lpElementArray, "HSE_VECTOR_ELEMENT *")[index]
        if element.ElementType == _FILE_HANDLE:
            descriptor = _descriptor(element.pvContext)
            elements.append(VectorElement(file=descriptor, offset=element.cbOffset, size=element.cbSize))
        elif element.ElementType == 0:
            data = ffi.cast("char *", element.pvContext) + element.cbOffset
            elements.append(VectorElement(buffer=_bytes_at(data, element.cbSize)))
        else:
            raise Failed(ERROR_INVALID_PARAMETER)
    block.ecb.vector_send(
        elements,
        status=raw_text_of(vector.pszStatus) if vector.pszStatus else None,
        headers=raw_text_of(vector.pszHeaders) if vector.pszHeaders else None,
        flags=vector.dwFlags,
    )


def _exec(block: NativeBlock, info: Any, url: bytes | str | None, user_name: Callable[[Any], str]) -> None:
    user, entity = info.pUserInfo, info.pEntity
    block.ecb.exec_url(
        url,
        method=text_of(info.pszMethod) if info.pszMethod else None,
        headers=raw_text_of(info.pszChildHeaders) if info.pszChildHeaders else None,
        user=ExecUrlUser(user_name(user.pszCustomUserName), text_of(user.pszCustomAuthType)) if user else None,
        entity=_bytes_at(entity.lpbData, entity.cbAvailable) if entity else None,
        flags=info.dwExecUrlFlags,
    )


def _exec_url(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    info = _needed(buffer, "HSE_EXEC_URL_INFO *")
    _exec(block, info, raw_text_of(info.pszUrl) if info.pszUrl else None, text_of)


def _exec_unicode_url(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    info = _needed(buffer, "HSE_EXEC_UNICODE_URL_INFO *")
    _exec(block, info, unicode_text_of(info.pszUrl) if info.pszUrl else None, unicode_text_of)


def _get_exec_url_status(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    info, status = _needed(buffer, "HSE_EXEC_URL_STATUS *"), block.ecb.get_exec_url_status()
    info.uHttpStatusCode, info.uHttpSubStatus, info.dwWin32Error = status.status, status.substatus, status.win32_error


# --- connection, worker, caches, identities


def _is_connected(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> bool:
    """Said twice: in the BOOL, as the SDK has it, and by the return value, as the article has it that brought it."""
    answer = bool(block.ecb.is_connected())
    if buffer:
        ffi.cast("BOOL *", buffer)[0] = answer
    return answer


def _is_keep_conn(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    _needed(buffer, "BOOL *")[0] = bool(block.ecb.is_keep_conn())


def _is_in_process(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    _needed(buffer, "DWORD *")[0] = block.ecb.is_in_process()


def _report_unhealthy(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    block.ecb.report_unhealthy(raw_text_of(buffer) or None)


def _append_log(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    block.ecb.append_log_parameter(raw_text_of(_needed(buffer, "char *")))


def _add_fragment(block: NativeBlock, buffer: Any, size: Any, _kind: Any) -> None:
    element, name = _needed(buffer, "HSE_VECTOR_ELEMENT *"), unicode_text_of(_needed(size, "WCHAR *"))
    if element.ElementType != 0:
        raise Failed(ERROR_INVALID_PARAMETER)
    data = ffi.cast("char *", element.pvContext) + element.cbOffset
    block.ecb.add_fragment_to_cache(name, _bytes_at(data, element.cbSize))


def _read_fragment(block: NativeBlock, buffer: Any, size: Any, kind: Any) -> None:
    data = block.ecb.read_fragment_from_cache(unicode_text_of(_needed(kind, "WCHAR *")))
    if not size:
        raise Failed(ERROR_INVALID_PARAMETER)
    room, size[0] = (size[0] if buffer else 0), len(data)
    if room < len(data):
        raise Failed(ERROR_INSUFFICIENT_BUFFER)
    ffi.memmove(buffer, data, len(data))


def _remove_fragment(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    block.ecb.remove_fragment_from_cache(unicode_text_of(_needed(buffer, "WCHAR *")))


def _put_token(place: Any, token: int) -> None:
    _needed(place, "HANDLE *")[0] = ffi.cast("HANDLE", token)


def _get_trace_info(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    info = _needed(buffer, "HSE_TRACE_INFO *")
    ffi.memmove(info, bytes(ffi.sizeof("HSE_TRACE_INFO")), ffi.sizeof("HSE_TRACE_INFO"))
    info.fTraceRequest = bool(block.ecb.is_traced())


def _get_cert_info(block: NativeBlock, buffer: Any, _size: Any, _kind: Any) -> None:
    """The certificate where the caller has room for it; its length in any case."""
    info = _needed(buffer, "CERT_CONTEXT_EX *")
    raw = block.ecb.get_cert_info_ex()
    info.CertContext.cbCertEncoded = len(raw)
    if not info.CertContext.pbCertEncoded or info.cbAllocated < len(raw):
        raise Failed(ERROR_INSUFFICIENT_BUFFER)
    ffi.memmove(info.CertContext.pbCertEncoded, raw, len(raw))
    info.CertContext.dwCertEncodingType = _X509_ASN_ENCODING
    info.CertContext.pCertInfo = info.CertContext.hCertStore = ffi.NULL
    info.dwCertificateFlags = int(block.ecb.get_server_variable("CERT_FLAGS") or 0)


HANDLERS: Final[dict[int, Handler]] = {
    1: _redirect,
    2: _send_url,
    3: _send_response_header,
    4: _done_with_session,
    1001: _map_url,
    1003: _append_log,
    1005: _io_completion,
    1006: _transmit_file,
    1007: lambda block, buffer, _size, _kind: block.ecb.refresh_isapi_acl(raw_text_of(_needed(buffer, "char *"))),
    1008: _is_keep_conn,
    1010: _async_read_client,
    1011: lambda block, buffer, _size, _kind: _put_token(buffer, block.ecb.get_impersonation_token()),
    1012: _map_url_ex,
    1014: lambda block, *_: block.ecb.abortive_close(),
    1015: _get_cert_info,
    1016: _send_response_header_ex,
    1017: lambda block, *_: block.ecb.close_connection(),
    1018: _is_connected,
    1021: lambda block, buffer, size, _kind: _put_token(size, block.ecb.get_virtual_path_token(raw_text_of(buffer))),
    1023: _map_unicode_url,
    1024: _map_unicode_url_ex,
    1025: _exec_unicode_url,
    1026: _exec_url,
    1027: _get_exec_url_status,
    1028: _send_custom_error,
    1030: _is_in_process,
    1031: lambda block, buffer, size, _kind: _put_token(
        size, block.ecb.get_virtual_path_token(unicode_text_of(buffer))
    ),
    1032: _report_unhealthy,
    1033: _normalize_url,
    1034: _add_fragment,
    1035: _read_fragment,
    1036: _remove_fragment,
    1037: _vector_send,
    1038: lambda block, buffer, size, _kind: _put_token(size, block.ecb.get_anonymous_token(raw_text_of(buffer))),
    1041: lambda block, buffer, size, _kind: _put_token(size, block.ecb.get_anonymous_token(unicode_text_of(buffer))),
    1042: _get_trace_info,
    1043: lambda block, buffer, _size, _kind: block.ecb.set_flush_flag(bool(buffer)),
    1049: lambda block, *_: block.ecb.cancel_io(),
}
"""What each request code does."""
