"""Sizes."""

from __future__ import annotations

from host.http1.limits import Limits


def test_defaults_are_those_of_the_driver() -> None:
    """MaxFieldLength, MaxRequestBytes, UrlSegmentMaxLength, UrlSegmentMaxCount."""
    limits = Limits()
    assert (limits.max_field_bytes, limits.max_request_bytes) == (16384, 16384)
    assert (limits.url_segment_max_length, limits.url_segment_max_count) == (260, 255)
