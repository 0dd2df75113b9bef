"""Which content coding a client gets: Accept-Encoding against what the server has (RFC 9110 sections 8.4, 12.5.3)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

IDENTITY: Final = ""
"""No coding at all: what everybody understands."""

_WEIGHT: Final = re.compile(r"[ \t]*q[ \t]*=[ \t]*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*", re.IGNORECASE)
_ALIASES: Final = {"x-gzip": "gzip"}  # RFC 9110 section 8.4.1.3
_LONGEST_REMEMBERED: Final = 256


def choose_coding(accept_encoding: str, offered: tuple[str, ...]) -> str:
    """The coding of `offered` (in the server's order of preference) that the client likes best, or IDENTITY.

    A client that says nothing gets no coding: it may understand none. Weights decide, then the server's order. A
    coding that is as welcome as the identity is preferred to it; where the identity is liked better, it is sent. It is
    also what is sent when the client refuses everything that there is, as RFC 9110 section 12.5.3 recommends.
    """
    if not accept_encoding or not offered:
        return IDENTITY
    if len(accept_encoding) > _LONGEST_REMEMBERED:
        return _choose(accept_encoding, offered)
    return _remembered(accept_encoding, offered)


def _choose(accept_encoding: str, offered: tuple[str, ...]) -> str:
    weights = weights_of(accept_encoding)
    others = weights.get("*", 0)
    best, best_weight = IDENTITY, max(weights.get("identity", 0), 1)  # weight 0 refuses a coding: it never wins
    for coding in offered:
        weight = weights.get(coding, others)
        if weight > best_weight or (weight == best_weight and best == IDENTITY):
            best, best_weight = coding, weight
    return best


_remembered = lru_cache(maxsize=512)(_choose)


def weights_of(accept_encoding: str) -> dict[str, int]:
    """Weight in thousandths by coding in lower case. What is malformed is left out; of a repetition the last counts."""
    weights: dict[str, int] = {}
    for member in accept_encoding.split(","):
        name, semicolon, parameter = member.partition(";")
        coding = name.strip(" \t").lower()
        if not coding:
            continue
        weight = 1000
        if semicolon:
            found = _WEIGHT.fullmatch(parameter)
            if found is None:
                continue
            weight = round(float(found[1]) * 1000)
        weights[_ALIASES.get(coding, coding)] = weight
    return weights
