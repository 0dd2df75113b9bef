"""`isapy list cache` and `isapy cache flush`: the questions, the rows, the answer."""

from __future__ import annotations

from host.admin.message import Message, Row


class ListCache(Message, frozen=True, kw_only=True):
    """Answer: Cache."""


class FlushCache(Message, frozen=True, kw_only=True):
    """Take answers out of the listener's cache. `site`: name or id of a site; empty: of every one. `url`: a path or a
    whole URL, percent-encoded; with `*` at its end everything that begins so; empty: all. Answer: Done."""

    site: str = ""
    url: str = ""


class CacheRow(Row, frozen=True, kw_only=True):
    """An answer that the listener gives by itself. Sizes in bytes, times in seconds; `expires_in` 0: until its file,
    its configuration or its worker changes; negative: it is stale, and its worker is asked before it is used again.
    `variant`: the request fields that it is for (sharedCache)."""

    url: str
    site: str
    status: int
    size: int
    hits: int
    age: int
    expires_in: int
    worker: str
    variant: str = ""


class Cache(Message, frozen=True, kw_only=True):
    """Answer to ListCache: what was used last comes first; `entries` and `size` count all there is."""

    rows: list[CacheRow]
    entries: int
    size: int


CacheCommand = ListCache | FlushCache
