"""What the response cache holds by RFC 9111: several answers of one URL, told apart by what they vary by.

The bytes are in `response_cache`, as all others; this is the way to them, and what has to be known of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from host.http1.request_head import RequestHead
from host.http1.writer import Stamp
from host.listener.shared_rules import Kept, Values, selected

Url = tuple[bytes, bytes]
Place = tuple[object, bool]
"""The endpoint that requests come in by, and whether over TLS."""

Variant = tuple[tuple[bytes, ...], Values]
"""The request fields that an answer varies by, and what they said."""

_NO_MORE: Final = 1e-9
_DEFAULT_PORT: Final = {False: re.compile(rb":(?:80)?\Z"), True: re.compile(rb":(?:443)?\Z")}
_VALIDATORS: Final = re.compile(rb"^if-(?:none-match|modified-since)[ \t]*:[^\r\n]*\r\n", re.IGNORECASE | re.MULTILINE)
_AGE: Final = re.compile(rb"^age[ \t]*:[^\r\n]*\r\n", re.IGNORECASE | re.MULTILINE)


class Shared:
    """What is known of a stored answer; and the end of its head, with the Date that it came with and its age.

    `now` is the clock, `asked_at` when its request came. `good_until`: when it stops to be fresh, less a second for
    those who look at the time once a second; never 0. `is_orphaned`: the worker that made it is gone, so it is not used
    unasked, however fresh. `asked_until`: somebody asks whether it is still good, or has just failed to; nobody else
    does before that moment of the clock.
    """

    __slots__ = (
        "_came_at",
        "_date",
        "_initial_age",
        "_now",
        "asked_until",
        "good_until",
        "is_orphaned",
        "kept",
        "place",
        "url",
        "variant",
    )

    def __init__(
        self,
        url: Url,
        place: Place,
        variant: Variant,
        kept: Kept,
        *,
        date: Stamp,
        asked_at: float,
        now: Callable[[], float],
    ) -> None:
        self.url = url
        self.place = place
        self.variant = variant
        self.kept = kept
        self._date = date.as_it_is()
        self._now = now
        self._came_at = now()
        self._initial_age = kept.age + self._came_at - asked_at  # RFC 9111 4.2.3; its Date is our own
        lifetime = 0 if kept.must_validate else kept.lifetime or 0
        self.good_until = max(_NO_MORE, self._came_at + lifetime - self._initial_age - 1.0)
        self.is_orphaned = False
        self.asked_until = 0.0

    @property
    def age(self) -> int:
        """Its current age in seconds (RFC 9111 4.2.3)."""
        return int(self._initial_age + max(0.0, self._now() - self._came_at))

    @property
    def keep(self) -> bytes:
        """As `Stamp.keep`."""
        return b"Age: %d\r\n" % self.age + self._date.keep

    def choose(self, *, keep_alive: bool, minor_version: int) -> bytes:
        """As `Stamp.choose`."""
        return b"Age: %d\r\n" % self.age + self._date.choose(keep_alive=keep_alive, minor_version=minor_version)

    @property
    def fresh_for(self) -> int:
        """Seconds until it is stale; negative: it is."""
        left = (0 if self.kept.must_validate or self.is_orphaned else self.kept.lifetime or 0) - self.age
        return left if left > 0 else min(left, -1)

    @property
    def is_being_asked(self) -> bool:
        """Whether it is somebody else's turn to ask for it."""
        return self._now() < self.asked_until

    def orphan(self) -> None:
        """Its worker goes: nobody would say when it is out of date."""
        self.is_orphaned = True
        self.good_until = _NO_MORE

    @property
    def size(self) -> int:
        """Bytes of it that a client has chosen, beside the answer."""
        return sum(map(len, self.url)) + sum(len(value or b"") for value in self.variant[1])

    @property
    def spelled_variant(self) -> str:
        """What it varies by, for people."""
        said = (b"%s: %s" % (name, b"-" if value is None else value) for name, value in zip(*self.variant, strict=True))
        return b", ".join(said).decode("latin-1")


EntryT = TypeVar("EntryT")


class _Group(NamedTuple, Generic[EntryT]):
    """The answers of one URL: the request fields that they vary by, and each by what those said."""

    names: tuple[bytes, ...]
    by_values: dict[Values, EntryT]


class SharedAnswers(Generic[EntryT]):
    """The stored answers by URL. `urls` is empty when nobody uses the shared-cache mode: ask it first.

    The answers of one URL vary by the same fields, those that the newest one names: when several match, the most recent
    one must be used (RFC 9111 section 4), and so there is one.
    """

    def __init__(self) -> None:
        self.urls: Final[dict[Url, dict[Place, _Group[EntryT]]]] = {}

    def find(self, url: Url, place: Place, fields: bytes) -> EntryT | None:
        """What is stored for requests with these fields (RFC 9111 4.1)."""
        group = self.urls.get(url, {}).get(place)
        return None if group is None else group.by_values.get(selected(group.names, fields))

    def displaced(self, shared: Shared) -> list[EntryT]:
        """What must be discarded before such an answer is noted: it varies by other fields."""
        group = self.urls.get(shared.url, {}).get(shared.place)
        return [] if group is None or group.names == shared.variant[0] else list(group.by_values.values())

    def note(self, entry: EntryT, shared: Shared) -> None:
        """It was stored."""
        names, values = shared.variant
        groups = self.urls.setdefault(shared.url, {})
        groups.setdefault(shared.place, _Group(names, {})).by_values[values] = entry

    def discard(self, shared: Shared) -> None:
        """It is not stored any more."""
        groups = self.urls[shared.url]
        by_values = groups[shared.place].by_values
        del by_values[shared.variant[1]]  # it is the one: nobody else has its key
        if not by_values:
            del groups[shared.place]
        if not groups:
            del self.urls[shared.url]

    def of(self, url: Url) -> list[EntryT]:
        """Everything that is stored of a URL, however it was asked for."""
        return [entry for group in self.urls.get(url, {}).values() for entry in group.by_values.values()]


def url_of(head: RequestHead, *, is_secure: bool) -> Url:
    """What is the same for all spellings of a request's URL (RFC 9110 4.2.3), as far as host and port go."""
    return _DEFAULT_PORT[is_secure].sub(b"", head.host.lower()), head.target


def validating(head: RequestHead, entity_tag: bytes, last_modified: bytes, *, for_client: bool = True) -> RequestHead:
    """The request as it asks whether a stored answer with these validators is good (RFC 9111 4.3.1). The tags that the
    client itself has are asked for, too, if the answer is `for_client`."""
    fields = _VALIDATORS.sub(b"", head.fields)
    known = _VALIDATORS.findall(head.fields) if for_client else []
    tags = [line.partition(b":")[2].strip() for line in known if line[3:4] in b"nN"]
    if entity_tag:
        fields += b"If-None-Match: %b\r\n" % b", ".join(dict.fromkeys((*tags, entity_tag)))
    if last_modified:
        fields += b"If-Modified-Since: %b\r\n" % last_modified
    return head.with_fields(fields)


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
