"""Answers by RFC 9111: stored ones while they may be used, and the question whether they are still good.

Whoever made an answer is asked by the client's own request, with the validators of what is stored: 304 makes that fresh
again, anything else takes its place. One connection has one request in hand, so it asks one such question at a time.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from host.http1.request_head import RequestHead
from host.http1.writer import read_worker_head
from host.listener.cache_rules import Offer, conditions_of, fields_of
from host.listener.cached_answering import METHODS, CachedAnsweringSocket
from host.listener.cached_parts import is_for_a_worker
from host.listener.context import ListenerContext
from host.listener.exchange import Exchange
from host.listener.response_cache import CacheEntry
from host.listener.shared_cache import Shared, freshened, url_of, validating, without_age
from host.listener.shared_rules import (
    FAILURES,
    Candidate,
    Wish,
    is_for,
    is_usable,
    kept_of,
    may_cover_error,
    selected,
    why_not_stored,
    wish_of,
)
from host.wire.errors import WireError
from host.wire.frames import CacheFlag, CacheFrame, ResponseFlag, ResponseFrame

_NO_SERVER: Final = int(ResponseFlag.NO_SERVER)
_RAW: Final = int(ResponseFlag.RAW)
_SHARED: Final = int(CacheFlag.SHARED)
_NOT_MODIFIED: Final = 304


class Asking(NamedTuple):
    """A question under way: about which entry, and the request as the client sent it."""

    exchange: Exchange
    entry: CacheEntry
    body: bytes  # of the entry, which may leave the cache meanwhile
    head: RequestHead
    covers_error: bool  # the entry is better than an error


class SharedAnsweringSocket(CachedAnsweringSocket):
    """A client whose answers may be shared with others."""

    __slots__ = ("_asking",)

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self._asking: Asking | None = None

    def find_shared(self, head: RequestHead) -> CacheEntry | None:
        """What is stored and may be used; what is not good any more is asked about with the request in hand."""
        context = self.context
        entry = context.cache.shared.find(
            url_of(head, is_secure=self.is_secure), (self.routes, self.is_secure), head.fields
        )
        if entry is None or entry.shared is None or head.content_length or head.method not in METHODS:
            return None
        kept, wish = entry.shared.kept, wish_of(head.fields)
        if wish.is_special or not is_for(kept, wish, ignores_cookies=entry.ignores_cookies):
            return None
        conditions = conditions_of(head.fields)
        if conditions.byte_range and is_for_a_worker(head.method, conditions, entry):
            return None
        age = entry.shared.age
        if is_usable(kept, age, wish):
            return entry
        self._ask(head, entry, wish, covers_error=may_cover_error(kept, age))
        return None

    def _ask(self, head: RequestHead, entry: CacheEntry, wish: Wish, *, covers_error: bool) -> None:
        exchange, kept = self.exchange, entry.shared.kept if entry.shared is not None else None
        if exchange is None or kept is None or head.method != b"GET" or wish.is_for_part or wish.only_if_cached:
            return
        if kept.has_validator or covers_error:
            self.is_asking = True
            self._asking = Asking(exchange, entry, entry.body, head, covers_error)
            if kept.has_validator:
                exchange.head = validating(head, entry.entity_tag, entry.last_modified)

    def keep_answer(self, exchange: Exchange, frame: ResponseFrame) -> bool:
        """See CachedAnsweringSocket; here it may also be the answer to a question of ours."""
        asking = self._answered_asking(exchange)
        policy = exchange.cache_policy
        if frame.flags & _RAW or read_worker_head(frame.head).status != frame.status:
            return False
        if asking is None:
            if policy is None or not policy.flags & _SHARED:
                return super().keep_answer(exchange, frame)
            self._store(exchange, frame, policy)
            return False
        if frame.status in FAILURES and asking.covers_error and asking.entry.is_kept:
            self.answer_from_cache(asking.entry, exchange)
            return True
        if frame.status == _NOT_MODIFIED:
            return self._validated(asking, frame)
        if frame.status not in FAILURES:
            self.context.cache.remove(asking.entry)
        if (
            policy is not None
            and policy.flags & _SHARED
            and (entry := self._store(exchange, frame, policy)) is not None
        ):
            self.answer_from_cache(entry, exchange)  # the client's own conditions count now
            return True
        return False

    def question_is_over(self, exchange: Exchange, frame: ResponseFrame) -> None:
        """The answer comes in pieces: it goes to the client as it is. Raises WireError for a 304 in pieces, which the
        client may not have asked for."""
        asking = self._answered_asking(exchange)
        if asking is None:
            return
        if frame.status == _NOT_MODIFIED:
            raise WireError("a 304 that is not complete")
        if frame.status not in FAILURES:
            self.context.cache.remove(asking.entry)

    def _answered_asking(self, exchange: Exchange) -> Asking | None:
        """The question that this exchange asked; the request is the client's again."""
        asking, self._asking, self.is_asking = self._asking, None, False
        if asking is None or asking.exchange is not exchange:
            return None
        exchange.head = asking.head
        return asking

    def _validated(self, asking: Asking, frame: ResponseFrame) -> bool:
        """304: what is stored is good, and fresh again if it says so (RFC 9111 4.3.4); false: it is the client's own
        tag that was found good."""
        exchange, entry = asking.exchange, asking.entry
        tag = fields_of(frame.head).get(b"etag", b"")
        is_other = tag and entry.entity_tag and tag.removeprefix(b"W/") != entry.entity_tag.removeprefix(b"W/")
        if is_other and conditions_of(asking.head.fields).none_match:
            self.context.cache.remove(entry)
            return False
        raw_head = freshened(entry.head.raw_head, frame.head)
        whole = ResponseFrame(frame.flags, 0, *entry.codes, raw_head, asking.body)
        policy = exchange.cache_policy
        is_to_keep = policy is not None and policy.flags & _SHARED and not is_other
        fresh = self._store(exchange, whole, policy) if policy is not None and is_to_keep else None
        if fresh is None:
            self.context.cache.remove(entry)
            fresh = self._entry(exchange, whole)
        self.answer_from_cache(fresh, exchange)
        return True

    def _store(self, exchange: Exchange, frame: ResponseFrame, policy: CacheFrame) -> CacheEntry | None:
        """Keep the answer to a request if RFC 9111 lets us."""
        link, context = exchange.link, self.context
        if link is None or frame.flags & _RAW:
            return None
        request, cache = exchange.head, context.cache
        is_kept_back = link.is_draining or link.is_closed or exchange.log is not None or context.is_draining
        head = read_worker_head(frame.head)
        offer = Offer(request, frame, head, policy, fields_of(frame.head), is_kept_back, cache.max_uri_bytes)
        kept = kept_of(offer.fields, context.wall(context.now))
        if why_not_stored(Candidate(offer, kept, wish_of(request.fields))):
            return None
        entry = self._entry(exchange, frame)
        entry.worker = link.worker
        return entry if cache.add(entry, policy, context.now) else None

    def _entry(self, exchange: Exchange, frame: ResponseFrame) -> CacheEntry:
        request, context = exchange.head, self.context
        kept = kept_of(fields_of(frame.head), context.wall(context.now))
        date = context.bare_stamp if frame.flags & _NO_SERVER else context.stamp
        variant = (kept.vary or (), selected(kept.vary or (), request.fields))
        url, place = url_of(request, is_secure=self.is_secure), (self.routes, self.is_secure)
        raw_head = without_age(frame.head)  # each use says another one
        frame = frame._replace(head=raw_head)
        site_id, number, head = exchange.route.site.id, exchange.number, read_worker_head(raw_head)
        entry = CacheEntry((*place, *url, variant), site_id, exchange.link, number, frame, head)
        entry.shared = Shared(
            url, place, variant, kept, date=date, asked_at=exchange.received_at, now=context.monotonic
        )
        entry.size += entry.shared.size
        return entry
