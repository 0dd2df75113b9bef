"""RFC 9111 for a shared cache, as far as it decides: what may be stored, how long it is fresh, and for whom it is used.

A response is stored only with freshness information of its own (s-maxage, max-age, Expires), or to be validated each
time (no-cache): there is no heuristic freshness. Stricter than the RFC, which allows more: Set-Cookie keeps an answer
out; cookies of a request count as credentials, unless the answer says that it is for everyone, or varies by them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from host.listener.cache_rules import NEVER_KEPT, Offer, is_short, seconds_of, size_of
from host.remembered import Remembered
from host.wire.frames import CacheFlag, ResponseFlag

MOST_SECONDS: Final = 2**31
"""What larger numbers of seconds count as (RFC 9111 1.2.2)."""

UNDERSTOOD: Final = frozenset((200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501))
"""Final statuses that mean nothing special to a cache; neither 206 nor 304 (RFC 9111 section 3)."""

FAILURES: Final = frozenset((500, 502, 503, 504))
"""What counts as an error for stale-if-error (RFC 5861 section 4)."""

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_DIRECTIVE: Final = re.compile(rb"(" + _TOKEN + rb')(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|(' + _TOKEN + rb")?))?")
_FIELD: Final = re.compile(rb"([^:\r\n]+):([^\r\n]*)\r\n")
_REFUSAL: Final = int(ResponseFlag.REFUSAL)
_IGNORES_COOKIES: Final = int(CacheFlag.IGNORES_COOKIES)

Values = tuple[bytes | None, ...]
"""What a request says in the fields that an answer varies by; None: the field is not there."""


class Kept(NamedTuple):
    """What a response says of its storing. Seconds; `lifetime` None: it does not say how long it is fresh."""

    lifetime: int | None
    age: int  # when it came (RFC 9111 5.1)
    must_validate: bool  # no-cache: it is never used unasked (5.2.2.4)
    must_revalidate: bool  # it is never used stale (5.2.2.2, 5.2.2.8, 5.2.2.10)
    is_for_credentials: bool  # for requests with Authorization, too (3.5)
    is_for_everyone: bool  # public or s-maxage
    stale_while_revalidate: int  # RFC 5861 section 3
    stale_if_error: int  # section 4
    vary: tuple[bytes, ...] | None  # field names in lower case; None: `*`, which no other request matches
    has_validator: bool
    is_forbidden: bool  # no-store or private


class Wish(NamedTuple):
    """What a request's fields say to a cache (RFC 9111 5.2.1, 5.4). Seconds; None: not said. `is_special`: it has a
    precondition that a cache does not judge, or wants the source; `is_for_part`: it has a Range."""

    no_cache: bool = False
    no_store: bool = False
    max_age: int | None = None
    max_stale: int | None = None
    min_fresh: int = 0
    only_if_cached: bool = False
    has_authorization: bool = False
    has_cookie: bool = False
    is_special: bool = False
    is_for_part: bool = False


def directives_of(value: bytes) -> dict[bytes, bytes]:
    """A Cache-Control field by name, in lower case; without an argument, empty. Of a directive that comes twice the
    first one counts (RFC 9111 4.2.1). What separates them is not looked at: a missing comma hides no directive."""
    found: dict[bytes, bytes] = {}
    for name, quoted, plain in _DIRECTIVE.findall(value):
        found.setdefault(name.lower(), quoted or plain)
    return found


def delta_of(value: bytes) -> int | None:
    """A number of seconds (RFC 9111 1.2.2); None when it is none."""
    if not value.isdigit():
        return None
    return min(int(value), MOST_SECONDS) if len(value) <= 10 else MOST_SECONDS


def kept_of(fields: Mapping[bytes, bytes], date: float) -> Kept:
    """What a response's fields say (names in lower case). `date`: the one it was sent with, seconds since 1970."""
    said = directives_of(fields.get(b"cache-control", b""))
    vary = tuple(sorted({name.strip().lower() for name in fields.get(b"vary", b"").split(b",")} - {b""}))
    modified = fields.get(b"last-modified")
    has_s_maxage, is_public = b"s-maxage" in said, b"public" in said
    is_understood = b"must-understand" in said  # of what is not, no rule lets anything in (5.2.2.3)
    return Kept(
        lifetime=lifetime_of(said, fields.get(b"expires"), date),
        age=delta_of(fields.get(b"age", b"0").partition(b",")[0].strip()) or 0,
        must_validate=b"no-cache" in said,
        must_revalidate=has_s_maxage or b"must-revalidate" in said or b"proxy-revalidate" in said,
        is_for_credentials=has_s_maxage or is_public or b"must-revalidate" in said,
        is_for_everyone=has_s_maxage or is_public,
        stale_while_revalidate=delta_of(said.get(b"stale-while-revalidate", b"0")) or 0,
        stale_if_error=delta_of(said.get(b"stale-if-error", b"0")) or 0,
        vary=None if b"*" in vary else vary,
        has_validator=b"etag" in fields or (modified is not None and seconds_of(modified) is not None),
        is_forbidden=b"private" in said or (b"no-store" in said and not is_understood),
    )


def lifetime_of(said: Mapping[bytes, bytes], expires: bytes | None, date: float) -> int | None:
    """The freshness lifetime by the first of s-maxage, max-age, Expires that is there (RFC 9111 4.2.1). One that cannot
    be read means stale; without any there is none."""
    for name in (b"s-maxage", b"max-age"):
        if name in said:
            return delta_of(said[name]) or 0
    if expires is None:
        return None
    until = seconds_of(expires)
    return 0 if until is None else min(max(0, int(until - date)), MOST_SECONDS)


def wish_of(fields: bytes) -> Wish:
    """Read a request's header block. Clients repeat themselves, so the usual block is read once."""
    return _remembered[fields]


def asks_nothing(fields: bytes) -> bool:
    """Whether everything that is fresh is good enough for a request with these fields."""
    wish = wish_of(fields)
    return not (wish.no_cache or wish.min_fresh) and wish.max_age is None


def _read(fields: bytes) -> Wish:
    found = request_fields(fields)
    control = found.get(b"cache-control")
    said = directives_of(control or b"")
    max_stale = said.get(b"max-stale")
    max_age = said.get(b"max-age")
    pragma = control is None and b"no-cache" in directives_of(found.get(b"pragma", b""))
    return Wish(
        no_cache=pragma or b"no-cache" in said,
        no_store=b"no-store" in said,
        max_age=None if max_age is None else delta_of(max_age) or 0,
        max_stale=None if max_stale is None else (delta_of(max_stale) or 0) if max_stale else MOST_SECONDS,
        min_fresh=delta_of(said.get(b"min-fresh", b"0")) or 0,
        only_if_cached=b"only-if-cached" in said,
        has_authorization=b"authorization" in found,
        has_cookie=b"cookie" in found,
        is_special=b"if-match" in found
        or b"if-unmodified-since" in found
        or found.get(b"translate", b"").lower() == b"f",
        is_for_part=b"range" in found or b"if-range" in found,
    )


_remembered: Final = Remembered(_read, 512, 2048)


def request_fields(fields: bytes) -> dict[bytes, bytes]:
    """A request's fields, names in lower case; of a field that comes twice the values are joined (RFC 9110 5.3)."""
    found: dict[bytes, bytes] = {}
    for name, untrimmed in _FIELD.findall(fields):
        lower, value = name.rstrip().lower(), untrimmed.strip(b" \t")
        found[lower] = found[lower] + b", " + value if lower in found else value
    return found


def selected(names: tuple[bytes, ...], fields: bytes) -> Values:
    """The secondary key of a request for an answer that varies by `names` (RFC 9111 4.1)."""
    if not names:
        return ()
    found = request_fields(fields)
    return tuple(found.get(name) for name in names)


def is_fresh(kept: Kept, age: int) -> bool:
    """RFC 9111 4.2."""
    return (kept.lifetime or 0) > age


def is_usable(kept: Kept, age: int, wish: Wish) -> bool:
    """Whether it answers such a request without asking whoever made it (RFC 9111 4, 4.2.4, 5.2.1)."""
    if kept.must_validate or wish.no_cache or (wish.max_age is not None and age > wish.max_age):
        return False
    lifetime = kept.lifetime or 0
    if is_fresh(kept, age):
        return lifetime >= age + wish.min_fresh
    if wish.max_stale is None or wish.min_fresh or kept.must_revalidate:
        return False
    return age - lifetime <= wish.max_stale


def may_be_used_meanwhile(kept: Kept, age: int, wish: Wish) -> bool:
    """Whether it answers such a request while somebody asks if it is still good (RFC 5861 section 3). Nobody gets it
    who says how old it may be."""
    if kept.must_validate or kept.must_revalidate or wish.no_cache or wish.min_fresh or wish.max_age is not None:
        return False
    return age - (kept.lifetime or 0) <= kept.stale_while_revalidate and kept.stale_while_revalidate > 0


def may_ever_cover_error(kept: Kept) -> bool:
    """Whether it is of use when nothing but errors is to be had."""
    return kept.stale_if_error > 0 and not (kept.must_validate or kept.must_revalidate)


def may_cover_error(kept: Kept, age: int, wish: Wish) -> bool:
    """Whether it is given instead of one of FAILURES (RFC 5861 section 4); not to a client that wants it validated (RFC
    9111 5.2.1.4)."""
    return may_ever_cover_error(kept) and not wish.no_cache and age - (kept.lifetime or 0) <= kept.stale_if_error


def may_ask_meanwhile(wish: Wish) -> bool:
    """Whether a GET with these fields can be repeated to ask if what is stored is good: its answer is to be stored."""
    return not (wish.is_for_part or wish.is_special or wish.no_store or wish.only_if_cached)


def is_for(kept: Kept, wish: Wish, *, ignores_cookies: bool) -> bool:
    """Whether answers to requests with such credentials are stored, and stored ones given to them."""
    if wish.has_authorization and not kept.is_for_credentials:
        return False
    varies_by_cookie = kept.vary is not None and b"cookie" in kept.vary
    return not wish.has_cookie or ignores_cookies or kept.is_for_everyone or varies_by_cookie


class Candidate(NamedTuple):
    """An answer that may be stored."""

    offer: Offer
    kept: Kept
    wish: Wish


RULES: Final[tuple[tuple[str, Callable[[Candidate], bool]], ...]] = (
    ("its worker leaves, or its log line is its own", lambda one: not one.offer.is_kept_back),
    ("a filter or the user's name keeps it out", lambda one: not one.offer.frame.flags & NEVER_KEPT),
    ("it is the page of a refusal", lambda one: not one.offer.frame.flags & _REFUSAL),
    ("the method is not GET", lambda one: one.offer.request.method == b"GET"),
    ("the request has a body", lambda one: one.offer.request.content_length == 0),
    ("the request has a precondition or Translate: f", lambda one: not one.wish.is_special),
    ("the request asks for a part", lambda one: not one.wish.is_for_part),
    ("the request says no-store", lambda one: not one.wish.no_store),
    ("the status", lambda one: one.offer.frame.status in UNDERSTOOD),
    ("it is private, or not to be stored", lambda one: not one.kept.is_forbidden),
    (
        "the request has credentials or cookies",
        lambda one: is_for(one.kept, one.wish, ignores_cookies=one.offer.policy.flags & _IGNORES_COOKIES != 0),
    ),
    ("it sets a cookie", lambda one: b"set-cookie" not in one.offer.fields),
    ("it is a part", lambda one: b"content-range" not in one.offer.fields),
    ("it varies by everything", lambda one: one.kept.vary is not None),
    ("it does not say how long it is fresh", lambda one: one.kept.lifetime is not None or one.kept.must_validate),
    (
        "it is stale already, and cannot be validated",
        lambda one: one.kept.has_validator or (is_fresh(one.kept, one.kept.age) and not one.kept.must_validate),
    ),
    ("the body was cut", lambda one: not is_short(one.offer)),
    ("it is larger than uriMaxUriBytes", lambda one: size_of(one.offer.frame) <= one.offer.max_bytes),
)
"""Every rule holds, or the answer is not stored; each with what is the matter when it does not."""


def why_not_stored(candidate: Candidate) -> str:
    """The first rule that keeps the answer out; empty: it is stored."""
    return next((reason for reason, holds in RULES if not holds(candidate)), "")
