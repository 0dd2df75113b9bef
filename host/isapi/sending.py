"""The whole control block: what sends files and vectors, runs other URLs and sends configured error pages."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

from host.api import FileBody, Headers, HttpError, Response
from host.api.isapi import (
    HSE_EXEC_URL_DISABLE_CUSTOM_ERROR,
    HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR,
    HSE_EXEC_URL_IGNORE_VALIDATION_AND_RANGE,
    HSE_EXEC_URL_NO_HEADERS,
    HSE_EXEC_URL_SSI_CMD,
    HSE_IO_ASYNC,
    HSE_IO_CACHE_RESPONSE,
    HSE_IO_DISCONNECT_AFTER_SEND,
    HSE_IO_FINAL_SEND,
    HSE_IO_SEND_HEADERS,
    HSE_IO_SYNC,
    ControlBlock,
    ExecUrlStatus,
    ExecUrlUser,
    IoCompletion,
    IsapiError,
    Text,
    VectorElement,
)
from host.api.win32_errors import (
    ERROR_FILE_NOT_FOUND,
    ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER,
    ERROR_NOT_SUPPORTED,
    WSAEINVAL,
)
from host.isapi.output import Piece
from host.isapi.request_rest import rest_of_body
from host.isapi.response_head import ResponseHead, parse_head, parse_status, to_bytes
from host.isapi.support_functions import SupportFunctions
from host.isapi.urls import as_target

_CONDITIONS: Final = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range")


class ExtensionControlBlock(SupportFunctions, ControlBlock):
    """EXTENSION_CONTROL_BLOCK, complete."""

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
        """Code 1006."""
        self.session.check()
        before, after = to_bytes(head), to_bytes(tail)
        sent_head = None
        if flags & HSE_IO_SEND_HEADERS:
            sent_head, before = parse_head(status, before), b""
        piece = _file_piece(file, offset, length)
        pieces: list[Piece] = [one for one in (before, piece, after) if not isinstance(one, bytes) or one]
        size = len(before) + piece.length + len(after)
        self._send(sent_head, pieces, size, flags, None if callback is None else (callback, argument))

    def vector_send(
        self,
        elements: Sequence[VectorElement],
        *,
        status: Text | None = None,
        headers: Text | None = None,
        flags: int = HSE_IO_SYNC,
    ) -> int:
        """Code 1037."""
        self.session.check()
        if bool(flags & HSE_IO_SYNC) == bool(flags & HSE_IO_ASYNC):
            raise IsapiError(ERROR_INVALID_PARAMETER, "one of HSE_IO_SYNC and HSE_IO_ASYNC is to be given")
        wants_head = bool(flags & HSE_IO_SEND_HEADERS)
        if (status is not None) != wants_head or (headers is not None) != wants_head:
            raise IsapiError(ERROR_INVALID_PARAMETER, "status and headers go together with HSE_IO_SEND_HEADERS")
        sent_head = parse_head(status, headers) if wants_head else None
        pieces: list[Piece] = []
        try:
            for element in elements:
                if element.file is None:
                    pieces.append(to_bytes(element.buffer))
                else:
                    pieces.append(_file_piece(element.file, element.offset, element.size))
        except IsapiError:
            _close(pieces)
            raise
        size = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)
        if flags & HSE_IO_CACHE_RESPONSE:
            self.session.output.is_cacheable = True
        self._send(sent_head, [piece for piece in pieces if piece], size, flags, None)
        return size

    def _send(
        self,
        head: ResponseHead | None,
        pieces: list[Piece],
        size: int,
        flags: int,
        completion: tuple[Any, Any] | None,
    ) -> None:
        output = self.session.output
        try:
            if flags & HSE_IO_ASYNC:
                self.session.check_idle(completion)
            if head is not None:
                output.begin(head)
        except BaseException:
            _close(pieces)
            raise
        if flags & HSE_IO_DISCONNECT_AFTER_SEND:
            output.closes = True
        if flags & HSE_IO_ASYNC:
            self._send_async(pieces, size, completion)
        else:
            output.write(pieces, waits=True)
        if flags & HSE_IO_FINAL_SEND:
            output.finish()

    # --- other URLs

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
        """Code 1026."""
        self.session.check()
        if flags & HSE_EXEC_URL_SSI_CMD:
            raise IsapiError(ERROR_NOT_SUPPORTED, "there are no SSI commands to be executed")
        target = self._request.raw_target if url is None else as_target(url)
        fields = parse_head(None, headers).headers if headers is not None else None
        if flags & HSE_EXEC_URL_IGNORE_VALIDATION_AND_RANGE:
            fields = (self._request.headers if fields is None else fields).copy()
            for name in _CONDITIONS:
                fields.remove(name)

        async def execute() -> int:
            response = await self._child(target, method or "", fields, entity, user, flags)
            return await self._take_over(response, with_head=not flags & HSE_EXEC_URL_NO_HEADERS)

        self.session.operate(execute)

    async def _child(
        self,
        target: str,
        method: str,
        headers: Headers | None,
        entity: bytes | None,
        user: ExecUrlUser | None,
        flags: int,
    ) -> Response:
        """The child's response, which may be an error page; its status is kept for `get_exec_url_status`."""
        session, mapping = self.session, self._request.mapping
        passes = bool(flags & HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR) and mapping is not None
        body = rest_of_body(session) if entity is None else entity
        identity = None if user is None else (user.name, user.auth_type)
        try:
            response = await session.host.execute(
                target,
                method=method,
                headers=headers,
                body=body,
                user=identity,
                passed_over=(mapping.name,) if passes and mapping is not None else (),
            )
        except HttpError as error:
            session.child_status = ExecUrlStatus(error.status, error.substatus, error.win32_status)
            if flags & HSE_EXEC_URL_DISABLE_CUSTOM_ERROR:
                return Response(status=error.status, substatus=error.substatus, headers=Headers(error.headers))
            return await session.host.error_page(error)
        session.child_status = ExecUrlStatus(response.status, response.substatus, response.win32_status)
        return response

    async def _take_over(self, response: Response, *, with_head: bool) -> int:
        """The child's output becomes this request's, as the client takes it; returns its bytes."""
        output, size = self.session.output, 0
        async with aclosing(self.session.host.pieces(response)) as pieces:
            if with_head:
                headers = response.headers.copy()
                output.begin(ResponseHead(response.status, response.reason, headers, response.close_connection))
            async for piece in pieces:
                if isinstance(piece, bytes):
                    output.write([piece], waits=False)
                    size += len(piece)
                else:  # it is closed behind us, and sent later
                    output.write([FileBody(os.dup(piece.descriptor), piece.offset, piece.length)], waits=False)
                    size += piece.length
                await self._room()
        return size

    async def _room(self) -> None:
        room = self.session.loop.create_future()
        self.session.output.when_room(lambda: None if room.done() else room.set_result(None))
        await room

    def get_exec_url_status(self) -> ExecUrlStatus:
        """Code 1027."""
        self.session.check()
        if self.session.child_status is None:
            raise IsapiError(ERROR_INVALID_PARAMETER, "no URL has been executed")
        return self.session.child_status

    def send_custom_error(self, status: Text, sub_error: int = 0, *, is_async: bool = False) -> None:
        """Code 1028."""
        self.session.check()
        number, reason = parse_status(status)
        if not 400 <= number <= 599:
            raise IsapiError(ERROR_INVALID_PARAMETER, f"{number} is no error")
        error = HttpError(number, sub_error, reason)

        async def send() -> int:
            page = await self.session.host.configured_error_page(error)
            if page is None:
                raise IsapiError(ERROR_FILE_NOT_FOUND, f"httpErrors has no page for {number}.{sub_error}")
            return await self._take_over(page, with_head=True)

        if is_async:
            self.session.operate(send)
        else:
            self.session.run(send())


def _file_piece(file: Any, offset: int, length: int) -> FileBody:
    """A descriptor of our own to a part of the file. Raises IsapiError."""
    try:
        descriptor = os.dup(file if isinstance(file, int) else file.fileno())
    except (OSError, AttributeError, OverflowError) as error:
        raise IsapiError(ERROR_INVALID_HANDLE, f"not an open file: {file!r}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not 0 <= offset <= status.st_size or length < 0:
        os.close(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise IsapiError(ERROR_INVALID_HANDLE, "not a regular file")
        raise IsapiError(WSAEINVAL, f"the file has {status.st_size} bytes, {length} from {offset} are wanted")
    rest = status.st_size - offset
    return FileBody(descriptor, offset, min(length, rest) if length else rest)


def _close(pieces: list[Piece]) -> None:
    for piece in pieces:
        if isinstance(piece, FileBody):
            os.close(piece.descriptor)
