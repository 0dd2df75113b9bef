"""`context.server`: other URLs of the site, for code in the middle of a request."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urljoin

from host.api import HttpError
from host.api.managed import HttpContext, PlatformNotSupportedException, ResponseEnd
from host.api.managed.response import read_piece
from host.api.response import FileBody, Response


class ServerUtility:
    """Of one request. `suspend` gives what gives its application object back to it after another URL has run."""

    def __init__(
        self, context: HttpContext, loop: asyncio.AbstractEventLoop, suspend: Callable[[], Callable[[], None]]
    ) -> None:
        self._context = context
        self._loop = loop
        self._suspend = suspend
        self.internal_target = ""

    @property
    def machine_name(self) -> str:
        """Name of the machine."""
        return platform.node()

    def map_path(self, path: str) -> str:
        """The file that a virtual path is mapped to. Raises HttpError."""
        native = self._context.request.native
        if path.startswith("~/"):
            path = f"{native.application.path.rstrip('/')}/{path[2:]}"
        absolute = urljoin(native.path, path) if path else native.path
        return str(self._wait(native.host.map_url(quote(absolute))).physical_path)

    def execute(self, path: str) -> None:
        """Put another URL's body into the response. Raises HttpError."""
        self._wait(self.execute_async(path))

    async def execute_async(self, path: str) -> None:
        """The same on the event loop. What that URL refuses is raised."""
        native = self._context.request.native
        target = urljoin(native.raw_target, path)
        resume = self._suspend()
        try:
            response: Response = await native.host.execute(target, method="GET", body=b"")
        finally:
            resume()
        if response.status >= 400:
            raise HttpError(response.status, response.substatus, f"{target}, which was executed, answered so")
        async with aclosing(native.host.pieces(response)) as pieces:
            async for piece in pieces:
                whole = piece if isinstance(piece, bytes) else read_piece(_copy(piece))
                self._context.response.binary_write(whole)

    def transfer(self, path: str) -> None:
        """Answer with that URL's body instead, and end."""
        self._context.response.clear()
        self.execute(path)
        raise ResponseEnd

    def transfer_request(self, path: str) -> None:
        """Answer with another URL, through its whole pipeline."""
        if not self._context.is_integrated:
            raise PlatformNotSupportedException("Server.transfer_request")
        self.internal_target = urljoin(self._context.request.native.raw_target, path)
        raise ResponseEnd

    def get_last_error(self) -> BaseException | None:
        """What was raised last."""
        return self._context.all_errors[-1] if self._context.all_errors else None

    def clear_error(self) -> None:
        """It is dealt with."""
        self._context.clear_error()

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def _copy(piece: FileBody) -> FileBody:
    """Its descriptor belongs to who gave it."""
    return FileBody(os.dup(piece.descriptor), piece.offset, piece.length)
