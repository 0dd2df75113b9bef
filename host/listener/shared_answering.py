"""Answers by RFC 9111: stored ones while they may be used, and the question whether they are still good.

Whoever made an answer is asked by the client's own request, with the validators of what is stored: 304 makes that fresh
again, anything else takes its place. One connection has one request in hand, so it asks one such question at a time.
Where the answer allows it the client need not wait for that (`revalidation.py`), or has what is stored instead of an
error, whether a worker answers so, or there is none that could (RFC 5861).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from host.http1.request_head import RequestHead
from host.http1.writer import read_worker_head
from host.listener.cache_rules import conditions_of
from host.listener.cached_answering import METHODS, CachedAnsweringSocket
from host.listener.cached_parts import is_for_a_worker
from host.listener.context import ListenerContext
from host.listener.error_log import Asked
from host.listener.exchange import Exchange
from host.listener.refusals import Page
from host.listener.response_cache import CacheEntry
from host.listener.revalidation import Revalidation
from host.listener.shared_cache import Shared, url_of, validating
from host.listener.shared_rules import (
    FAILURES,
    Wish,
    is_for,
    is_usable,
    may_ask_meanwhile,
    may_be_used_meanwhile,
    may_cover_error,
    wish_of,
)
from host.listener.shared_storing import brought_up_to_date, names_another, new_entry, store
from host.wire.errors import WireError
from host.wire.frames import CacheFlag, ResponseFlag, ResponseFrame

_RAW: Final = int(ResponseFlag.RAW)
_SHARED: Final = int(CacheFlag.SHARED)
_NOT_MODIFIED: Final = 304


class Asking(NamedTuple):
    """A question under way: about which entry, and the request as the client sent it."""

    exchange: Exchange
    entry: CacheEntry
    body: bytes  # of the entry, which may leave the cache meanwhile
    head: RequestHead
    wish: Wish  # of the client


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
        shared, wish = entry.shared, wish_of(head.fields)
        kept = shared.kept
        if wish.is_special or not is_for(kept, wish, ignores_cookies=entry.ignores_cookies):
            return None
        conditions = conditions_of(head.fields)
        if conditions.byte_range and is_for_a_worker(head.method, conditions, entry):
            return None
        age = shared.age
        if not shared.is_orphaned:
            if is_usable(kept, age, wish):
                return entry
            if may_be_used_meanwhile(kept, age, wish) and self._is_asked_meanwhile(head, entry, shared, wish):
                return entry
        self._ask(head, entry, shared, wish)
        return None

    def _is_asked_meanwhile(self, head: RequestHead, entry: CacheEntry, shared: Shared, wish: Wish) -> bool:
        """Whether somebody asks for the entry, or has just done so; if need be this request is sent once more."""
        exchange = self.exchange
        if shared.is_being_asked:
            return True
        if exchange is None or head.method != b"GET" or self.context.is_draining or not may_ask_meanwhile(wish):
            return False
        Revalidation(self.context, self, head, exchange, entry).begin()
        return True

    def _ask(self, head: RequestHead, entry: CacheEntry, shared: Shared, wish: Wish) -> None:
        exchange, kept = self.exchange, shared.kept
        if exchange is None or head.method != b"GET" or wish.is_for_part or wish.only_if_cached:
            return
        if kept.has_validator or may_cover_error(kept, shared.age, wish):
            self.is_asking = True
            self._asking = Asking(exchange, entry, entry.body, head, wish)
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
            store(self.context, exchange, frame, policy, (self.routes, self.is_secure))
            return False
        if frame.status in FAILURES and _covers_error(asking):
            self.answer_from_cache(asking.entry, exchange)
            return True
        if frame.status == _NOT_MODIFIED:
            return self._validated(asking, frame)
        if frame.status not in FAILURES:
            self.context.cache.remove(asking.entry)
        entry = store(self.context, exchange, frame, policy, (self.routes, self.is_secure))
        if entry is not None:
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
        condition that was found to hold."""
        exchange, entry, context = asking.exchange, asking.entry, self.context
        if entry.shared is None or not entry.shared.kept.has_validator:  # nobody has asked about the entry
            return False
        is_other = names_another(entry, frame)
        if is_other and conditions_of(asking.head.fields).none_match:
            context.cache.remove(entry)
            return False
        whole = brought_up_to_date(entry, asking.body, frame)
        place = (self.routes, self.is_secure)
        fresh = None if is_other else store(context, exchange, whole, exchange.cache_policy, place)
        if fresh is None:
            context.cache.remove(entry)
            fresh = new_entry(context, exchange, whole, place)
        self.answer_from_cache(fresh, exchange)
        return True

    def refuse(self, page: Page, *, closes_only: bool = False, asked: Asked | None = None) -> None:
        """No worker could be asked, or the one that was has died: see `answering`, unless the entry covers that."""
        if not self._is_covered(page):
            super().refuse(page, closes_only=closes_only, asked=asked)

    def reset(self, exchange: Exchange, page: Page, substatus: int) -> None:
        """The worker that was asked gives up: as `refuse`."""
        if not self._is_covered(page):
            super().reset(exchange, page, substatus)

    def _is_covered(self, page: Page) -> bool:
        """Whether the client has what is stored instead of this error."""
        asking = self._asking
        if asking is None or asking.exchange is not self.exchange or page.status not in FAILURES:
            return False
        self._answered_asking(asking.exchange)
        if not _covers_error(asking):
            return False
        self.answer_from_cache(asking.entry, asking.exchange)
        return True


def _covers_error(asking: Asking) -> bool:
    """Whether the entry is better than an error, now: the question may have waited for long."""
    shared = asking.entry.shared
    return asking.entry.is_kept and shared is not None and may_cover_error(shared.kept, shared.age, asking.wish)
