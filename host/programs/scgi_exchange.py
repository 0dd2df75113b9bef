"""One request and one SCGI server: a connection, the request into it, CGI output out of it until it closes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final, cast

from host.api import ClientGone, HttpError
from host.gateway.cgi_failures import server_failed, server_failure_event
from host.gateway.scgi import encode_head
from host.gateway.server_address import ServerAddress
from host.programs.output_stream import OutputStream
from host.programs.reachability import Reachability
from host.programs.request_pieces import RequestPieces

_PIECE_BYTES: Final = 64 * 1024
CONNECT_SECONDS: Final = 10.0
"""A server that does not take a connection for so long cannot be reached."""


class ScgiExchange(asyncio.Protocol):
    """`connect` makes one; it ends by `finish` or `abandon` (`gateway_run.py`).

    `server` and `name` are for people: the address; script and request. `report` gets a sentence for each failure.
    """

    def __init__(self, server: str, name: str, timeout_seconds: int, report: Callable[[str], None]) -> None:
        self._server = f"the SCGI server {server}"
        self._name = name
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._output = OutputStream(self._loop, self._hold)
        self._transport: asyncio.Transport | None = None
        self._timer = self._loop.call_later(timeout_seconds, self._time_out, timeout_seconds)
        self._feeder: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._is_full = False
        self._spare: socket.socket | None = None  # a second descriptor: the loop closes its own when a write fails

    @classmethod
    async def connect(
        cls,
        address: ServerAddress,
        name: str,
        *,
        timeout_seconds: int,
        report: Callable[[str], None],
        server: Reachability,
    ) -> ScgiExchange:
        """Raises HttpError 502.0."""
        loop = asyncio.get_running_loop()
        made = cls(str(address), name, timeout_seconds, report)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if address.path:
                    await loop.create_unix_connection(lambda: made, address.path)
                else:
                    await loop.create_connection(lambda: made, address.host, address.port)
        except OSError as error:  # TimeoutError is one
            made.finish()
            detail = f"{made._server} cannot be reached: {error.strerror or 'it takes no connection'}"
            server.missed(detail)
            remedy = "Start it, or correct the address; the pool's user must be allowed to connect."
            raise HttpError(502, 0, detail, remedy=remedy) from error
        except BaseException:
            made.finish()
            raise
        server.met()
        return made

    def start(self, variables: dict[bytes, bytes], source: RequestPieces) -> None:
        """Send the request; `source`, opened, is this exchange's from now on."""
        if not source.is_whole and self._transport is not None:
            self._spare = socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno()))
        self._write(encode_head(variables, source.length or 0) + source.first)
        if not source.is_whole:
            self._feeder = self._loop.create_task(self._feed(source))

    # --- as GatewayRun

    async def read(self, patience_seconds: float | None = None) -> bytes | None:
        """Raises HttpError 504.0, and 502.0 for a connection that breaks."""
        return await self._output.read(patience_seconds)

    async def check_end(self, patience_seconds: float | None = None) -> bool:
        """The connection was closed in order: nothing else tells that the answer is whole."""
        del patience_seconds
        self.finish()
        return True

    async def failure(self, why: str, output: bytes = b"", *, in_body: bool = False) -> HttpError:
        """502.2, and 502.0 for a server that has hung up without a word: its answer cannot be to blame."""
        if not output and not in_body:
            detail = f"{self._server} closed the connection without an answer"
            self._report(f"{self._name}: {detail}")
            return HttpError(502, 0, detail, remedy="Its own log should say why.")
        self._report(server_failure_event(self._server, self._name, why))
        return server_failed(self._server, self._name, why, output, in_body=in_body)

    def finish(self) -> None:
        """What the server still sends is not wanted."""
        self._timer.cancel()
        self._output.discard()
        if self._feeder is not None:
            self._feeder.cancel()
            self._feeder = None
        self._close_spare()
        if self._transport is not None:
            self._transport.abort()

    def abandon(self, reason: str) -> None:
        """The server sees its connection close."""
        del reason
        self.finish()

    # --- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Output."""
        self._output.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, or an early one."""
        self._timer.cancel()
        self._transport = None
        self.resume_writing()
        error = exc if exc is None else self._read_rest(exc)
        self._close_spare()
        if error is None:
            self._output.end()
        else:
            detail = (
                f"{self._name}: {self._server} has broken the connection: {getattr(error, 'strerror', '') or error}"
            )
            self._report(detail)
            self._output.fail(HttpError(502, 0, detail))

    def pause_writing(self) -> None:
        """The server reads slowly."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It has read."""
        self._is_full = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # --- inside

    def _read_rest(self, error: Exception) -> Exception | None:
        """What the server had answered before our writing failed, because it does not read the body to its end: the
        kernel still has it. The error when the answer is broken, None when it has come to its end.

        A TCP server that closes with unread bytes ends its answer (FIN) before it resets, and writing to it is a broken
        pipe; one that resets alone breaks it off. A unix socket cannot tell the two apart, and a close is all that SCGI
        knows as an end."""
        spare = self._spare
        if spare is None or (isinstance(error, ConnectionResetError) and spare.family != socket.AF_UNIX):
            return error
        spare.setblocking(False)
        try:
            while data := spare.recv(_PIECE_BYTES):
                self._output.feed(data)
        except ConnectionResetError as reset:
            return None if spare.family == socket.AF_UNIX else reset
        except OSError as other:
            return other
        return None

    def _close_spare(self) -> None:
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    def _time_out(self, seconds: int) -> None:
        detail = f"{self._name}: {self._server} took {seconds} seconds, the timeout of <cgi>"
        self._report(detail)
        self._output.fail(HttpError(504, 0, detail, remedy="Make it faster, or raise the timeout attribute of <cgi>."))
        if self._transport is not None:
            self._transport.abort()

    def _hold(self, is_held: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if is_held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def _feed(self, source: RequestPieces) -> None:
        """A server that closes its end early loses the rest, which is still read: its answer must reach the client."""
        try:
            while piece := await source.read_some():
                self._write(piece)
                while self._is_full and self._transport is not None:
                    self._writable = self._loop.create_future()
                    await self._writable
        except (ClientGone, HttpError) as error:
            self._output.fail(error)
        finally:
            source.close()
