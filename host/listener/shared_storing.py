"""Answers into the cache by RFC 9111: whoever has asked for one."""

from __future__ import annotations

from typing import Final

from host.http1.writer import read_worker_head
from host.listener.cache_rules import Offer, fields_of
from host.listener.context import ListenerContext
from host.listener.exchange import Exchange
from host.listener.response_cache import CacheEntry
from host.listener.shared_cache import Place, Shared, freshened, url_of, without_age
from host.listener.shared_rules import Candidate, kept_of, selected, why_not_stored, wish_of
from host.wire.frames import CacheFlag, CacheFrame, ResponseFlag, ResponseFrame

_NO_SERVER: Final = int(ResponseFlag.NO_SERVER)
_RAW: Final = int(ResponseFlag.RAW)
_SHARED: Final = int(CacheFlag.SHARED)


def store(
    context: ListenerContext, exchange: Exchange, frame: ResponseFrame, policy: CacheFrame | None, place: Place
) -> CacheEntry | None:
    """Keep the answer to a request that came in at `place`, if its worker offers it and RFC 9111 lets us."""
    link, cache = exchange.link, context.cache
    if policy is None or not policy.flags & _SHARED or link is None or frame.flags & _RAW:
        return None
    request, head = exchange.head, read_worker_head(frame.head)
    is_kept_back = link.is_draining or link.is_closed or exchange.log is not None or context.is_draining
    offer = Offer(request, frame, head, policy, fields_of(frame.head), is_kept_back, cache.max_uri_bytes)
    kept = kept_of(offer.fields, context.wall(context.now))
    if why_not_stored(Candidate(offer, kept, wish_of(request.fields))):
        return None
    entry = new_entry(context, exchange, frame, place)
    entry.worker = link.worker
    return entry if cache.add(entry, policy, context.now) else None


def new_entry(context: ListenerContext, exchange: Exchange, frame: ResponseFrame, place: Place) -> CacheEntry:
    """The answer as the cache would hold it."""
    request, is_secure = exchange.head, place[1]
    kept = kept_of(fields_of(frame.head), context.wall(context.now))
    date = context.bare_stamp if frame.flags & _NO_SERVER else context.stamp
    variant = (kept.vary or (), selected(kept.vary or (), request.fields))
    url = url_of(request, is_secure=is_secure)
    raw_head = without_age(frame.head)  # each use says another one
    frame = frame._replace(head=raw_head)
    site_id, number, head = exchange.route.site.id, exchange.number, read_worker_head(raw_head)
    entry = CacheEntry((*place, *url, variant), site_id, exchange.link, number, frame, head)
    entry.shared = Shared(url, place, variant, kept, date=date, asked_at=exchange.received_at, now=context.monotonic)
    entry.size += entry.shared.size
    return entry


def names_another(entry: CacheEntry, frame: ResponseFrame) -> bool:
    """Whether a 304 speaks of something else than what is stored."""
    tag = fields_of(frame.head).get(b"etag", b"")
    return bool(tag and entry.entity_tag) and tag.removeprefix(b"W/") != entry.entity_tag.removeprefix(b"W/")


def brought_up_to_date(entry: CacheEntry, body: bytes, frame: ResponseFrame) -> ResponseFrame:
    """What is stored, whose body is `body`, with what a 304 brings (RFC 9111 3.2)."""
    return ResponseFrame(frame.flags, 0, *entry.codes, freshened(entry.head.raw_head, frame.head), body)
