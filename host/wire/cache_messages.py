"""`isapy list cache` and `isapy cache flush`: the service asks its front."""

from __future__ import annotations

import msgspec

from host.wire.message import Message


class CacheRow(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in the listener's cache. Sizes in bytes, times in seconds; `expires_in` 0: until it is taken back;
    negative: it is stale, and good only when its maker says so. `variant`: the request fields that it is for."""

    url: str
    site_id: int
    status: int
    size: int
    hits: int
    age: int
    expires_in: int
    worker: str
    variant: str = ""


class AskCache(Message, frozen=True, kw_only=True):
    """Service: what is in your cache? Answered by CacheContents with the same number."""

    number: int


class CacheContents(Message, frozen=True, kw_only=True):
    """Front: the entries that were used last, at most a few thousand; how many there are, and their bytes."""

    number: int
    rows: list[CacheRow]
    entries: int
    size: int


class FlushCache(Message, frozen=True, kw_only=True):
    """Service: take these answers out. `site_id` 0: of every site. `url`: a path or a whole URL, percent-encoded; with
    `*` at its end everything that begins so; empty: all. Answered by CacheFlushed with the same number."""

    number: int
    site_id: int = 0
    url: str = ""


class CacheFlushed(Message, frozen=True, kw_only=True):
    """Front: so many answers were taken out."""

    number: int
    count: int


CacheMessage = AskCache | CacheContents | FlushCache | CacheFlushed
