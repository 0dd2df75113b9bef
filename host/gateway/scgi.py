"""SCGI: a request as a netstring of variables and its body. The answer is CGI output up to the end of the connection.

`CONTENT_LENGTH` comes first and is always there; `SCGI` is `1`; no name comes twice (the SCGI specification).
"""

from __future__ import annotations

from collections.abc import Mapping


def encode_head(variables: Mapping[bytes, bytes], content_length: int) -> bytes:
    """Everything before the body, whose size in bytes is `content_length`."""
    first = {b"CONTENT_LENGTH": b"%d" % content_length, b"SCGI": b"1"}
    pairs = [*first.items(), *((name, value) for name, value in variables.items() if name not in first)]
    block = b"".join(name + b"\0" + value + b"\0" for name, value in pairs)
    return b"%d:%b," % (len(block), block)
