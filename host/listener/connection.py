"""One client connection: bytes to requests, the clock, and every way a connection can end.

A client that closes its sending side while its request is in hand is most likely gone. It is given HALF_CLOSE_SECONDS
to prove the contrary by taking bytes, then the worker is told: nginx gives it none, which breaks `nc -N`; others wait
for ever.
"""

from __future__ import annotations

from typing import Any, Final

from host.http1.connection import Phase
from host.http1.errors import RemoteProtocolError
from host.http1.reader import Signal
from host.http1.request_head import RequestHead
from host.listener.client_socket import CLOSING, HALF_CLOSED, HEADER, IDLE, NEVER, SLOW
from host.listener.context import ListenerContext, RawVerdict
from host.listener.error_log import NOTHING_ASKED, Asked, asked_by, asked_in_vain
from host.listener.exchange import Exchange
from host.listener.refusals import (
    page_of_fault,
    page_of_misdirected,
    page_of_queue,
    page_of_reset,
    page_of_secure_redirect,
    page_of_unsecured,
)
from host.listener.request_body import RequestBody, is_read_ahead
from host.listener.request_frames import send_body
from host.listener.tls import ServedCertificate, identified_by
from host.listener.uploading import MAX_PIPELINED, UploadingSocket

HALF_CLOSE_SECONDS: Final = 2.0
_ERROR_CLIENT_LEFT: Final = 64  # ERROR_NETNAME_DELETED
_DONE: Final = Phase.DONE
_IDLE: Final = Phase.IDLE
_NEED_DATA: Final = Signal.NEED_DATA
_BODY_END: Final = Signal.BODY_END


class ClientConnection(UploadingSocket):
    """A client, its requests one after another (exchange.Client, response_stream.Sink)."""

    __slots__ = (
        "_began_at",
        "_identified_by",
        "_is_advancing",
        "_is_next_due",
        "_is_proxied",
        "_is_submitted",
    )

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self._is_proxied = False  # the peer may say who the client is
        self._identified_by: ServedCertificate | None = None
        self._began_at = 0.0  # first byte of a head that came in pieces
        self._is_submitted = False
        self._is_next_due = False
        self._is_advancing = False

    # --- the transport's calls

    def connection_made(self, transport: Any) -> None:
        """A client has connected; or the loop watches it from now on (newcomers)."""
        if self.unwatched is not None:
            self.be_watched(transport)
            return
        self.adopt(transport)
        context = self.context
        if self.tls is None and context.is_full():  # who speaks TLS has a place since the handshake began
            if context.refused_at != context.now:  # once a second: a flood must not become a flood of lines
                context.refused_at = context.now
                self.note(0, "Connections_Refused", NOTHING_ASKED)
            self.timer = CLOSING
            transport.abort()
            return
        context.connections.add(self)
        self.timeout_seconds = context.web_limits.connection_timeout_seconds
        self.deadline = context.now + self.timeout_seconds + 1

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        if self.timer is CLOSING:
            return
        hook = self.context.raw_data_hook
        if hook is not None:
            data = self._filtered(hook(self.facts, data))
            if not data:
                return
        exchange = self.exchange
        if exchange is None and not self._is_next_due:
            if self.repeats and self.answer_again(data):
                return
            head = self.http.read_usual(data)
            if head is not None:
                self._begin(head)
                return
        reader = self.http.reader
        reader.receive(data)
        if self._is_next_due or (exchange is not None and (exchange.body is None or exchange.body.is_complete)):
            if reader.buffered_bytes > MAX_PIPELINED:
                self.pause_reading()
            return
        self.advance()

    def _filtered(self, verdict: RawVerdict) -> bytes:
        """The bytes to parse after raw-data filters have seen them; empty when there are none, or no connection."""
        exchange = self.exchange
        is_answering = exchange is not None and exchange.response is not None
        if is_answering and (verdict.output or verdict.is_end):  # a filter's bytes in an answer would forge it
            self.drop_exchange("")
            self.break_off()
            return b""
        if verdict.output:
            self.write(verdict.output)
        if not verdict.is_end:
            return verdict.data
        if verdict.error:
            if exchange is not None and self._is_submitted:
                self.context.relay.client_gone(exchange)
            self.refuse(page_of_reset(500, verdict.error if self.is_local else ""))
        else:
            self.drop_exchange("")
            self.end(linger=True)
        return b""

    def eof_received(self) -> bool:
        """The client sends no more. True keeps the connection for an answer that is still to come."""
        exchange = self.exchange
        if self.timer is CLOSING or exchange is None or self.tls is not None:
            return False
        if exchange.body is not None and not exchange.body.is_complete:
            return False
        self.is_half_closed = True
        self._wait_half_closed()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason."""
        context = self.context
        context.connections.discard(self)
        del exc
        self._is_next_due = False
        self.release()
        self.drop_exchange("")
        if self.gauge is not None:
            self.gauge.connections -= 1
        if context.raw_data_hook is not None and self._facts:  # filters have seen bytes, if not a request
            context.relay.session_ended(self.number, context.relay.workers())
        elif self.links:
            context.relay.session_ended(self.number, self.links)
        if context.all_closed is not None and not context.connections and not context.all_closed.done():
            context.all_closed.set_result(None)

    def writable(self) -> None:
        """The client has taken what was written (client_socket)."""
        if self.is_write_paused:
            return
        exchange = self.exchange
        if exchange is not None and exchange.response is not None:
            exchange.response.pump()
        elif self._is_next_due and self.timer is not CLOSING:
            self._is_next_due = False
            self._next()

    # --- requests

    def advance(self) -> None:
        """Read on until bytes are missing or the request is complete."""
        http = self.http
        self._is_advancing = True
        try:
            while True:
                event = http.next_event()
                if event.__class__ is RequestHead:
                    self._begin(event)
                    if http.phase is _IDLE:  # it was answered from the cache
                        continue
                    if event.content_length == 0 or self.exchange is None:
                        return
                elif event is _NEED_DATA:
                    break
                elif event.__class__ is bytes:
                    if self.exchange is not None and self.exchange.body is not None:
                        self.exchange.body.receive(event)
                elif event is _BODY_END:
                    if self._body_ended() and http.phase is not _IDLE:
                        return
                else:
                    break
        except RemoteProtocolError as error:
            self._refuse_fault(error)
            return
        except OSError:
            self.refuse_for_want_of_memory()
            return
        finally:
            self._is_advancing = False
        self._wait_for_more()

    def _begin(self, head: RequestHead) -> None:
        context = self.context
        now = context.monotonic()
        routes = self.routes
        if routes is None:
            routes = self.routes = context.routing.at(*self.endpoint)
            self._identified_by = identified_by(self.tls, self.certificate)
            self.proxies_changed()
        if self._is_proxied:
            self.speak_for(context.forwarded.client(head.fields))
        try:
            route = routes.find(head.host, head.target)
        except RemoteProtocolError as error:
            self._refuse_fault(error, asked_by(head))
            return
        if self._identified_by is not None and not context.tls.serves(self.endpoint, head.host, self._identified_by):
            self.refuse(page_of_misdirected(), asked=asked_by(head, route.site.id))
            return
        if head.is_for_https and not self.is_secure and not route.secure_port:
            self.refuse(page_of_unsecured(), asked=asked_by(head, route.site.id))
            return
        if route.gauge is not self.gauge:
            if route.gauge.is_full:
                self.refuse(page_of_queue("ConnLimit"), asked=asked_by(head, route.site.id))
                return
            if self.gauge is not None:
                self.gauge.connections -= 1
            self.gauge = route.gauge
            route.gauge.connections += 1
            self.timeout_seconds = route.site.limits.connection_timeout_seconds
            self.pace_by(context.pacing.lane_of(route.site.id))
        exchange = self.exchange = Exchange(self, head, route, self._began_at or now)
        self._began_at = 0.0
        self.deadline = NEVER
        if route.secure_port and not self.is_secure:
            own_ip = self.address.server_ip
            self.reset(exchange, page_of_secure_redirect(head.host, head.target, route.secure_port, own_ip), 0)
            return
        if context.cache.entries and (entry := self.find_cached(head)) is not None:
            self.answer_from_cache(entry, exchange)
            return
        if self.is_half_closed:
            self._wait_half_closed()
        if head.content_length == 0:
            context.relay.submit(exchange)
        else:
            exchange.body = RequestBody(head.content_length)
            self._is_submitted = False

    def _body_ended(self) -> bool:
        """Whether there is nothing more to do here: an unread body is at its end, and the next request was begun."""
        exchange = self.exchange
        if exchange is None:
            self._next()
            return True
        assert exchange.body is not None
        exchange.body.is_complete = True
        self.stop_waiting_for_body()
        if self._is_submitted:
            self.context.relay.body_ended(exchange)
        return False

    def _wait_for_more(self) -> None:
        """What had come is worked up: pass the body on, and set the clock for what is to come."""
        exchange, context = self.exchange, self.context
        is_missing = exchange is None or (exchange.body is not None and not exchange.body.is_complete)
        if self.is_half_closed and is_missing:  # the rest never comes
            self.drop_exchange("")
            self.end(linger=False)
            return
        if exchange is None:
            if self.http.phase is Phase.IDLE and self.http.reader.buffered_bytes and self.timer is not HEADER:
                self.timer = HEADER
                self.deadline = context.now + context.header_wait_seconds + 1
                self._began_at = context.monotonic()
            elif self.http.phase is Phase.ANSWERED_EARLY:
                self.wait_for_body()
            return
        if self._is_submitted:
            send_body(exchange)
        elif is_missing and is_read_ahead(exchange.head, context.body_read_ahead_bytes):
            context.relay.expect(exchange)
        else:
            self._is_submitted = True
            if is_missing:
                context.relay.submit_upload(exchange)
            else:
                context.relay.submit(exchange)
        if self.exchange is exchange:
            self.body_moved()

    def request_answered(self) -> None:
        """The answer is out and the connection is kept (answering)."""
        if self.http.phase is _DONE:
            self._next()
        else:  # the rest of the body is read and dropped
            self.wait_for_body()
            self.resume_reading()

    def _next(self) -> None:
        """The request is answered and complete: read the next one."""
        if self.is_write_paused:
            self._is_next_due = True
            return
        http, context = self.http, self.context
        has_bytes = http.start_next()
        if self.is_half_closed and not has_bytes:
            self.end(linger=False)
            return
        if self._address is not None:  # a believed proxy has spoken for somebody
            self.speak_for(None)
        self.timer = IDLE
        self.deadline = context.now + self.timeout_seconds + 1
        if self.is_read_paused:
            self.resume_reading()
        if has_bytes and not self._is_advancing:  # one who pipelines must not nest our calls
            self.advance()

    def _refuse_fault(self, error: RemoteProtocolError, asked: Asked | None = None) -> None:
        exchange = self.exchange
        if exchange is not None:  # its body is malformed
            if exchange.response is not None:
                self.drop_exchange(error.fault.reason)
                self.break_off()
                return
            if self._is_submitted:
                self.context.relay.client_gone(exchange)
        self.refuse(page_of_fault(error.fault), asked=asked or asked_in_vain(error.raw_head))

    def proxies_changed(self) -> None:
        """From the next request on the peer is believed, or not any more: a proxy may keep its connections for days."""
        if self.routes is not None:  # it has asked for something
            self._is_proxied = self.context.forwarded.trusts(self.peer.client_ip)
            is_known_by_bytes = not self._is_proxied and self._identified_by is None
            self.repeats = self.routes.repeats if is_known_by_bytes else None

    def waited_too_long(self) -> None:
        """No worker took the request within the site's connectionTimeout: close, HTTPERR Timer_ReqQueue."""
        self.refuse(page_of_queue("Timer_ReqQueue"), closes_only=True)

    def deadline_passed(self) -> None:
        """`deadline` is over: close, unless the client has shown life."""
        timer, self.deadline = self.timer, NEVER
        if timer is HALF_CLOSED:
            if self.taken_bytes() > self.mark or self.is_held_back:
                self._wait_half_closed()
            else:
                self.transport.abort()
            return
        if timer is SLOW and self.keeps_pace():
            return
        if timer is CLOSING:
            if not self.takes_the_rest():
                if self.taken_bytes() < self.handed_bytes:
                    self.note(0, SLOW, NOTHING_ASKED)
                self.transport.abort()
            return
        exchange = self.exchange
        if exchange is None:
            self.note(0, timer, NOTHING_ASKED)
            self.end(linger=False)
        else:
            self.drop_exchange(timer)
            self.break_off()

    def shut_down(self) -> None:
        """The listener drains: close now if nothing is in hand, otherwise after the answer."""
        if self.exchange is None and self.http.phase is Phase.IDLE and not self.http.reader.buffered_bytes:
            self.end(linger=False)

    def drop_exchange(self, reason: str) -> None:
        """The client is gone or was given up: tell the worker, write down what there is to say."""
        exchange = self.exchange
        if exchange is None:
            return
        self.exchange = None
        exchange.let_body_go()
        was_waiting = self.context.relay.client_gone(exchange)
        asked = asked_by(exchange.head, exchange.route.site.id, exchange.route.queue)
        self.note(0, reason or ("Client_Reset" if was_waiting else "Connection_Dropped"), asked)
        if exchange.response is not None:
            status, substatus, _ = exchange.response.codes
            self.record(exchange, (status, substatus, _ERROR_CLIENT_LEFT), exchange.response.sent_bytes)

    def _wait_half_closed(self) -> None:
        self.timer = HALF_CLOSED
        self.mark = self.taken_bytes()
        self.deadline = self.context.now + HALF_CLOSE_SECONDS
