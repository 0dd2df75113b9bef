"""Which answers may enter the cache, and which requests may be answered from it: HTTP.sys's rules, and safer ones.

HTTP.sys looks at no cookies. Here an answer that came to a request with cookies, or is asked for by one, stays between
client and worker unless whoever made it said that cookies do not matter (a file's content does not depend on them).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from host.http1.request_head import RequestHead
from host.http1.writer import WorkerHead
from host.remembered import Remembered
from host.wire.frames import CacheFlag, CacheFrame, ResponseFlag, ResponseFrame

MAX_HEAD_BYTES: Final = 1024  # HTTP.sys's limit for the header block of a cached response
CACHEABLE_STATUSES: Final = frozenset((200, 203, 301, 308))
NEVER_KEPT: Final = int(ResponseFlag.NO_CACHE | ResponseFlag.RAW)
"""Flags of answers that no cache keeps."""

_IGNORES_COOKIES: Final = int(CacheFlag.IGNORES_COOKIES)
_ASKED: Final = re.compile(
    rb"\n(authorization|range|if-range|if-match|if-unmodified-since|translate|cookie|if-none-match|if-modified-since)"
    rb"[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)
_FIELD: Final = re.compile(rb"([^:\r\n]+):[ \t]*([^\r\n]*)\r\n")
_PRIVATE: Final = re.compile(rb"(?:^|[\s,])(?:private|no-store)(?:$|[\s,=])", re.IGNORECASE)


class Conditions(NamedTuple):
    """What a request's fields say that matters to a cache. `is_special`: a worker must see it. Of a field that comes
    twice the values are joined; what the client did not send is empty."""

    is_special: bool
    has_cookie: bool
    none_match: bytes = b""
    modified_since: bytes = b""
    byte_range: bytes = b""
    if_range: bytes = b""


def conditions_of(fields: bytes) -> Conditions:
    """Read a header block. Clients repeat themselves, so the usual block is read once."""
    return _remembered[fields]


def _read(fields: bytes) -> Conditions:
    is_special = has_cookie = False
    modified_since = b""
    joined = {b"if-none-match": b"", b"range": b"", b"if-range": b""}
    for name, value in _ASKED.findall(b"\n" + fields):
        lower = name.lower()
        if lower == b"cookie":
            has_cookie = True
        elif lower in joined:
            joined[lower] = joined[lower] + b"," + value if joined[lower] else value
        elif lower == b"if-modified-since":
            modified_since = value
        else:
            is_special = is_special or lower != b"translate" or value.strip().lower() == b"f"
    return Conditions(
        is_special, has_cookie, joined[b"if-none-match"], modified_since, joined[b"range"], joined[b"if-range"]
    )


_remembered: Final = Remembered(_read, 512, 2048)


class Offer(NamedTuple):
    """An answer that its worker offers to the cache. `is_kept_back`: its worker leaves, or its log line was changed."""

    request: RequestHead
    frame: ResponseFrame
    head: WorkerHead
    policy: CacheFrame
    fields: dict[bytes, bytes]  # of the answer; names in lower case
    is_kept_back: bool
    max_bytes: int


RULES: Final[tuple[tuple[str, Callable[[Offer], bool]], ...]] = (
    ("its worker leaves, or its log line is its own", lambda offer: not offer.is_kept_back),
    ("a filter or the user's name keeps it out", lambda offer: not offer.frame.flags & NEVER_KEPT),
    ("the method is not GET", lambda offer: offer.request.method == b"GET"),
    ("the request has a body", lambda offer: offer.request.content_length == 0),
    ("the URL has a query", lambda offer: b"?" not in offer.request.target),
    ("the request has Authorization, a precondition or Translate: f", lambda offer: not _asked(offer).is_special),
    ("the request asks for a part", lambda offer: not (_asked(offer).byte_range or _asked(offer).if_range)),
    (
        "the request has cookies",
        lambda offer: bool(offer.policy.flags & _IGNORES_COOKIES) or not _asked(offer).has_cookie,
    ),
    ("the status", lambda offer: offer.frame.status in CACHEABLE_STATUSES),
    ("the body is empty or was cut", lambda offer: len(offer.frame.body) > 0 and not is_short(offer)),
    ("it is larger than uriMaxUriBytes", lambda offer: size_of(offer.frame) <= offer.max_bytes),
    ("its header block is too long", lambda offer: len(offer.frame.head) <= MAX_HEAD_BYTES),
    ("it sets a cookie", lambda offer: b"set-cookie" not in offer.fields),
    ("it varies", lambda offer: b"vary" not in offer.fields),
    ("it is a part", lambda offer: b"content-range" not in offer.fields),
    ("it asks for credentials", lambda offer: b"www-authenticate" not in offer.fields),
    ("it is private", lambda offer: _PRIVATE.search(offer.fields.get(b"cache-control", b"")) is None),
    ("Last-Modified is no date", lambda offer: _has_sound_date(offer.fields.get(b"last-modified"))),
)
"""Every rule holds, or the answer stays out; each with what is the matter when it does not."""


def why_not(offer: Offer) -> str:
    """The first rule that keeps the answer out; empty: it may enter."""
    return next((reason for reason, holds in RULES if not holds(offer)), "")


def size_of(frame: ResponseFrame) -> int:
    """Bytes that an answer counts."""
    return len(frame.head) + len(frame.body)


def fields_of(raw_head: bytes) -> dict[bytes, bytes]:
    """The fields of a worker's head, names in lower case; of a field that comes twice the values are joined."""
    found: dict[bytes, bytes] = {}
    for name, value in _FIELD.findall(raw_head, raw_head.find(b"\r\n") + 2):
        lower = name.lower()
        found[lower] = found[lower] + b", " + value if lower in found else value
    return found


def is_unmodified(conditions: Conditions, entity_tag: bytes, last_modified: bytes) -> bool:
    """Whether 304 is the answer (RFC 9110 13.2.2: If-None-Match decides alone when it is there)."""
    if conditions.none_match:
        if conditions.none_match.strip() == b"*":
            return True
        asked = (tag.strip().removeprefix(b"W/") for tag in conditions.none_match.split(b","))
        return bool(entity_tag) and entity_tag.removeprefix(b"W/") in asked
    if not (conditions.modified_since and last_modified):
        return False
    if conditions.modified_since == last_modified:
        return True
    since, modified = seconds_of(conditions.modified_since), seconds_of(last_modified)
    return since is not None and modified is not None and modified <= since


def head_of_not_modified(raw_head: bytes) -> bytes:
    """The head of a 304 from that of a 200: what describes the content stays away (RFC 9110 15.4.5)."""
    lines = [b"304 Not Modified\r\n"]
    for line in raw_head.split(b"\r\n")[1:-1]:
        name = line.partition(b":")[0].lower()
        if not name.startswith(b"content-") or name == b"content-location":
            lines.append(line + b"\r\n")
    return b"".join(lines)


def _asked(offer: Offer) -> Conditions:
    return conditions_of(offer.request.fields)


def is_short(offer: Offer) -> bool:
    """Whether the body is not what its head promises."""
    promised = offer.head.content_length
    return promised is not None and promised != len(offer.frame.body)


def _has_sound_date(value: bytes | None) -> bool:
    return value is None or seconds_of(value) is not None


def seconds_of(date: bytes) -> float | None:
    """An HTTP date in seconds since 1970; None when it is none."""
    try:
        moment = parsedate_to_datetime(date.decode("latin-1"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()  # RFC 9110 5.6.7: asctime's
    except (ValueError, TypeError, OverflowError):
        return None
