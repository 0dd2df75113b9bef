"""Step 4 of a request's walk: answers that the listener gives by itself (IIS: the kernel-mode response cache).

An entry leaves when its time is over, when its worker takes it back or goes away (what is kept by RFC 9111 may stay to
stand in for an error), when nobody has asked for it for a scavenger period, when room is needed (the one that was used
longest ago goes first), and with every change of the configuration. The clock's seconds are handed in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from host.config.listener_settings import ListenerSettings
from host.http1.writer import WorkerHead
from host.listener.cache_rules import fields_of, head_of_not_modified, size_of
from host.listener.shared_cache import Shared, SharedAnswers, Url, Variant
from host.listener.shared_rules import may_ever_cover_error
from host.wire.frames import CacheFlag, CacheFrame, ResponseFrame

Key = tuple[object, bool, bytes, bytes] | tuple[object, bool, bytes, bytes, Variant]
"""The endpoint that the request came in by, whether over TLS, the host and the target as they came; of what is kept by
RFC 9111, which of several."""

ENTRY_BYTES: Final = 1024  # what an entry's objects take beside its bytes


class CacheEntry:
    """An answer that is kept. `owner` and `number`: the worker that gave it, and the request it gave it to;
    `has_parts`: whoever made it gives parts of it, too. What is not in the cache any more, or not yet, has `is_kept`
    False; what has left has no body."""

    __slots__ = (
        "added_at",
        "body",
        "codes",
        "entity_tag",
        "expires_at",
        "flags",
        "has_parts",
        "head",
        "hits",
        "ignores_cookies",
        "is_kept",
        "key",
        "last_modified",
        "not_modified",
        "number",
        "owner",
        "shared",
        "site_id",
        "size",
        "used_at",
        "worker",
    )

    def __init__(
        self, key: Key, site_id: int, owner: object, number: int, frame: ResponseFrame, head: WorkerHead
    ) -> None:
        self.key = key
        self.site_id = site_id
        self.owner = owner
        self.number = number
        self.flags = frame.flags
        self.codes = (frame.status, frame.substatus, frame.win32_status)
        self.head = head
        self.body = frame.body
        self.size = size_of(frame) + ENTRY_BYTES
        fields = fields_of(frame.head)
        self.entity_tag = fields.get(b"etag", b"")
        self.last_modified = fields.get(b"last-modified", b"")
        self.has_parts = frame.status == 200 and fields.get(b"accept-ranges", b"").lower() == b"bytes"
        raw_head = head_of_not_modified(head.bare_head)
        self.not_modified = WorkerHead(304, raw_head, raw_head, None)
        self.shared: Shared | None = None  # of what is kept by RFC 9111
        self.worker = ""  # the owner's name, for people
        self.ignores_cookies = False
        self.is_kept = False
        self.expires_at = 0.0  # 0: no end
        self.added_at = 0.0
        self.used_at = 0.0
        self.hits = 0


class ResponseCache:
    """All entries of one listener, under the limits of `<listener>`."""

    def __init__(self) -> None:
        self.entries: Final[OrderedDict[Key, CacheEntry]] = OrderedDict()  # by use: the last one at the end
        self.shared: Final[SharedAnswers[CacheEntry]] = SharedAnswers()
        self._owned: dict[object, dict[int, CacheEntry]] = {}
        self._settings = ListenerSettings()
        self._scavenged_at = 0.0
        self.size = 0

    @property
    def max_uri_bytes(self) -> int:
        """What an answer may count; 0: the cache takes nothing."""
        return self._settings.uri_max_uri_bytes if self._settings.uri_enable_cache else 0

    def configure(self, settings: ListenerSettings) -> None:
        """Obey these limits. What is kept was made under another configuration, and goes."""
        self._settings = settings
        self.flush(_everything)

    def find(self, key: Key, now: float) -> CacheEntry | None:
        """The entry that is still good; it counts as used."""
        entry = self.entries.get(key)
        if entry is None:
            return None
        if entry.expires_at and entry.expires_at <= now:
            self._remove(entry)
            return None
        return entry

    def use(self, entry: CacheEntry, now: float) -> None:
        """It has answered a request."""
        entry.used_at = now
        entry.hits += 1
        self.entries.move_to_end(entry.key)

    def add(self, entry: CacheEntry, policy: CacheFrame, now: float) -> bool:
        """Keep it in place of what had its key; what was used longest ago makes room. False when it is too large."""
        earlier = self.entries.get(entry.key)
        if earlier is not None:
            self._remove(earlier)
        if entry.size > self._settings.uri_max_cache_bytes:
            return False
        entry.ignores_cookies = bool(policy.flags & CacheFlag.IGNORES_COOKIES)
        entry.expires_at = now + policy.seconds if policy.seconds else 0.0
        entry.added_at = entry.used_at = now
        if entry.shared is not None:
            entry.expires_at = entry.shared.good_until
            for other in self.shared.displaced(entry.shared):
                self._remove(other)
        while self.size + entry.size > self._settings.uri_max_cache_bytes:
            self._remove(next(iter(self.entries.values())))
        self.entries[entry.key] = entry
        entry.is_kept = True
        self._owned.setdefault(entry.owner, {})[entry.number] = entry
        self.size += entry.size
        if entry.shared is not None:
            self.shared.note(entry, entry.shared)
        return True

    def invalidate(self, owner: object, number: int) -> None:
        """Its worker takes back what its answer to that request put here; nothing when it is gone already."""
        entry = self._owned.get(owner, {}).get(number)
        if entry is not None:
            self._remove(entry)

    def forget(self, url: Url) -> None:
        """What is kept by RFC 9111 of that URL is out of date (4.4)."""
        for entry in self.shared.of(url):
            self._remove(entry)

    def remove(self, entry: CacheEntry) -> None:
        """It is not good any more; nothing when it is gone already."""
        if entry.is_kept:
            self._remove(entry)

    def disown(self, owner: object) -> None:
        """A worker takes no more requests, so nobody would say when its entries are out of date. Those that may stand
        in for an error stay for that alone."""
        for entry in list(self._owned.get(owner, {}).values()):
            if entry.shared is not None and may_ever_cover_error(entry.shared.kept):
                self._orphan(entry, entry.shared)
            else:
                self._remove(entry)

    def flush(self, matches: Callable[[CacheEntry], bool]) -> int:
        """Take out what matches; how many those were."""
        matching = [entry for entry in self.entries.values() if matches(entry)]
        for entry in matching:
            self._remove(entry)
        return len(matching)

    def tick(self, now: float) -> None:
        """Once a scavenger period: what is out of date, and what nobody has asked for since, goes."""
        period = self._settings.uri_scavenger_period_seconds
        if now - self._scavenged_at >= period:
            self._scavenged_at = now
            self.flush(lambda entry: entry.used_at + period <= now or _is_over(entry, now))

    def _orphan(self, entry: CacheEntry, shared: Shared) -> None:
        self._let_go_of(entry)
        entry.owner = None  # its link is not kept for it
        shared.orphan()
        entry.expires_at = shared.good_until

    def _remove(self, entry: CacheEntry) -> None:
        del self.entries[entry.key]
        entry.is_kept = False
        entry.body = b""  # a request that is known (repeats) may hold the entry for a while
        self.size -= entry.size
        if entry.shared is not None:
            self.shared.discard(entry.shared)
            if entry.shared.is_orphaned:
                return
        self._let_go_of(entry)

    def _let_go_of(self, entry: CacheEntry) -> None:
        """Its owner does not own it any more."""
        owned = self._owned[entry.owner]
        del owned[entry.number]
        if not owned:
            del self._owned[entry.owner]


def _is_over(entry: CacheEntry, now: float) -> bool:
    """What is kept by RFC 9111 may be good once more when it is stale."""
    return 0 < entry.expires_at <= now and entry.shared is None


def _everything(entry: CacheEntry) -> bool:
    del entry
    return True
