"""Answers and refusals of one client connection: a worker's frames to bytes for the client, and the log."""

from __future__ import annotations

import os
import socket
from typing import Final

from host.http1.connection import Phase, ServerConnection
from host.http1.errors import ShortBodyError
from host.http1.writer import (
    BodyFraming,
    Framing,
    WorkerHead,
    begin_response,
    can_keep_open,
    complete_response,
    read_worker_head,
)
from host.listener.client_socket import CLOSING
from host.listener.context import ListenerContext
from host.listener.error_log import NOTHING_ASKED, Asked, asked_by
from host.listener.exchange import Exchange, Worker
from host.listener.newcomer_socket import NewcomerSocket
from host.listener.paced_transport import PacedTransport
from host.listener.refusals import Page, render
from host.listener.request_record import detailed, request_record
from host.listener.response_stream import ResponseStream
from host.listener.socket_calls import unread_bytes
from host.wire.errors import WireError
from host.wire.frames import ResponseFlag, ResponseFrame

_CLOSE: Final = int(ResponseFlag.CLOSE)
_ABORTIVE: Final = int(ResponseFlag.ABORTIVE)
_RAW: Final = int(ResponseFlag.RAW)
_NO_SERVER: Final = int(ResponseFlag.NO_SERVER)
_FIRST_LOOK_SECONDS: Final = 0.01  # nothing tells of an acknowledgement: one looks
_LAST_LOOK_SECONDS: Final = 0.5
_TCP_CLOSE: Final = 7  # linux/tcp_states.h
_NO_LOG: Final = int(ResponseFlag.NO_LOG)
_DONE: Final = Phase.DONE


class AnsweringSocket(NewcomerSocket):
    """A client that is answered: `http` is where its connection stands, `exchange` the request in hand, `links` the
    workers that its requests were handed to."""

    __slots__ = ("exchange", "http", "is_asking", "links")

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self.exchange: Exchange | None = None
        self.http = ServerConnection(context.policy)
        self.links: list[Worker] = []
        self.is_asking = False  # the request in hand asks a worker whether a stored answer is good

    def request_answered(self) -> None:
        """The answer is out and the connection is kept."""

    def keep_answer(self, exchange: Exchange, frame: ResponseFrame) -> bool:
        """The worker says that the cache may have this answer, or it answers a question of the cache's; true: the
        client has its answer already. Raises ResponseHeadError."""
        del exchange, frame
        return False

    def question_is_over(self, exchange: Exchange, frame: ResponseFrame) -> None:
        """What answers a question of the cache's comes in pieces. Raises WireError."""

    @property
    def awaits_last_answer(self) -> bool:
        """Whether a whole request is here, and the client wants nothing after it (newcomers.Newcomer)."""
        exchange = self.exchange
        if exchange is None or exchange.head.keep_alive:
            return False
        return exchange.body is None or exchange.body.is_complete

    # --- answers (exchange.Client)

    def answer(self, exchange: Exchange, frame: ResponseFrame) -> None:
        """The whole response in one frame."""
        flags, _, status, substatus, win32_status, raw_head, body = frame
        codes = (status, substatus, win32_status)
        if (exchange.cache_policy is not None or self.is_asking) and self.keep_answer(exchange, frame):
            return
        if flags & _ABORTIVE:
            self.is_abortive = True
        if flags & _NO_LOG:
            exchange.is_logged = False
        if flags & _RAW:
            self.http.answer(True)
            raw = body
        else:
            head = read_worker_head(raw_head)
            if head.status != status:
                raise _two_statuses(frame, head)
            context, request = self.context, exchange.head
            keep = self.http.answer(context.is_draining or flags & _CLOSE != 0)
            stamp = context.bare_stamp if flags & _NO_SERVER else context.stamp
            if keep and request.minor_version:
                end_of_head = stamp.keep
            else:
                end_of_head = stamp.choose(keep_alive=keep, minor_version=request.minor_version)
            if self.is_secure and exchange.route.hsts:
                end_of_head = exchange.route.hsts + end_of_head
            try:
                raw = complete_response(request, head, body, end_of_head)
            except ShortBodyError:
                self._cut(exchange, codes, 0)
                return
        sent = len(raw)
        if self.http.keep_alive or self.is_abortive:
            self.handed_bytes += sent
            self.transport.write(raw)
        else:
            self.write_last(raw)
        self.answered(exchange, codes, sent, raw)

    def expect_body(self) -> None:
        """The worker asks for the body (exchange.Client)."""
        raw_continue = self.http.ask_for_body()
        if raw_continue:
            self.write(raw_continue)

    def begin_answer(self, exchange: Exchange, frame: ResponseFrame) -> None:
        """The response begins; `exchange.response` takes its pieces."""
        if self.is_asking:
            self.question_is_over(exchange, frame)
        request, http = exchange.head, self.http
        self.is_abortive = frame.flags & _ABORTIVE != 0
        if frame.flags & _NO_LOG:
            exchange.is_logged = False
        if frame.flags & _RAW:
            http.begin_response(True)
            raw_head, framing = b"", BodyFraming(Framing.UNTIL_CLOSE)
        else:
            head = read_worker_head(frame.head)
            if head.status != frame.status:
                raise _two_statuses(frame, head)
            wants_close = bool(frame.flags & _CLOSE) or self.context.is_draining
            keep = http.begin_response(wants_close or not can_keep_open(request, head, is_complete=False))
            stamp = self.context.bare_stamp if frame.flags & _NO_SERVER else self.context.stamp
            end_of_head = stamp.choose(keep_alive=keep, minor_version=request.minor_version)
            if self.is_secure and exchange.route.hsts:
                end_of_head = exchange.route.hsts + end_of_head
            raw_head, framing = begin_response(request, head, end_of_head)
        self.expect_stream()
        context = self.context
        stream = ResponseStream(
            exchange, self, framing, raw_head, context.relay.window_opener(exchange), context.file_turns
        )
        stream.codes = (frame.status, frame.substatus, frame.win32_status)
        if exchange.route.site.log_file.needs_details:
            stream.raw_head = raw_head or frame.body
        stream.first_body(frame.body)
        exchange.response = stream

    def write_through(self, prefix: bytes, data: memoryview, suffix: bytes) -> None:
        """Bytes of a pipe (response_stream.Sink): to the kernel, without a copy, if nothing waits before them; what it
        does not take waits in the transport, and is waited for."""
        transport = self.transport
        total = len(prefix) + len(data) + len(suffix)
        self.handed_bytes += total
        sent = 0
        is_bare = self.tls is None and not isinstance(transport, PacedTransport)
        if is_bare and not transport.get_write_buffer_size():
            try:
                sent = os.writev(transport.get_extra_info("socket").fileno(), (prefix, data, suffix))
            except OSError:  # it takes nothing now, or never again: the transport will find out
                sent = 0
            if sent == total:
                return
        rest = b"".join((prefix, data, suffix))
        transport.write(rest[sent:] if sent else rest)
        if is_bare:
            self._has_low_limit = True
            transport.set_write_buffer_limits(0)  # `resume_writing` comes when it is empty

    def stream_ended(self, exchange: Exchange, *, is_whole: bool) -> None:
        """The pieces are out (response_stream.Sink)."""
        assert exchange.response is not None
        self.output_complete()
        if is_whole:
            self.http.end_response()
            self.answered(exchange, exchange.response.codes, exchange.response.sent_bytes)
        else:
            self._cut(exchange, exchange.response.codes, exchange.response.sent_bytes)

    def answered(self, exchange: Exchange, codes: tuple[int, int, int], sent: int, raw: bytes = b"") -> None:
        """The whole answer is on its way: log it, and go on. `raw` is what was sent at once."""
        self.record(exchange, codes, sent, raw)
        self.exchange = None
        exchange.let_body_go()
        http = self.http
        if self.is_abortive:
            http.close()
            self.reset_when_taken()
        elif not http.keep_alive:
            # Who was not told before that this is the last one may be sending the next request already.
            goes_on = http.reader.buffered_bytes > 0 or (exchange.head.keep_alive and self._has_unread())
            self.end(linger=http.phase is not _DONE or goes_on)
        else:
            self.request_answered()

    def _has_unread(self) -> bool:
        """Whether the client has sent bytes that nobody has read."""
        connection = self.transport.get_extra_info("socket")
        return connection is not None and connection.fileno() >= 0 and unread_bytes(connection.fileno()) > 0

    def refuse(self, page: Page, *, closes_only: bool = False, asked: Asked | None = None) -> None:
        """A refusal instead of a response; the connection closes."""
        self._send_refusal(page, closes_only=closes_only, asked=asked)

    def _send_refusal(self, page: Page, *, closes_only: bool = False, asked: Asked | None = None) -> bytes:
        """Refuse, and give what was sent."""
        exchange = self.exchange
        with_body = True
        if exchange is not None:
            exchange.client = None
            self.exchange = None
            exchange.let_body_go()
            with_body = exchange.head.method != b"HEAD"
            asked = asked_by(exchange.head, exchange.route.site.id, exchange.route.queue)
        if page.reason:
            self.note(0 if closes_only else page.status, page.reason, asked or NOTHING_ASKED)
        linger = self.http.phase is not Phase.RECEIVED or self.http.reader.buffered_bytes > 0
        raw = b""
        if closes_only:
            linger = False
        else:
            raw = render(page, self.context.refusal_stamp.close, with_body=with_body)
            self.write_last(raw)
        self.end(linger=linger)
        return raw

    def reset(self, exchange: Exchange, page: Page, substatus: int) -> None:
        """The worker's refusal before it began to answer."""
        raw = self._send_refusal(page)
        self.record(exchange, (page.status, substatus, 0), len(raw), raw)

    def cut(self, reason: str, win32_status: int) -> None:
        """The response that has begun cannot go on."""
        exchange = self.exchange
        if exchange is None or exchange.response is None:
            return
        if reason:
            self.note(0, reason, asked_by(exchange.head, exchange.route.site.id, exchange.route.queue))
        status, substatus, _ = exchange.response.codes
        self._cut(exchange, (status, substatus, win32_status), exchange.response.sent_bytes)

    def _cut(self, exchange: Exchange, codes: tuple[int, int, int], sent: int) -> None:
        self.record(exchange, codes, sent)
        self.exchange = None
        exchange.let_body_go()
        if exchange.link is not None and exchange.number in exchange.link.exchanges:
            self.context.relay.client_gone(exchange)
        elif exchange.response is not None:
            exchange.response.close()
        exchange.client = None
        self.http.close()
        self.timer = CLOSING
        self.break_off()

    def end(self, *, linger: bool) -> None:
        """Close after the last byte."""
        self.http.close()
        self.finish(linger=linger)

    def reset_when_taken(self) -> None:
        """Reset the connection as soon as the client's machine has everything; CLOSING gives up on one that stalls."""
        self.timer = CLOSING
        self.pause_reading()
        self.deadline = self.context.now + self.timeout_seconds + 1
        self._reset_if_taken(_FIRST_LOOK_SECONDS)

    def _reset_if_taken(self, seconds: float) -> None:
        if self.transport.is_closing():
            return
        if self.taken_bytes() >= self.handed_bytes or self._is_reset():
            self.break_off()
        else:
            self.context.loop.call_later(seconds, self._reset_if_taken, min(2 * seconds, _LAST_LOOK_SECONDS))

    def _is_reset(self) -> bool:
        """Whether the client has reset the connection: nobody reads, so nothing else tells, and what was on its way is
        counted as waiting for ever."""
        connection = self.transport.get_extra_info("socket")
        tcp = socket.socket(fileno=connection.fileno())
        try:
            return tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE
        except OSError:  # a unix socket: what is on its way there goes with its reader
            return False
        finally:
            tcp.detach()

    def record(self, exchange: Exchange, codes: tuple[int, int, int], sent: int, raw: bytes = b"") -> None:
        """A line in the site's log. `codes` are status, substatus and win32 status; `raw` is what was sent at once."""
        context, log_file = self.context, exchange.route.site.log_file
        if log_file.enabled and exchange.is_logged:
            now = context.monotonic()
            record = request_record(exchange, self.address, codes, sent, context.wall_offset + now, now)
            if log_file.needs_details:
                raw = exchange.response.raw_head if exchange.response is not None else raw
                record = detailed(record, exchange, self.address, raw, is_secure=self.is_secure)
            context.log.request(record, log_file)

    def note(self, status: int, reason: str, asked: Asked) -> None:
        """A line in HTTPERR; `status` 0 when nothing was sent."""
        context = self.context
        context.errors.note(context.wall(context.monotonic()), self.address, asked, status, reason)


def _two_statuses(frame: ResponseFrame, head: WorkerHead) -> WireError:
    return WireError(f"a response frame of status {frame.status} whose head says {head.status}")
