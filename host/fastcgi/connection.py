"""A connection to a FastCGI application on the event loop: one request at a time, flow control both ways."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, cast

from host.gateway.fastcgi_records import EndRequest, MalformedRecord
from host.gateway.fastcgi_response import ResponseReader, StrayRecord

_MOST_UNSENT: Final = 131072
"""Bytes of a request's body that may wait here for a process that does not read."""


class Receiver(Protocol):
    """The request under way."""

    def answered(self, output: bytes, end: EndRequest) -> None:
        """All of its output, and its end; the connection may be used again."""

    def received_output(self, data: bytes) -> None:
        """FCGI_STDOUT."""

    def received_error_text(self, data: bytes) -> None:
        """FCGI_STDERR."""

    def ended(self, end: EndRequest) -> None:
        """It is over; the connection may be used again."""

    def broken(self, why: str, *, is_stray: bool) -> None:
        """What came is no FastCGI, or (`is_stray`) belongs to the request before; the connection is closed."""

    def lost(self) -> None:
        """The other side has closed the connection before the end."""


class FastCgiConnection(asyncio.Protocol):
    """To be made by create_connection or create_unix_connection."""

    def __init__(self) -> None:
        self.loop: Final = asyncio.get_running_loop()
        self._reader = ResponseReader()
        self._transport: asyncio.Transport
        self._receiver: Receiver | None = None
        self._writable: asyncio.Future[None] | None = None
        self._is_full = False
        self.is_open = False
        self.last_heard = 0.0
        """Loop time of the last bytes from the process, or of its taking some from us."""

    # --- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_MOST_UNSENT)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Records of the request under way; anything else spoils the connection."""
        self.last_heard = self.loop.time()
        receiver = self._receiver
        plain = self._reader.receive_plain(data)
        if plain is None:
            self._receive_records(data, receiver)
        elif receiver is not None:
            output, end = plain
            if end is None:
                if output:
                    receiver.received_output(output)
            else:
                self._receiver = None
                receiver.answered(output, end)

    def _receive_records(self, data: bytes, receiver: Receiver | None) -> None:
        ended: EndRequest | None = None
        try:
            for output, error_text, end in self._reader.receive(data):
                if self._receiver is None or receiver is None:
                    break
                if output:
                    receiver.received_output(output)
                elif error_text:
                    receiver.received_error_text(error_text)
                elif end is not None:
                    self._receiver, ended = None, end
        except MalformedRecord as error:
            is_told = self._receiver is not None
            self.close()
            if is_told and receiver is not None:
                receiver.broken(str(error), is_stray=isinstance(error, StrayRecord))
        if ended is not None and receiver is not None:  # the next request may begin within this call
            receiver.ended(ended)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits is told."""
        del exc  # whatever it was: the connection is gone
        self.is_open = False
        self.resume_writing()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.lost()

    def pause_writing(self) -> None:
        """The process does not read as fast as we write."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It has read."""
        self._is_full = False
        self.last_heard = self.loop.time()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # --- what a request calls

    @property
    def waits_for_process(self) -> bool:
        """Whether the process does not take what we have for it."""
        return self._is_full

    def begin(self, receiver: Receiver, *, keeps_connection: bool) -> int:
        """The request id of the one that `receiver` is about to send. Raises MalformedRecord when the connection was
        spoiled meanwhile."""
        number = self._reader.begin(keeps_connection=keeps_connection)
        self._receiver = receiver
        self.last_heard = self.loop.time()
        return number

    def write(self, data: bytes) -> None:
        """Send this. What a closed connection is given is dropped."""
        if self.is_open:
            self._transport.write(data)

    async def drained(self) -> None:
        """Returns when there is room for more, or the connection is gone."""
        while self._is_full and self.is_open:
            self._writable = self.loop.create_future()
            try:
                await self._writable
            finally:
                self._writable = None

    def hold(self, is_held: bool) -> None:
        """Read nothing for a while, or go on."""
        if self.is_open:
            if is_held:
                self._transport.pause_reading()
            else:
                self.last_heard = self.loop.time()
                self._transport.resume_reading()

    def close(self) -> None:
        """At once; the request under way, if there is one, is told nothing."""
        self._receiver = None
        if self.is_open:
            self.is_open = False
            self._transport.abort()
            self.resume_writing()
