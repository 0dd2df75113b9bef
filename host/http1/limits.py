"""Sizes that a request must keep, with their precedents.

HTTP.sys (registry defaults): field 16384, request line and fields together 16384, path segment 260, segments 255.
Others' limit of the whole head, for comparison: nginx 4 buffers of 8 KB, Apache 8190 per line and 100 lines, h11 16 KB.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one listener; 0 lifts the two limits on path segments, as in HTTP.sys."""

    max_field_bytes: int = 16384  # MaxFieldLength: one field line, and the URL
    max_request_bytes: int = 16384  # MaxRequestBytes: request line and all fields; also a chunked body's overhead
    url_segment_max_length: int = 260  # UrlSegmentMaxLength, in decoded characters
    url_segment_max_count: int = 255  # UrlSegmentMaxCount
