"""EXTENSION_CONTROL_BLOCK as pywin32 gives it to Python: its names, types and exceptions, over `host.api.isapi`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from host.api.isapi import HSE_STATUS_SUCCESS, ControlBlock, IsapiError
from host.isapi.sending import ExtensionControlBlock as HostControlBlock
from host.pywin32.isapi import ExtensionError

T = TypeVar("T")
_MISSING: Final = object()
_LONGEST_PATH: Final = 4095
_DEAD: Final = "Invalid ECB (DoneWithSession has been called)"


class SessionMark:
    """Whether a request's control block may be used: shared by all of its wrappers."""

    def __init__(self) -> None:
        self.is_done = False


def text_bytes(text: Any) -> bytes:
    """str as UTF-8, bytes-like as it is. Raises TypeError."""
    if isinstance(text, str):
        return text.encode("utf-8", "surrogateescape")
    if isinstance(text, bytes | bytearray | memoryview):
        return bytes(text)
    raise TypeError(f"a str or bytes-like object is required, not {type(text).__name__}")


def str_only(text: Any) -> str:
    """Raises TypeError for what is no str."""
    if not isinstance(text, str):
        raise TypeError(f"a str is required, not {type(text).__name__}")
    return text


class ExtensionControlBlock:
    """What `HttpExtensionProc(ecb)` gets. Text the server gives is bytes; UNICODE_ variables are str."""

    __slots__ = ("_block", "_mark")
    _block: ControlBlock
    _mark: SessionMark

    def __init__(self, block: ControlBlock, mark: SessionMark) -> None:
        self._block = block
        self._mark = mark

    # --- attributes

    Version = property(lambda self: self._alive().version)
    TotalBytes = property(lambda self: self._alive().total_bytes)
    AvailableBytes = property(lambda self: self._alive().available_bytes)
    AvailableData = property(lambda self: self._alive().available_data)
    ConnID = property(lambda self: self._alive().connection_id)
    Method = property(lambda self: text_bytes(self._alive().method))
    QueryString = property(lambda self: _wire(self._alive().query_string))
    PathInfo = property(lambda self: text_bytes(self._alive().path_info))
    PathTranslated = property(lambda self: text_bytes(self._alive().path_translated))
    ContentType = property(lambda self: _wire(self._alive().content_type))
    softspace = property(lambda self: 1)

    @property
    def HttpStatusCode(self) -> int:
        """dwHttpStatusCode."""
        return self._alive().http_status_code

    @HttpStatusCode.setter
    def HttpStatusCode(self, value: int) -> None:
        self._alive().http_status_code = value

    def _set_log_data(self, value: str | bytes) -> None:
        self._alive().log_data = text_bytes(value)[:80]

    LogData = property(None, _set_log_data)

    # --- the body both ways

    def WriteClient(self, data: str | bytes, reserved: int = 0) -> int:
        """Bytes written."""
        raw = text_bytes(data)
        return self._call("WriteClient", lambda block: block.write_client(raw, reserved))

    write = WriteClient

    def ReadClient(self, nbytes: int | None = None) -> bytes:
        """So many bytes, or what comes until the end of the body."""
        block = self._alive()
        wanted = block.total_bytes - block.available_bytes if nbytes is None else nbytes
        pieces = []
        while wanted > 0:
            piece = _raise_as("ReadClient", partial(block.read_client, wanted))
            if not piece:
                break
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def GetServerVariable(self, name: str, default: Any = _MISSING) -> Any:
        """bytes, str for UNICODE_; `default`, when it is given, instead of an error."""
        wanted = str_only(name)
        block = self._alive()
        try:
            if wanted.startswith("UNICODE_"):
                return block.get_server_variable(wanted)
            return block.get_raw_server_variable(wanted)
        except IsapiError as error:
            if default is not _MISSING:
                return default
            raise ExtensionError(error.code, None, "GetServerVariable") from error

    # --- support functions

    def SendResponseHeaders(
        self,
        reply: str | bytes,
        headers: str | bytes,
        keepAlive: bool = False,
    ) -> None:
        """HSE_REQ_SEND_RESPONSE_HEADER_EX."""
        status, fields = text_bytes(reply), text_bytes(headers)
        self._support("SEND_RESPONSE_HEADER_EX", lambda b: b.send_response_header_ex(status, fields, bool(keepAlive)))

    def SetFlushFlag(self, flag: int) -> None:
        """HSE_REQ_SET_FLUSH_FLAG."""
        self._support("SET_FLUSH_FLAG", lambda block: block.set_flush_flag(bool(flag)))

    def TransmitFile(
        self,
        callback: Callable[..., Any],
        param: Any,
        hFile: Any,
        statusCode: str,
        BytesToWrite: int,
        Offset: int,
        head: str | bytes | None,
        tail: str | bytes | None,
        flags: int,
    ) -> None:
        """HSE_REQ_TRANSMIT_FILE; `callback(ecb, param, cbIO, dwErrCode)` when it is complete."""
        if not callable(callback):
            raise TypeError("the callback is not callable")
        before, after = (b"" if one is None else text_bytes(one) for one in (head, tail))
        self._support(
            "TRANSMIT_FILE",
            lambda block: block.transmit_file(
                int(hFile),
                offset=Offset,
                length=BytesToWrite,
                head=before,
                tail=after,
                status=statusCode or None,
                flags=flags,
                callback=self._wrapped(callback),
                argument=param,
            ),
        )

    def MapURLToPath(self, url: str) -> bytes:
        """HSE_REQ_MAP_URL_TO_PATH."""
        wanted = str_only(url)
        return text_bytes(self._support("MAP_URL_TO_PATH", lambda b: b.map_url_to_path(wanted)))[:_LONGEST_PATH]

    def DoneWithSession(self, status: int = HSE_STATUS_SUCCESS) -> None:
        """HSE_REQ_DONE_WITH_SESSION; nothing of the control block may be used afterwards."""
        block = self._alive()
        self._mark.is_done = True
        _raise_as("ServerSupportFunction(HSE_REQ_DONE_WITH_SESSION)", lambda: block.done_with_session(status))

    close = DoneWithSession

    def Redirect(self, url: str) -> None:
        """HSE_REQ_SEND_URL_REDIRECT_RESP."""
        wanted = str_only(url)
        self._support("SEND_URL_REDIRECT_RESP", lambda block: block.send_url_redirect_resp(wanted))

    def IsKeepAlive(self) -> int:
        """Whether the client sent `Connection: keep-alive`."""
        found = self.GetServerVariable("HTTP_CONNECTION", b"")
        return int(found.lower() == b"keep-alive")

    def IsKeepConn(self) -> bool:
        """HSE_REQ_IS_KEEP_CONN."""
        return self._support("IS_KEEP_CONN", lambda block: block.is_keep_conn())

    def GetImpersonationToken(self) -> int:
        """HSE_REQ_GET_IMPERSONATION_TOKEN."""
        return self._support("GET_IMPERSONATION_TOKEN", lambda block: block.get_impersonation_token())

    def GetAnonymousToken(self, metabase_path: str | bytes) -> int:
        """HSE_REQ_GET_ANONYMOUS_TOKEN."""
        return self._support("GET_ANONYMOUS_TOKEN", lambda block: block.get_anonymous_token(metabase_path))

    def ExecURL(
        self,
        url: str | None,
        method: str | None,
        clientHeaders: str | None,
        info: None,
        entity: None,
        flags: int,
    ) -> None:
        """HSE_REQ_EXEC_URL; `info` and `entity` must be None."""
        if info is not None or entity is not None:
            raise ValueError("info and entity must be None")
        self._support("EXEC_URL", lambda block: block.exec_url(url, method=method, headers=clientHeaders, flags=flags))

    def GetExecURLStatus(self) -> tuple[int, int, int]:
        """Status, substatus, Win32 error of the last ExecURL."""
        found = self._support("GET_EXEC_URL_STATUS", lambda block: block.get_exec_url_status())
        return (found.status, found.substatus, found.win32_error)

    def IOCompletion(self, func: Callable[..., Any], arg: Any = None) -> None:
        """HSE_REQ_IO_COMPLETION: `func(ecb, arg, cbIO, dwError)`."""
        if not callable(func):
            raise TypeError("the callback is not callable")
        self._support("IO_COMPLETION", lambda block: block.io_completion(self._wrapped(func), arg))

    ReqIOCompletion = IOCompletion  # a sample of pywin32's calls it so

    def ReportUnhealthy(self, reason: str | None = None) -> None:
        """HSE_REQ_REPORT_UNHEALTHY."""
        self._support("REPORT_UNHEALTHY", lambda block: block.report_unhealthy(reason))

    # --- within

    def _alive(self) -> ControlBlock:
        if self._mark.is_done:
            raise RuntimeError(_DEAD)
        return self._block

    def _wrapped(self, callback: Callable[..., Any]) -> Callable[[ControlBlock, Any, int, int], object]:
        """The callback with a new wrapper of the same request."""
        mark = self._mark

        def call(block: ControlBlock, argument: Any, count: int, code: int) -> object:
            return callback(ExtensionControlBlock(block, mark), argument, count, code)

        return call

    def _support(self, request: str, call: Callable[[ControlBlock], T]) -> T:
        return self._call(f"ServerSupportFunction(HSE_REQ_{request})", call)

    def _call(self, name: str, call: Callable[[ControlBlock], T]) -> T:
        block = self._alive()
        return _raise_as(name, lambda: call(block))


def report_raised(block: ControlBlock, what: str, error: BaseException, text: str) -> None:
    """The event of an extension's error that its client gets as a page; on any thread."""
    if not isinstance(block, HostControlBlock):
        return
    said = f"{what} raised {type(error).__name__}: {error}\n{text}"
    block.session.facts.report_event("plugin-error", said)


def report_raised_with(ecb: object, what: str, error: BaseException, text: str) -> None:
    """The same, of what a module was given; nothing when a derived class has wrapped that in something of its own."""
    if isinstance(ecb, ExtensionControlBlock):
        report_raised(ecb._block, what, error, text)


def _raise_as(name: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except IsapiError as error:
        raise ExtensionError(error.code, error.strerror, name) from error


def _wire(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text_bytes(text)
