"""Range requests: which bytes does the client want? (RFC 9110 section 14)

Pure: a field's value and a size go in, ranges come out.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAX_RANGES: Final = 32
"""More ranges in one request are not worth their price: the whole representation is sent (RFC 9110 section 14.2)."""

_SPEC: Final = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")


class ByteRange(NamedTuple):
    """A piece of a representation, in bytes from its beginning."""

    offset: int
    length: int

    def content_range(self, size: int) -> str:
        """The value of Content-Range for this piece of `size` bytes."""
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{size}"


class Unsatisfiable(ValueError):  # the name is RFC 9110's
    """No range of the request overlaps the representation: 416."""


def parse_ranges(value: str, size: int) -> list[ByteRange] | None:
    """The ranges that a Range field asks for, in the client's order; None when the field is to be ignored.

    It is ignored (200 and everything) when its unit is unknown, when it is malformed, when it asks for more than
    MAX_RANGES pieces or for more bytes than there are: overlapping ranges are an attack or a mistake. Raises
    Unsatisfiable when it is well formed and nothing of it exists.
    """
    unit, equals, specs = value.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    texts = [text.strip(" \t") for text in specs.split(",")]
    texts = [text for text in texts if text]  # empty list elements are legal (RFC 9110 section 5.6.1)
    if not texts or len(texts) > MAX_RANGES:
        return None
    ranges: list[ByteRange] = []
    for text in texts:
        match = _SPEC.fullmatch(text)
        if match is None or text == "-":
            return None
        first, last = match.groups()
        if first and last and int(last) < int(first):
            return None
        found = _clip(first, last, size)
        if found is not None:
            ranges.append(found)
    if not ranges:
        raise Unsatisfiable(value)
    if size == 0 or sum(piece.length for piece in ranges) > size:
        return None
    return ranges


def _clip(first: str, last: str, size: int) -> ByteRange | None:
    if not first:  # the last so many bytes
        wanted = min(int(last), size)
        return ByteRange(size - wanted, wanted) if int(last) else None
    begin = int(first)
    if begin >= size:
        return None
    end = min(int(last), size - 1) if last else size - 1
    return ByteRange(begin, end - begin + 1)
