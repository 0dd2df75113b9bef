"""EXTENSION_CONTROL_BLOCK: the fields, the variables, the body both ways, and asynchronous operations.

`host.api.isapi.ControlBlock` says what each method does; `support_functions` has those of ServerSupportFunction.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from host.api import Request
from host.api.isapi import (
    HSE_IO_ASYNC,
    HSE_IO_SYNC,
    HSE_STATUS_SUCCESS,
    HSE_VERSION,
    UNKNOWN_LENGTH,
    IoCompletion,
    Text,
)
from host.isapi.output import Piece
from host.isapi.response_head import to_bytes
from host.isapi.server_variables import Paths, variable
from host.isapi.session import Session

_UNICODE = "UNICODE_"


class BasicControlBlock:
    """The control block without its support functions. `paths` are the request's, worked out beforehand."""

    def __init__(self, session: Session, paths: Paths) -> None:
        self.session = session
        self._request = session.request
        self.paths = paths
        session.ecb = self

    # --- fields

    @property
    def http_status_code(self) -> int:
        """dwHttpStatusCode."""
        return self.session.http_status_code

    @http_status_code.setter
    def http_status_code(self, value: int) -> None:
        self.session.http_status_code = int(value)

    @property
    def log_data(self) -> Text:
        """lpszLogData."""
        return self.session.log_data

    @log_data.setter
    def log_data(self, value: Text) -> None:
        self.session.log_data = to_bytes(value) if not isinstance(value, str) else value

    @property
    def version(self) -> int:
        """dwVersion."""
        return HSE_VERSION

    @property
    def connection_id(self) -> int:
        """ConnID."""
        return id(self.session)

    @cached_property
    def method(self) -> str:
        """lpszMethod."""
        return self._request.method

    @cached_property
    def query_string(self) -> str:
        """lpszQueryString."""
        return self._request.raw_query

    @cached_property
    def path_info(self) -> str:
        """lpszPathInfo."""
        return self.paths.path_info

    @cached_property
    def path_translated(self) -> str:
        """lpszPathTranslated."""
        return self.paths.path_translated

    @cached_property
    def content_type(self) -> str:
        """lpszContentType."""
        return self._request.headers.get("Content-Type")

    @property
    def total_bytes(self) -> int:
        """cbTotalBytes."""
        length = self._request.body.length
        return UNKNOWN_LENGTH if length is None or length >= UNKNOWN_LENGTH else length

    @property
    def available_bytes(self) -> int:
        """cbAvailable."""
        return len(self.session.available)

    @property
    def available_data(self) -> bytes:
        """lpbData."""
        return self.session.available

    # --- variables

    def get_server_variable(self, name: str) -> str:
        """GetServerVariable, as text."""
        raw = self._variable(name.removeprefix(_UNICODE))
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")

    def get_raw_server_variable(self, name: str) -> bytes:
        """GetServerVariable, as bytes without the NUL."""
        if name.startswith(_UNICODE):
            return self.get_server_variable(name).encode("utf-16-le", "surrogatepass")
        return self._variable(name)

    def _variable(self, name: str) -> bytes:
        self.session.check()
        return variable(self._request, self.paths, name)

    # --- the body both ways

    def read_client(self, size: int) -> bytes:
        """ReadClient."""
        self.session.check()
        return self.session.read(size)

    def write_client(self, data: Text, flags: int = HSE_IO_SYNC) -> int:
        """WriteClient."""
        raw = to_bytes(data)
        if flags & HSE_IO_ASYNC:
            self._send_async([raw] if raw else [], len(raw), None)
        elif raw:
            self.session.check()
            self.session.output.write([raw], waits=True)
        else:
            self.session.check()
        return len(raw)

    def _send_async(self, pieces: list[Piece], size: int, completion: tuple[IoCompletion, Any] | None) -> None:
        """Begin to send; complete when the client has taken enough of it."""
        output, loop = self.session.output, self.session.loop

        async def send() -> int:
            room = loop.create_future()
            output.when_room(lambda: None if room.done() else room.set_result(None))
            await room
            output.check_taken()
            return size

        self.session.operate(send, completion, lambda: output.write(pieces, waits=False))

    # --- asynchronous operations and the end

    def io_completion(self, callback: IoCompletion | None, argument: Any = None) -> None:
        """HSE_REQ_IO_COMPLETION."""
        self.session.check()
        self.session.completion = None if callback is None else (callback, argument)

    def async_read_client(self, buffer: bytearray | memoryview) -> None:
        """HSE_REQ_ASYNC_READ_CLIENT."""
        session = self.session

        async def read() -> int:
            data = await session.read_some(len(buffer))
            buffer[: len(data)] = data
            return len(data)

        session.operate(read)

    def cancel_io(self) -> None:
        """HSE_REQ_CANCEL_IO."""
        self.session.check()
        self.session.cancel()

    def done_with_session(self, status: int = HSE_STATUS_SUCCESS) -> None:
        """HSE_REQ_DONE_WITH_SESSION."""
        self.session.done(status)


def paths_of(request: Request, *, is_direct: bool) -> Paths:
    """The request's paths. `is_direct`: the URL names the extension's own file, so PATH_INFO is what follows it."""
    mapping, tail = request.mapping, request.path_info
    root = request.application.physical_path
    if is_direct or (mapping is not None and mapping.allow_path_info):
        is_below = bool(tail) and ".." not in tail.split("/")
        return Paths(tail, root.rstrip("/") + tail if is_below else "", root)
    return Paths(request.script_name + tail, request.physical_path + tail, root)
