"""Meta-variables that belong together and come again, with what a carrier has made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from host.api import HttpError
from host.gateway.fastcgi_records import encode_pairs

_REFUSED: Final = re.compile(rb"[\x00\r\n]")


class VariableGroup:
    """`values` is never changed. Raises HttpError 400.0 for a value that cannot be an environment value."""

    __slots__ = ("_pairs", "values")

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        _refuse_control_characters(values)
        self.values = values
        self._pairs = b""

    @property
    def pairs(self) -> bytes:
        """As FastCGI sends them."""
        if not self._pairs:
            self._pairs = encode_pairs(self.values.items())
        return self._pairs


def pairs_of(groups: Iterable[VariableGroup]) -> bytes:
    """All of them as FastCGI sends them."""
    return b"".join([group.pairs for group in groups])


def merged(groups: Iterable[VariableGroup]) -> dict[bytes, bytes]:
    """All of them; the last one counts that has a name."""
    variables: dict[bytes, bytes] = {}
    for group in groups:
        variables.update(group.values)
    return variables


def _refuse_control_characters(variables: Mapping[bytes, bytes]) -> None:
    # looked through three times by the C library: a pattern takes five times as long
    values = b"".join(variables.values())
    if b"\n" not in values and b"\r" not in values and b"\0" not in values:
        return
    name = next(name for name, value in variables.items() if _REFUSED.search(value))
    raise HttpError(400, 0, f"{name.decode('latin-1')} would hold a line end or a zero byte")
