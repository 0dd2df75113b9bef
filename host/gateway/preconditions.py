"""Conditional requests: may this representation be sent at all, or has the client got it already? (RFC 9110 section 13)

Pure: the caller hands in the request's fields and the validators of what it would send.
"""

from __future__ import annotations

import calendar
import enum
import re
from collections.abc import Mapping
from email.utils import parsedate_tz
from typing import Final

from host.api import Headers

_ENTITY_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_SAFE_METHODS: Final = ("GET", "HEAD")

CONDITIONAL_FIELDS: Final = frozenset(
    {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"}
)
"""The request fields, in lower case, that make a request conditional or partial."""


class Verdict(enum.Enum):
    """What the conditions of a request ask for."""

    PERFORM = "perform"  # answer as if there were no condition
    NOT_MODIFIED = "not modified"  # 304
    FAILED = "failed"  # 412


def conditional_fields(headers: Headers) -> dict[str, str]:
    """The conditional and range fields of a request by lower-case name; empty for most requests.

    Repeated fields are joined by a comma, as RFC 9110 section 5.3 has it: a list stays one, a doubled date is no date.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in CONDITIONAL_FIELDS:
            found[lower] = f"{found[lower]}, {value}" if lower in found else value
    return found


def http_date_seconds(text: str) -> int | None:
    """A date in any of the three forms of RFC 9110 section 5.6.7 as seconds since 1970, or None if it is none."""
    try:
        fields = parsedate_tz(text)
        if fields is None:
            return None
        return calendar.timegm((*fields[:6], 0, 1, 0)) - (fields[9] or 0)
    except (ValueError, OverflowError, IndexError, TypeError):  # the parser lets impossible months and years through
        return None


def evaluate(method: str, fields: Mapping[str, str], entity_tag: str, modified_seconds: int) -> Verdict:
    """Test the conditions in the order of RFC 9110 section 13.2.2 (If-Range is `range_applies`).

    `fields` comes from `conditional_fields`. `entity_tag` is a strong entity tag with its quotation marks, or empty
    when there is none. `modified_seconds` is the Last-Modified that the response would carry, in seconds since 1970.
    """
    if_match = fields.get("if-match")
    if if_match is not None:
        if not _names(if_match, entity_tag, weakly=False):
            return Verdict.FAILED
    else:
        unmodified_since = http_date_seconds(fields.get("if-unmodified-since", ""))
        if unmodified_since is not None and modified_seconds > unmodified_since:
            return Verdict.FAILED
    return _evaluate_cache_validators(method, fields, entity_tag, modified_seconds)


def range_applies(if_range: str, entity_tag: str, modified_seconds: int, now_seconds: int) -> bool:
    """Whether a Range may be honoured beside this If-Range (empty: there was none).

    A date is a strong validator only when it is older than the clock's grain (RFC 9110 sections 8.8.2.2 and 13.1.5).
    """
    if not if_range:
        return True
    if if_range.startswith(('"', "W/")):
        return bool(entity_tag) and if_range == entity_tag
    return http_date_seconds(if_range) == modified_seconds < now_seconds - 1


def _evaluate_cache_validators(
    method: str, fields: Mapping[str, str], entity_tag: str, modified_seconds: int
) -> Verdict:
    if_none_match = fields.get("if-none-match")
    if if_none_match is not None:
        if not _names(if_none_match, entity_tag, weakly=True):
            return Verdict.PERFORM
        return Verdict.NOT_MODIFIED if method in _SAFE_METHODS else Verdict.FAILED
    if method in _SAFE_METHODS:
        modified_since = http_date_seconds(fields.get("if-modified-since", ""))
        if modified_since is not None and modified_seconds <= modified_since:
            return Verdict.NOT_MODIFIED
    return Verdict.PERFORM


def _names(condition: str, entity_tag: str, *, weakly: bool) -> bool:
    if condition.strip() == "*":
        return True
    if not entity_tag:
        return False
    tags = _ENTITY_TAG.findall(condition)
    return any(tag == entity_tag or (weakly and tag == "W/" + entity_tag) for tag in tags)
