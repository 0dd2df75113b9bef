"""The body of the request in hand: how far the client's socket is read, whose turn it is, and when it goes past us.

A worker with a pipe for the rest of a large body gets it without the detour (`body_pipe`), if nobody here has to see
the bytes: not over TLS, not through raw-data filters, and not in chunks, whose length its program is to be told first.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

from host.http1.connection import Phase
from host.listener.body_pipe import BodyPipe
from host.listener.body_spool import MOST_OF_ONE
from host.listener.client_socket import BODY, CLOSING, NEVER
from host.listener.context import ListenerContext
from host.listener.exchange import Exchange
from host.listener.refusals import page_of_shortage
from host.listener.request_frames import send_body
from host.listener.shared_answering import SharedAnsweringSocket
from host.wire.frames import LEAST_HELD

MAX_PIPELINED: Final = 64 * 1024  # bytes of later requests that are read ahead
STOPPED_SECONDS: Final = 0.5  # in which neither client nor the body's reader takes anything: they wait for each other


class UploadingSocket(SharedAnsweringSocket):
    """A client that may send a body (exchange.Client, body_pipe.BodySource)."""

    __slots__ = ("_suspicion",)

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self._suspicion: asyncio.TimerHandle | None = None

    def advance(self) -> None:
        """Read on until bytes are missing or the request is complete."""

    def drop_exchange(self, reason: str) -> None:
        """The client is gone or was given up (`reason` is HTTPERR's, if any)."""

    def body_moved(self) -> None:
        """The backlog of the body has changed (exchange.Client)."""
        exchange = self.exchange
        body = None if exchange is None else exchange.body
        if exchange is None or body is None or body.is_complete:
            if self.is_read_paused and self.http.reader.buffered_bytes <= MAX_PIPELINED:
                self.resume_reading()
        elif body.is_piped:
            return
        elif exchange.is_held:
            self.collect_body()
        elif body.is_backlogged:
            self.pause_reading()
            self.stop_waiting_for_body()
            self._suspect()
        else:
            self.resume_reading()
            if not self.http.awaits_continue:
                self.wait_for_body()

    def collect_body(self) -> None:
        """Read it as far as there is room (exchange.Client). What can never be whole here waits for a place."""
        exchange = self.exchange
        if exchange is None or exchange.body is None:
            return
        body, can_be_whole = exchange.body, exchange.head.content_length <= MOST_OF_ONE
        if can_be_whole:
            self.expect_body()
            if body.is_backlogged and not body.is_spooled:
                spool = self.context.spool_room.begin()
                if spool is not None:
                    body.spool(spool)
        if can_be_whole and not body.is_backlogged:
            exchange.queue_deadline = NEVER
            self.resume_reading()
            self.wait_for_body()
            return
        self.pause_reading()
        self.stop_waiting_for_body()
        if exchange.queue_deadline == NEVER:  # now it is the place that is waited for
            exchange.queue_deadline = self.context.monotonic() + self.timeout_seconds

    def wait_for_body(self) -> None:
        """More of the body must come in time."""
        if self.is_write_paused:
            return  # it is the client's turn to read
        self.timer = BODY
        self.deadline = self.context.now + self.timeout_seconds + 1

    def stop_waiting_for_body(self) -> None:
        """The client is not waited for."""
        if self.timer is BODY:
            self.deadline = NEVER

    # --- a client that reads nothing before it has sent everything, and a program that writes while it reads

    def pause_writing(self) -> None:
        """The transport holds enough."""
        super().pause_writing()
        self._suspect()

    def resume_writing(self) -> None:
        """The client has taken it. What it owes of its body must come in time again: nobody else would end a client
        that keeps a place for ever."""
        super().resume_writing()
        if self.exchange is None:
            is_owed = self.http.phase is Phase.ANSWERED_EARLY
        else:
            body = self.exchange.body
            is_owed = body is not None and not (body.is_complete or body.is_stopped or self.http.awaits_continue)
        if is_owed and self.timer is not CLOSING:
            self.wait_for_body()

    def _suspect(self) -> None:
        """Nothing of the body is taken, and the client takes nothing of the answer: look again in a while."""
        exchange = self.exchange
        if exchange is None or exchange.body is None or not self.is_write_paused or self._suspicion is not None:
            return
        if exchange.body.is_stopped:
            mark = (self.taken_bytes(), exchange.body.received_bytes)
            self._suspicion = self.context.loop.call_later(STOPPED_SECONDS, self._look, exchange, mark)

    def _look(self, exchange: Exchange, mark: tuple[int, int]) -> None:
        self._suspicion = None
        body = exchange.body
        if self.exchange is not exchange or body is None or not self.is_write_paused or self.transport.is_closing():
            return
        if body.is_stopped and mark == (self.taken_bytes(), body.received_bytes) and not self.is_held_back:
            spool = None if body.is_spooled else self.context.spool_room.begin()
            if spool is not None:
                body.spool(spool)
        if body.is_spooled:
            self.body_moved()  # there may be room again
        self._suspect()

    # --- past us

    def hold_body(self) -> None:
        """The worker has a pipe for the rest (exchange.Client), and wants it in any case."""
        self.expect_body()
        exchange, left = self.exchange, self.http.reader.remaining_bytes
        if exchange is None or exchange.body is None or left < LEAST_HELD:
            return
        if (
            exchange.body.is_spooled
            or self.tls is not None
            or self.context.sees_raw_data()
            or self.transport.is_closing()
        ):
            return
        if self.unwatched is not None:  # it is about to be handed over, and cannot be stopped
            return
        try:
            source = os.dup(self.transport.get_extra_info("socket").fileno())
        except OSError:  # no descriptor is left: it comes as it always does
            return
        ahead = exchange.body.hold(for_pipe=self.context.writes_ahead())
        exchange.body.pipe = BodyPipe(self.context.loop, source, left, self, ahead)
        self.pause_reading()
        self.stop_waiting_for_body()
        self._suspect()
        send_body(exchange)

    def body_passed(self, count: int) -> None:
        """See BodySource."""
        exchange = self.exchange
        if exchange is None or exchange.body is None:
            return
        exchange.body.pass_by(count)
        reader = self.http.reader
        reader.skip_body(count)
        if reader.remaining_bytes:
            self.wait_for_body()
        else:
            self.advance()

    def body_stalled(self) -> None:
        """See BodySource."""
        self.stop_waiting_for_body()
        self._suspect()

    def body_delivered(self) -> None:
        """See BodySource."""
        if self.exchange is not None:
            send_body(self.exchange)

    def body_unread(self) -> None:
        """The rest is read and dropped: the answer must reach a client that sends everything before it listens."""
        exchange = self.exchange
        if exchange is not None and exchange.body is not None:
            exchange.body.drop_rest()
            if exchange.body.is_complete:
                send_body(exchange)
                return
            self.resume_reading()
            self.wait_for_body()

    def refuse_for_want_of_memory(self) -> None:
        """The kernel has none for what is spooled of the body (body_spool)."""
        exchange = self.exchange
        if exchange is None:
            return
        if exchange.response is not None:
            self.drop_exchange("")
            self.break_off()
        else:
            self.context.relay.client_gone(exchange)
            self.refuse(page_of_shortage())

    def body_broken_off(self) -> None:
        """The rest never comes."""
        self.drop_exchange("")
        self.end(linger=False)
