"""May what is left of a request's body go to its program past the worker? Facts are passed in."""

from __future__ import annotations

from host.wire.frames import LEAST_HELD


def may_be_handed(length: int | None, received: int, most: int | None) -> bool:
    """`length`: bytes announced, None for a chunked body, whose length a program must know before it starts;
    `received`: how many of them have come; `most`: above so many a reader is to be refused, None for no limit."""
    if length is None or length - received < LEAST_HELD:
        return False
    return most is None or length <= most
