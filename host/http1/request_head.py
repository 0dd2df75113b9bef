"""One request head, checked."""

from __future__ import annotations

from typing import Final

CHUNKED: Final = -1
"""`RequestHead.content_length` of a chunked body."""


class RequestHead:
    """What the listener knows of a request before its body.

    `target` is in origin form (`/path?query`) or `*`; an absolute target was taken apart. `fields` is the header block
    as it came: `Name: value` lines, each ended by CRLF, without the empty line. `host` is the authority that was asked
    for, as received (empty when an HTTP/1.0 client named none). `content_length` is 0 without a body and CHUNKED for a
    chunked one. `is_plain`: of the fields that framing and routing look at there are Host and Connection alone, on
    HTTP/1.1. `is_for_https`: the target was an `https:` URL. `size` is the head's length in bytes, `minor_version` 0
    or 1.
    """

    __slots__ = (
        "content_length",
        "expects_continue",
        "fields",
        "host",
        "is_for_https",
        "is_plain",
        "keep_alive",
        "method",
        "minor_version",
        "size",
        "target",
    )

    def __init__(self, method: bytes, target: bytes, minor_version: int, fields: bytes, size: int) -> None:
        self.method = method
        self.target = target
        self.minor_version = minor_version
        self.fields = fields
        self.size = size
        self.host = b""
        self.content_length = 0
        self.keep_alive = minor_version == 1
        self.expects_continue = False
        self.is_for_https = False
        self.is_plain = False

    def with_fields(self, fields: bytes) -> RequestHead:
        """The same request with another header block."""
        other = RequestHead(self.method, self.target, self.minor_version, fields, self.size)
        other.host = self.host
        other.content_length = self.content_length
        other.keep_alive = self.keep_alive
        other.expects_continue = self.expects_continue
        other.is_for_https = self.is_for_https
        other.is_plain = self.is_plain
        return other
