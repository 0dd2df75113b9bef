"""A worker's frames about its requests: checked against the dialogue, passed on to the clients.

A frame that is not legal where it comes, or cannot be read, is a WireError: the caller closes that worker's link.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from host.http1.errors import ResponseHeadError
from host.listener.exchange import Exchange
from host.listener.refusals import page_of_bad_answer, page_of_reset
from host.listener.request_frames import send_body
from host.listener.response_cache import ResponseCache
from host.listener.shared_cache import url_of
from host.listener.worker_link import WorkerLink
from host.wire.codec import (
    decode_cache,
    decode_end,
    decode_file,
    decode_log,
    decode_number,
    decode_pipe,
    decode_reset,
    decode_response,
    encode_pipe_state,
)
from host.wire.errors import WireError
from host.wire.frames import CacheFlag, Kind, PipeState, ResponseFlag
from host.wire.request_dialogue import RequestState, next_state

ERROR_CONNECTION_ABORTED: Final = 1236  # the win32 status of a response that was cut
_COMPLETE: Final = int(ResponseFlag.COMPLETE)
_INVALIDATES: Final = int(CacheFlag.INVALIDATES)
_RESPONSE: Final = Kind.RESPONSE
_SENT: Final = RequestState.SENT
_STARTED: Final = RequestState.STARTED
_RESPONDING: Final = RequestState.RESPONDING
_DONE: Final = RequestState.DONE


class WorkerFrames:
    """Handles frames of all links; `flush` after each batch."""

    def __init__(self, cache: ResponseCache, first_grant: Callable[[WorkerLink], object]) -> None:
        """`first_grant` hears of every link's first CREDIT."""
        self._cache = cache
        self._first_grant = first_grant
        self._dirty: list[Exchange] = []  # responses that got pieces since the last flush
        self._handlers: Final[dict[Kind, Callable[[WorkerLink, Exchange, bytes], None]]] = {
            Kind.STARTED: _note_started,
            Kind.BODY_WINDOW: _open_body_window,
            Kind.BODY_HOLD: _hold_body,
            Kind.LOG: _note_log,
            Kind.CACHE: self._note_cache_policy,
            Kind.DATA: self._pass_data,
            Kind.FILE: self._pass_file,
            Kind.PIPE: self._pass_pipe,
            Kind.END: self._end,
            Kind.RESET: _reset,
        }

    def take(self, link: WorkerLink, kind: Kind, number: int, body: bytes) -> None:
        """One frame. Raises WireError."""
        exchange = link.exchanges.get(number)
        if exchange is None:
            self._take_of_link(link, kind, number, body)
            return
        if kind is _RESPONSE:
            self._respond(link, exchange, body)
            return
        before = exchange.state
        state = exchange.state = next_state(before, kind)
        if state is _DONE:
            _leave(link, exchange)
        try:
            self._handlers[kind](link, exchange, body)
        except WireError:
            exchange.state = before  # a last word that cannot be read is none: the request shares the link's fate
            link.exchanges[number] = exchange
            raise

    def flush(self) -> None:
        """Write what has come together."""
        if self._dirty:
            dirty, self._dirty = self._dirty, []
            for exchange in dirty:
                if exchange.response is not None and exchange.client is not None:
                    exchange.response.pump()

    def _take_of_link(self, link: WorkerLink, kind: Kind, number: int, body: bytes) -> None:
        """A frame about no request in hand: CREDIT, INVALIDATE, or it is not legal."""
        if number:
            raise WireError(f"{kind.name} for request {number}, which it does not have")
        if kind is Kind.INVALIDATE:
            self._cache.invalidate(link, decode_number(body))
            return
        if kind is not Kind.CREDIT:
            raise WireError(f"{kind.name} is not legal for the link itself")
        link.credit += decode_number(body)
        if not link.has_granted:
            link.has_granted = True
            self._first_grant(link)

    def _respond(self, link: WorkerLink, exchange: Exchange, body: bytes) -> None:
        state = exchange.state
        if state is not _SENT and state is not _STARTED:
            raise WireError(f"RESPONSE is not legal for a request that is {state.value}")
        frame = decode_response(body)
        flags = frame.flags
        is_complete = flags & _COMPLETE
        if is_complete:
            exchange.state = _DONE
            _leave(link, exchange)
            link.credit += frame.credit
        else:
            exchange.state = _RESPONDING
        client = exchange.client
        if client is None:
            return
        try:
            if is_complete:
                client.answer(exchange, frame)
            else:
                client.begin_answer(exchange, frame)
                if exchange.body is not None and exchange.body.forget() and exchange.client is client:
                    send_body(exchange)
                    client.body_moved()
                self._dirty.append(exchange)
        except (ResponseHeadError, WireError) as error:
            client.refuse(page_of_bad_answer(str(error) if client.is_local else ""))
            raise WireError(str(error)) from error

    def _pass_data(self, link: WorkerLink, exchange: Exchange, body: bytes) -> None:
        del link
        if exchange.response is not None and exchange.client is not None:
            exchange.response.data(body)
            self._dirty.append(exchange)

    def _pass_file(self, link: WorkerLink, exchange: Exchange, body: bytes) -> None:
        sequence, offset, length = decode_file(body)
        piece = None
        if exchange.response is not None and exchange.client is not None:
            piece = exchange.response.file(offset, length)
            self._dirty.append(exchange)
        link.side.claim(exchange, sequence, piece)

    def _pass_pipe(self, link: WorkerLink, exchange: Exchange, body: bytes) -> None:
        sequence, most_bytes = decode_pipe(body)
        pipe = None
        if exchange.response is not None and exchange.client is not None:
            pipe = exchange.response.pipe(most_bytes, partial(_tell_of_pipe, link, exchange.number))
            self._dirty.append(exchange)
        link.side.claim(exchange, sequence, pipe)

    def _note_cache_policy(self, link: WorkerLink, exchange: Exchange, body: bytes) -> None:
        del link
        policy = decode_cache(body)
        if policy.flags & _INVALIDATES:
            for is_secure in (False, True):  # the client may have left, and nobody knows any more
                self._cache.forget(url_of(exchange.head, is_secure=is_secure))
        else:
            exchange.cache_policy = policy

    def _end(self, link: WorkerLink, exchange: Exchange, body: bytes) -> None:
        link.credit += decode_end(body)
        _drop_unclaimed(link, exchange)
        if exchange.response is not None and exchange.client is not None:
            exchange.response.end()
            self._dirty.append(exchange)


def _leave(link: WorkerLink, exchange: Exchange) -> None:
    """The worker is done with it."""
    del link.exchanges[exchange.number]
    if exchange.holds_upload_place:
        exchange.holds_upload_place = False
        link.uploads -= 1


def _tell_of_pipe(link: WorkerLink, number: int, state: PipeState, taken_bytes: int) -> None:
    if not link.is_closed and number in link.exchanges:
        link.send(encode_pipe_state(number, state, taken_bytes))


def _note_started(link: WorkerLink, exchange: Exchange, body: bytes) -> None:
    """The table has noted it."""
    del link, exchange, body


def _note_log(link: WorkerLink, exchange: Exchange, body: bytes) -> None:
    del link
    exchange.log = decode_log(body)


def _open_body_window(link: WorkerLink, exchange: Exchange, body: bytes) -> None:
    del link
    count = decode_number(body)
    if exchange.body is not None and exchange.client is not None:
        exchange.body.grant(count)
        exchange.client.expect_body()
        send_body(exchange)
        exchange.client.body_moved()


def _hold_body(link: WorkerLink, exchange: Exchange, body: bytes) -> None:
    del link, body
    if exchange.body is None or exchange.client is None or exchange.body.is_complete:
        return  # what there is of it is with the worker, or on its way
    if exchange.body.pipe is not None:
        raise WireError("a body that is held already")
    exchange.client.hold_body()


def _reset(link: WorkerLink, exchange: Exchange, body: bytes) -> None:
    status, substatus, credit, reason = decode_reset(body)
    link.credit += credit
    _drop_unclaimed(link, exchange)
    client = exchange.client
    if client is None:
        return
    if exchange.response is None:
        client.reset(exchange, page_of_reset(status, reason if client.is_local else ""), substatus)
    else:
        client.cut("", ERROR_CONNECTION_ABORTED)


def _drop_unclaimed(link: WorkerLink, exchange: Exchange) -> None:
    if link.side.has_unclaimed:
        link.forget(exchange.number)
