"""A decoded path, and a query, as they stand in a URL."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

PATH_SAFE: Final = "/:@!$&'()*+,;=~"
"""What needs no percent-encoding in a path beside letters, digits, `-._` (RFC 3986 section 3.3)."""


def url_text(path: str, raw_query: str = "") -> str:
    """The path with percent signs where they are needed, and the query, which has them, behind it."""
    encoded = quote(path, safe=PATH_SAFE, errors="surrogateescape")
    return f"{encoded}?{raw_query}" if raw_query else encoded
