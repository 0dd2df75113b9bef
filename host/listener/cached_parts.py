"""Parts of answers that are in the cache (RFC 9110 section 14): one range, of an answer whose maker gives parts, too.

Everything else that a Range can say goes to a worker, as without a cache: several ranges, one that does not exist, a
unit that is unknown. So a client never sees whether the cache has answered.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Protocol

from host.http1.writer import WorkerHead
from host.listener.cache_rules import Conditions, seconds_of

_ONE_RANGE: Final = re.compile(rb"[ \t]*(?i:bytes)[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


class Kept(Protocol):
    """What is asked of an entry of the cache."""

    @property
    def has_parts(self) -> bool:
        """Whether its answer said `Accept-Ranges: bytes`."""

    @property
    def entity_tag(self) -> bytes:
        """As it was sent, or empty."""

    @property
    def last_modified(self) -> bytes:
        """As it was sent, or empty."""

    @property
    def body(self) -> bytes:
        """All of it."""

    @property
    def head(self) -> WorkerHead:
        """That of the whole answer."""


class Part(NamedTuple):
    """Some bytes of a body; there is at least one."""

    first: int
    last: int

    def cut(self, body: bytes) -> bytes:
        """These bytes."""
        return body[self.first : self.last + 1]


def is_for_a_worker(method: bytes, conditions: Conditions, entry: Kept) -> bool:
    """Whether a request with a Range must go on to a worker. With HEAD a Range means nothing (RFC 9110 14.2)."""
    return method == b"GET" and not (entry.has_parts and read_range(conditions.byte_range, len(entry.body)))


def wanted_part(conditions: Conditions, entry: Kept, now_seconds: float) -> Part | None:
    """The part that is to be sent; None: the whole, since the client has a part of something else (If-Range).

    `now_seconds` since 1970: a date is a validator only when it is older than the clock's grain (RFC 9110 8.8.2.2).
    """
    if conditions.if_range and not _still_is(conditions.if_range.strip(), entry, now_seconds):
        return None
    return read_range(conditions.byte_range, len(entry.body))


def read_range(value: bytes, size: int) -> Part | None:
    """The one range that a Range field asks for, out of `size` bytes; None when it says anything else."""
    match = _ONE_RANGE.fullmatch(value)
    if match is None:
        return None
    first, last = match.groups()
    if first:
        part = Part(int(first), min(int(last), size - 1) if last else size - 1)
        is_in_order = not last or int(first) <= int(last)
        return part if is_in_order and part.first < size else None
    wanted = min(int(last), size) if last else 0
    return Part(size - wanted, size - 1) if wanted else None


def head_of_part(entry: Kept, part: Part) -> WorkerHead:
    """The head of a 206: that of the whole, and which bytes these are. The length is the framing's."""
    _, _, fields = entry.head.bare_head.partition(b"\r\n")
    content_range = b"Content-Range: bytes %d-%d/%d\r\n" % (part.first, part.last, len(entry.body))
    raw_head = b"206 Partial Content\r\n" + fields + content_range
    return WorkerHead(206, raw_head, raw_head, None)


def _still_is(if_range: bytes, entry: Kept, now_seconds: float) -> bool:
    """RFC 9110 13.1.5: the very tag, which must be a strong one, or the very date."""
    if if_range.startswith((b'"', b"W/")):
        return if_range == entry.entity_tag and not if_range.startswith(b"W/")
    asked = seconds_of(if_range)
    return asked is not None and asked == seconds_of(entry.last_modified) and asked < now_seconds - 1
