"""A query as command line words: the "indexed" query of RFC 3875 section 4.4.

Only GET and HEAD, only a query without an unencoded `=`. If anything is wrong with any word there are no words at all.
A word that starts with `-` would be a switch of the program or of its interpreter (CVE-2012-1823, `?-s`): that query
gives no words. Whoever runs a script through an interpreter passes words only where its template has a second `%s`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

MOST_WORDS: Final = 1024
"""More words than that are no search words: none is passed."""


def query_words(method: str, raw_query: str) -> tuple[bytes, ...]:
    """The decoded words of an indexed query; empty when `raw_query` is none."""
    if method not in ("GET", "HEAD") or not raw_query or "=" in raw_query or _BROKEN_ESCAPE.search(raw_query):
        return ()
    parts = raw_query.split("+")
    if len(parts) > MOST_WORDS:
        return ()
    words = tuple(unquote_to_bytes(part.encode("utf-8", "surrogateescape")) for part in parts)
    if any(word.startswith(b"-") or b"\0" in word for word in words):
        return ()
    return words
