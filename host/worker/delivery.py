"""Sends a response: what is complete in one frame, everything else piece by piece as the client takes it.

The log line is settled before the last frame leaves, because the front writes it then.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final

from host.api import CachePolicy, ClientGone, FileBody, LendableBody, RawData, Request, Response
from host.wire.frames import MAX_DATA_BYTES, ResponseFlag
from host.worker.cache_offers import CacheOffers, read_whole
from host.worker.calling import BODY, FilterEnded, HookCaller
from host.worker.exchange import Exchange
from host.worker.filter_output import KEY
from host.worker.lending import bytes_to_lend, may_lend
from host.worker.log_line import log_changes, log_entry, note_counts
from host.worker.plan import Plan
from host.worker.plugin_loader import culprit_of
from host.worker.request_task import become_task
from host.worker.response_head import build_head, close_flags
from host.worker.shared_answers import SharedPolicy
from host.worker.small_answers import BODYLESS, NO_CACHE, NO_LOG, NO_SERVER, codes_of

_RAW: Final = int(ResponseFlag.RAW)
_END: Final = object()


class BodyFault(TypeError):
    """A handler's body is not what a body may be, or not what it promised. `culprit`: whose it is, when the body says
    that the plugin only carries it (a WSGI application's name)."""

    def __init__(self, text: str, body: object) -> None:
        super().__init__(text)
        self.culprit: Final = culprit_of(body)


class Delivery:
    """Turns responses into the frames of their exchanges."""

    def __init__(self, caller: HookCaller, offers: CacheOffers) -> None:
        self._caller = caller
        self._offers = offers

    async def send(self, exchange: Exchange, request: Request, response: Response, plan: Plan) -> None:
        """Send it whole, log included. Raises BodyFault and whatever the body's iterator raises; ClientGone."""
        body = response.body
        try:
            await become_task()  # a task may be cancelled before its first step: then, too, the body is closed
            if body.__class__ is not bytes:
                body = _plain(body)
            policy = self._cache_policy(exchange, request, response, plan)
            if not response.raw and (exchange.is_head or response.status in BODYLESS):
                await self._send_bodyless(exchange, request, response, plan, body, policy)
                return
            if isinstance(body, bytes):
                if plan.on_send_raw_data and body:
                    body = await self._filtered(plan, request, body)
                if len(body) <= MAX_DATA_BYTES:
                    await self._send_whole(exchange, request, response, plan, body, policy)
                    return
            elif isinstance(body, FileBody) and not plan.on_send_raw_data:
                content = None if policy is None else read_whole(body, request.settings)
                if content is not None:
                    await self._send_whole(exchange, request, response, plan, content, policy)
                    return
            if isinstance(policy, SharedPolicy) and policy.invalidates:
                self._offers.offer(exchange, request, policy)
            await self._send_stream(exchange, request, response, plan, body)
        except FilterEnded:
            await self._settle_log(exchange, request, response, plan)
            self._end_early(exchange, request, response, plan)
        finally:
            if body.__class__ is not bytes:
                await self._close_body(body)

    async def or_discard(self, response: Response, stage: Awaitable[Response | None]) -> Response | None:
        """What that stage says; the response is closed when it fails."""
        failure: BaseException | None = None
        try:
            return await stage
        except BaseException as error:
            failure = error
        try:
            await self.discard(response)
            raise failure
        finally:
            failure = None  # it holds this frame

    async def discard(self, response: Response) -> None:
        """Close what a response holds that will not be sent."""
        if response.body.__class__ is not bytes:
            try:
                await become_task()
            finally:  # also when the task is cancelled before its first step
                await self._close_body(response.body)

    async def pieces(self, response: Response) -> AsyncGenerator[bytes | FileBody, None]:
        """The body of a response that is not sent as it is; closed at the end."""
        body = _plain(response.body)
        try:
            if isinstance(body, bytes):
                if body:
                    yield body
                return
            async with aclosing(self._given_pieces(body)) as given_pieces:
                async for given in given_pieces:
                    piece = _plain(given)
                    if not isinstance(piece, bytes | FileBody):
                        raise _no_piece(given, body)
                    yield piece
        finally:
            if body.__class__ is not bytes:
                await self._close_body(body)

    # --- three ways

    def _cache_policy(self, exchange: Exchange, request: Request, response: Response, plan: Plan) -> CachePolicy | None:
        if response.cache is None and (request.settings is None or not request.settings.caching.profiles):
            return None
        return self._offers.choose(exchange, request, response, plan)

    async def _send_whole(
        self,
        exchange: Exchange,
        request: Request,
        response: Response,
        plan: Plan,
        body: bytes,
        policy: CachePolicy | None,
    ) -> None:
        raw_head, flags = b"", _RAW | close_flags(response)
        if not response.raw:
            head = build_head(response, drops_length=True)  # the front counts what is complete
            raw_head, flags = head.raw, head.flags
        await self._settle_log(exchange, request, response, plan, len(raw_head) + len(body))
        if policy is not None:
            self._offers.offer(exchange, request, policy)
        exchange.send_complete(flags | self._flags(plan, request, response), codes_of(response), raw_head, body)

    async def _send_bodyless(
        self,
        exchange: Exchange,
        request: Request,
        response: Response,
        plan: Plan,
        body: Any,
        policy: CachePolicy | None,
    ) -> None:
        if exchange.is_head and response.status not in BODYLESS:
            head = build_head(response, content_length=_length_for_head(response, body))
        else:
            head = build_head(response, drops_length=True)
        await self._settle_log(exchange, request, response, plan, len(head.raw))
        if isinstance(policy, SharedPolicy):  # the listener has asked whether what it has is good, or it is to go
            self._offers.offer(exchange, request, policy)
        exchange.send_complete(head.flags | self._flags(plan, request, response), codes_of(response), head.raw, b"")

    async def _send_stream(
        self, exchange: Exchange, request: Request, response: Response, plan: Plan, body: Any
    ) -> None:
        if isinstance(body, str) or not isinstance(body, bytes | FileBody | AsyncIterable | Iterable):
            raise BodyFault(f"the body is {type(body).__name__}, not bytes, FileBody or an iterator of them", body)
        promised = -1
        if response.raw:
            exchange.begin(self._flags(plan, request, response) | close_flags(response) | _RAW, codes_of(response), b"")
        else:
            is_filtered = bool(plan.on_send_raw_data) and not isinstance(body, bytes)  # bytes have been through
            known = -1 if is_filtered else _known_length(body)
            head = build_head(response, content_length=known, drops_length=is_filtered)
            exchange.begin(head.flags | self._flags(plan, request, response), codes_of(response), head.raw)
            promised = head.promised_length
        modules = request.mapping.modules if request.mapping is not None else ""
        lender = body if isinstance(body, LendableBody) else None
        if not may_lend(
            is_lendable=lender is not None,
            has_data_filters=bool(plan.on_send_raw_data),
            takes_pipes=exchange.takes_pipes,
        ):
            lender = None
        sending = self._send_pieces(exchange, self._pieces(plan, request, body), promised, lender)
        with self._caller.noting(modules, BODY, request, sending):
            sent = await sending
        if sent < promised:
            raise BodyFault(f"the body ended after {sent} of the {promised} bytes that Content-Length promised", body)
        await self._settle_log(exchange, request, response, plan)
        exchange.end()

    async def _send_pieces(
        self,
        exchange: Exchange,
        pieces: AsyncGenerator[bytes | FileBody, None],
        promised: int,
        lender: LendableBody | None,
    ) -> int:
        """Send them up to the promised length (-1: all); how many bytes those were. Much of what comes from `lender`
        is read by the front itself."""
        sent = 0
        async with aclosing(pieces):
            async for given in pieces:
                piece = given if promised < 0 else _cut(given, promised - sent)  # more than promised is cut
                if isinstance(piece, FileBody):
                    await exchange.send_file(piece.descriptor, piece.offset, piece.length)
                    sent += piece.length
                else:
                    await exchange.send_data(piece)
                    sent += len(piece)
                if sent == promised:
                    break
                if lender is not None and (most := bytes_to_lend(sent, promised)):
                    sent += await exchange.send_pipe(partial(lender.lend, most))
                    lender = None
                    if sent == promised:
                        break
        return sent

    def _end_early(self, exchange: Exchange, request: Request, response: Response, plan: Plan) -> None:
        """A filter of the response's bytes wants no more of them sent: the connection ends here."""
        if exchange.has_begun:
            exchange.reset(500, 0, "a filter has ended the response")  # its line keeps the status that was sent
        else:
            exchange.send_complete(_RAW | self._flags(plan, request, response), codes_of(response), b"", b"")

    # --- the body

    async def _pieces(self, plan: Plan, request: Request, body: Any) -> AsyncGenerator[bytes | FileBody, None]:
        """The pieces in order, each checked and seen by the raw-data filters; files stay files when nobody looks."""
        if isinstance(body, bytes):  # the filters have seen it
            yield body
            return
        async with aclosing(self._given_pieces(body)) as given_pieces:
            async for given in given_pieces:
                piece = _plain(given)
                if isinstance(piece, FileBody):
                    if plan.on_send_raw_data:
                        async for data in self._read_file(piece):
                            yield await self._filtered(plan, request, data)
                    else:
                        yield piece
                elif not isinstance(piece, bytes):
                    raise _no_piece(given, body)
                elif piece:
                    yield await self._filtered(plan, request, piece) if plan.on_send_raw_data else piece

    async def _given_pieces(self, body: Any) -> AsyncGenerator[Any, None]:
        """What the handler gave, piece by piece; files that an iterator opened are closed behind it."""
        if isinstance(body, FileBody):
            yield body
        elif isinstance(body, list | tuple):
            for piece in body:
                yield piece
        elif isinstance(body, AsyncIterable):
            async for piece in body:
                with _closing_file(piece):
                    yield piece
        else:
            iterator: Iterator[Any] = iter(body)
            while (piece := await self._caller.pool.run(next, iterator, _END)) is not _END:
                with _closing_file(piece):
                    yield piece

    async def _read_file(self, piece: FileBody) -> AsyncIterator[bytes]:
        at, end = piece.offset, piece.offset + piece.length
        while at < end:
            data = await self._caller.pool.run(os.pread, piece.descriptor, min(MAX_DATA_BYTES, end - at), at)
            if not data:
                raise BodyFault(f"the file became shorter while it was sent: {end - at} bytes are missing", piece)
            at += len(data)
            yield data

    async def _filtered(self, plan: Plan, request: Request, data: bytes) -> bytes:
        raw = RawData(data)
        await self._caller.ask(plan.on_send_raw_data, request, raw)
        if plan.gives_contexts and (output := request.context.get(KEY)) is not None:
            return bytes(output.take_written() + raw.data)
        return raw.data

    async def _close_body(self, body: Any) -> None:
        if isinstance(body, FileBody):
            os.close(body.descriptor)
        elif isinstance(body, list | tuple):
            for piece in body:
                if isinstance(piece, FileBody):
                    os.close(piece.descriptor)
        elif hasattr(body, "aclose"):
            await body.aclose()
        elif hasattr(body, "close"):
            await self._caller.pool.run(body.close)

    # --- flags and log

    def _flags(self, plan: Plan, request: Request, response: Response) -> int:
        flags = NO_CACHE if plan.forbids_cache or request.user else 0
        if (settings := request.settings) is not None:
            if settings.request_filtering.remove_server_header:
                flags |= NO_SERVER
            if not settings.http_logging.is_logged(response.status):
                flags |= NO_LOG
        return flags

    async def _settle_log(
        self, exchange: Exchange, request: Request, response: Response, plan: Plan, whole_bytes: int = 0
    ) -> None:
        """`whole_bytes`: of the answer that is about to be sent; what comes in pieces has been counted."""
        if exchange.is_gone:
            raise ClientGone("the client closed its connection")
        if plan.log:
            await self._caller.tell(plan.log, request, response)
        if not (plan.on_log or request.user or exchange.log_parameters or exchange.log_status):
            return
        before = log_entry(exchange, request, response)
        entry = replace(before, parameters=before.parameters + exchange.log_parameters)
        entry.http_status = exchange.log_status or entry.http_status
        if plan.on_log:
            note_counts(entry, exchange, whole_bytes)
            await self._caller.tell(plan.on_log, request, entry)
        frame = log_changes(before, entry, request.user)
        if any(frame):
            exchange.log(frame)


def _no_piece(given: object, body: object) -> BodyFault:
    return BodyFault(f"a piece of the body is {type(given).__name__}, not bytes or FileBody", body)


@contextmanager
def _closing_file(piece: Any) -> Iterator[None]:
    try:
        yield
    finally:
        if isinstance(piece, FileBody):
            os.close(piece.descriptor)


def _plain(body: Any) -> Any:
    """Bytes where something like bytes was given."""
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    if isinstance(body, list | tuple) and all(isinstance(piece, bytes) for piece in body):
        return b"".join(body)
    return body


def _known_length(body: Any) -> int:
    if isinstance(body, bytes):
        return len(body)
    return body.length if isinstance(body, FileBody) else -1


def _length_for_head(response: Response, body: Any) -> int:
    """Content-Length of what GET would have sent; -1 keeps the handler's own, or none."""
    if "Content-Length" in response.headers:
        return -1
    known = _known_length(body)
    return known if known > 0 else -1


def _cut(piece: bytes | FileBody, length: int) -> bytes | FileBody:
    if isinstance(piece, FileBody):
        return piece if piece.length <= length else FileBody(piece.descriptor, piece.offset, length)
    return piece[:length]
