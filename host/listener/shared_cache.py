"""What the response cache holds by RFC 9111: several answers of one URL, told apart by what they vary by.

The bytes are in `response_cache`, as all others; this is the way to them, and what has to be known of each.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

from host.http1.request_head import RequestHead
from host.http1.writer import Stamp
from host.listener.shared_rules import Kept, Values, selected

Url = tuple[bytes, bytes]
Place = tuple[object, bool]
"""The endpoint that requests come in by, and whether over TLS."""

Variant = tuple[tuple[bytes, ...], Values]
"""The request fields that an answer varies by, and what they said."""

_DEFAULT_PORT: Final = {False: re.compile(rb":(?:80)?\Z"), True: re.compile(rb":(?:443)?\Z")}
_VALIDATORS: Final = re.compile(rb"^if-(?:none-match|modified-since)[ \t]*:[^\r\n]*\r\n", re.IGNORECASE | re.MULTILINE)
_AGE: Final = re.compile(rb"^age[ \t]*:[^\r\n]*\r\n", re.IGNORECASE | re.MULTILINE)


class Shared:
    """What is known of a stored answer. `came_at`: the clock's seconds; `stamp` has the Date that it came with."""

    __slots__ = ("_came_at", "_initial_age", "kept", "place", "stamp", "url", "variant")

    def __init__(
        self, url: Url, place: Place, variant: Variant, kept: Kept, *, stamp: Stamp, asked_at: float, came_at: float
    ) -> None:
        self.url = url
        self.place = place
        self.variant = variant
        self.kept = kept
        self.stamp = stamp
        self._came_at = came_at
        self._initial_age = kept.age + came_at - asked_at  # RFC 9111 4.2.3; its Date is our own

    def age(self, now: float) -> int:
        """Its current age in seconds (RFC 9111 4.2.3)."""
        return int(self._initial_age + max(0.0, now - self._came_at))

    def fresh_for(self, now: float) -> int:
        """Seconds until it is stale; negative: it is."""
        left = (0 if self.kept.must_validate else self.kept.lifetime or 0) - self.age(now)
        return left if left > 0 else min(left, -1)

    @property
    def size(self) -> int:
        """Bytes of it that a client has chosen, beside the answer."""
        return sum(map(len, self.url)) + sum(len(value or b"") for value in self.variant[1])

    @property
    def spelled_variant(self) -> str:
        """What it varies by, for people."""
        said = (b"%s: %s" % (name, b"-" if value is None else value) for name, value in zip(*self.variant, strict=True))
        return b", ".join(said).decode("latin-1")


class Stored(Protocol):
    """What is asked of an entry of the cache."""

    added_at: float


EntryT = TypeVar("EntryT", bound=Stored)


class SharedAnswers(Generic[EntryT]):
    """The stored answers by URL. `urls` is empty when nobody uses the shared-cache mode: ask it first."""

    def __init__(self) -> None:
        self.urls: Final[dict[Url, dict[tuple[Place, tuple[bytes, ...]], dict[Values, EntryT]]]] = {}

    def find(self, url: Url, place: Place, fields: bytes) -> EntryT | None:
        """What was stored last of the answers that match a request with these fields (RFC 9111 4.1)."""
        found: EntryT | None = None
        for (at, names), by_values in self.urls.get(url, {}).items():
            entry = by_values.get(selected(names, fields)) if at == place else None
            if entry is not None and (found is None or entry.added_at >= found.added_at):
                found = entry
        return found

    def note(self, entry: EntryT, shared: Shared) -> None:
        """It was stored."""
        names, values = shared.variant
        self.urls.setdefault(shared.url, {}).setdefault((shared.place, names), {})[values] = entry

    def discard(self, shared: Shared) -> None:
        """It is not stored any more."""
        names, values = shared.variant
        groups = self.urls[shared.url]
        by_values = groups[shared.place, names]
        del by_values[values]  # it is the one: nobody else has its key
        if not by_values:
            del groups[shared.place, names]
        if not groups:
            del self.urls[shared.url]

    def of(self, url: Url) -> Iterator[EntryT]:
        """Everything that is stored of a URL, however it was asked for."""
        for by_values in list(self.urls.get(url, {}).values()):
            yield from list(by_values.values())


def url_of(head: RequestHead, *, is_secure: bool) -> Url:
    """What is the same for all spellings of a request's URL (RFC 9110 4.2.3), as far as host and port go."""
    return _DEFAULT_PORT[is_secure].sub(b"", head.host.lower()), head.target


def validating(head: RequestHead, entity_tag: bytes, last_modified: bytes) -> RequestHead:
    """The request as it asks whether a stored answer with these validators is good (RFC 9111 4.3.1). The tags that the
    client itself has are asked for, too."""
    tags = [line.partition(b":")[2].strip() for line in _VALIDATORS.findall(head.fields) if line[3:4] in b"nN"]
    fields = _VALIDATORS.sub(b"", head.fields)
    if entity_tag:
        fields += b"If-None-Match: %b\r\n" % b", ".join(dict.fromkeys((*tags, entity_tag)))
    if last_modified:
        fields += b"If-Modified-Since: %b\r\n" % last_modified
    asking = copy.copy(head)
    asking.fields = fields
    return asking


def without_age(raw_head: bytes) -> bytes:
    """A worker's head without the Age that it came with."""
    return _AGE.sub(b"", raw_head)


def freshened(raw_head: bytes, raw_head_of_304: bytes) -> bytes:
    """A stored head with the fields of a 304 in place of its own ones (RFC 9111 3.2): all but those that describe the
    content."""
    brought = [line for line in raw_head_of_304.split(b"\r\n")[1:] if line and _is_brought(_name(line))]
    names = {_name(line) for line in brought}
    status, *lines = raw_head.split(b"\r\n")
    stays = [line for line in lines if line and _name(line) not in names]
    return b"".join(line + b"\r\n" for line in (status, *stays, *brought))


def _is_brought(name: bytes) -> bool:
    return not name.startswith(b"content-") or name == b"content-location"


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()
