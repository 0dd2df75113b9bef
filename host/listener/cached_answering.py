"""Answers from the cache, and answers into it: what a client's connection does beside asking a worker."""

from __future__ import annotations

from typing import Final

from host.http1.request_head import RequestHead
from host.http1.writer import EndOfHead, complete_response, read_worker_head
from host.listener.answering import AnsweringSocket
from host.listener.bindings import EndpointRoutes
from host.listener.cache_rules import Offer, conditions_of, fields_of, is_unmodified, why_not
from host.listener.cached_parts import head_of_part, is_for_a_worker, wanted_part
from host.listener.client_socket import IDLE
from host.listener.context import ListenerContext
from host.listener.exchange import Exchange
from host.listener.repeats import Repeat, Repeats
from host.listener.response_cache import CacheEntry
from host.listener.route import SiteGauge
from host.listener.shared_rules import asks_nothing
from host.wire.frames import ResponseFlag, ResponseFrame

_NO_SERVER: Final = int(ResponseFlag.NO_SERVER)
_CLOSE: Final = int(ResponseFlag.CLOSE)
_RAW: Final = int(ResponseFlag.RAW)
_NO_LOG: Final = int(ResponseFlag.NO_LOG)
METHODS: Final = frozenset((b"GET", b"HEAD"))


class CachedAnsweringSocket(AnsweringSocket):
    """A client that may be answered from the cache. `routes`: the routing of where it came in; `repeats`: the requests
    that are known there, unless more than its bytes decides what a request of this client says; `gauge`: that of the
    site which counts this connection."""

    __slots__ = ("gauge", "repeats", "routes")

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self.routes: EndpointRoutes | None = None
        self.repeats: Repeats | None = None
        self.gauge: SiteGauge | None = None

    def bandwidth_changed(self) -> None:
        """Limits count from now on; for a response with files that is under way, from the next one on."""
        if self.gauge is None or self.sends_file or self.transport.is_closing():
            return
        lane = self.context.pacing.lane_of(self.gauge.site_id)
        if lane is not None:
            self.pace_by(lane)

    def answer_again(self, data: bytes) -> bool:
        """Answer a request that was answered before, if nothing has changed; false: nothing was done.

        The caller has seen that no request is in hand or due, and that `repeats` is not empty.
        """
        assert self.repeats is not None
        repeat, context = self.repeats.get(data), self.context
        if repeat is None or self.is_write_paused or context.is_draining or not self.http.is_at_rest:
            return False
        entry, route, now = repeat.entry, repeat.route, context.now
        if not entry.is_kept or 0 < entry.expires_at <= now or route.gauge is not self.gauge:
            return False
        context.cache.use(entry, now)
        stamp = repeat.stamp.keep
        raw = b"".join((repeat.opening, stamp, entry.body)) if repeat.has_body else repeat.opening + stamp
        sent = len(raw)
        self.handed_bytes += sent
        self.transport.write(raw)
        if repeat.is_logged:
            ended_at = context.wall_offset + context.monotonic()
            context.log.request(repeat.record(self.address, sent, len(data), ended_at), route.site.log_file)
        self.timer = IDLE
        self.deadline = now + self.timeout_seconds + 1
        return True

    def find_cached(self, head: RequestHead) -> CacheEntry | None:
        """What answers this request, if anything does. The caller has seen that the cache is not empty."""
        context = self.context
        cache = context.cache
        entry = cache.find((self.routes, self.is_secure, head.host, head.target), context.now)
        if entry is None and cache.shared.urls:
            return self.find_shared(head)
        if entry is None or head.content_length or head.method not in METHODS:
            return None
        conditions = conditions_of(head.fields)
        if conditions.is_special or (conditions.has_cookie and not entry.ignores_cookies):
            return None
        if conditions.byte_range and is_for_a_worker(head.method, conditions, entry):
            return None
        return entry

    def find_shared(self, head: RequestHead) -> CacheEntry | None:
        """What answers this request by RFC 9111, if anything does."""

    def answer_from_cache(self, entry: CacheEntry, exchange: Exchange) -> None:
        """The request is answered: 200, 206 or 304, and a line in the log."""
        context, head, route = self.context, exchange.head, exchange.route
        if entry.is_kept:
            context.cache.use(entry, context.now)
        conditions = conditions_of(head.fields)
        worker_head, body, codes = entry.head, entry.body, entry.codes
        has_conditions = (conditions.none_match or conditions.modified_since) and codes[0] < 300  # RFC 9110 13.2.1
        if has_conditions and is_unmodified(conditions, entry.entity_tag, entry.last_modified):
            worker_head, body, codes = entry.not_modified, b"", (304, 0, 0)
        elif conditions.byte_range and head.method == b"GET":
            part = wanted_part(conditions, entry, context.wall_offset + context.now)
            if part is not None:
                worker_head, body, codes = head_of_part(entry, part), part.cut(entry.body), (206, 0, 0)
        keep = self.http.answer(context.is_draining or entry.flags & _CLOSE != 0)
        exchange.is_logged = not entry.flags & _NO_LOG
        stamp: EndOfHead = context.bare_stamp if entry.flags & _NO_SERVER else context.stamp
        if entry.shared is not None:
            stamp = entry.shared  # the Date that it came with (RFC 9110 6.6.1)
        end_of_head = stamp.choose(keep_alive=keep, minor_version=head.minor_version)
        if self.is_secure and route.hsts:
            end_of_head = route.hsts + end_of_head
        raw = complete_response(head, worker_head, body, end_of_head)
        is_plain_line = not route.site.log_file.needs_details
        is_for_all = codes[0] != 206 and (
            entry.shared is None or asks_nothing(head.fields)
        )  # no part; while it is fresh
        end = stamp.keep + body
        if self.repeats is not None and keep and is_plain_line and is_for_all and raw.endswith(end):
            opening = raw[: len(raw) - len(end)]
            self.repeats.remember(head, Repeat(head, route, entry, stamp, opening, codes))
        sent = len(raw)
        if keep:
            self.handed_bytes += sent
            self.transport.write(raw)
        else:
            self.write_last(raw)
        self.answered(exchange, codes, sent, raw)

    def keep_answer(self, exchange: Exchange, frame: ResponseFrame) -> bool:
        """The answer that is about to go out may enter the cache (answering)."""
        policy, link, context = exchange.cache_policy, exchange.link, self.context
        if policy is None or link is None or frame.flags & _RAW:
            return False
        cache, head = context.cache, read_worker_head(frame.head)
        is_kept_back = link.is_draining or link.is_closed or exchange.log is not None or context.is_draining
        offer = Offer(exchange.head, frame, head, policy, fields_of(frame.head), is_kept_back, cache.max_uri_bytes)
        if why_not(offer):
            return False
        request, route = exchange.head, exchange.route
        key = (self.routes, self.is_secure, request.host, request.target)
        entry = CacheEntry(key, route.site.id, link, exchange.number, frame, head)
        entry.worker = link.worker
        cache.add(entry, policy, context.now)
        return False
