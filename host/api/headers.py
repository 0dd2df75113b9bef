"""HTTP header fields: ordered, repeated fields kept, names compared without case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from host.remembered import Remembered, length_of_both

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Headers:
    """Header fields in the order in which they came or will go out.

    Names and values are text; bytes above 0x7F are mapped one to one (ISO 8859-1), as RFC 9110 section 5.5 lets a
    server do. `headers["Name"]` is the first value; a repeated field is read with `get_all`.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        self._fields: list[tuple[str, str]] = []
        if fields:
            for name, value in fields.items() if isinstance(fields, Mapping) else fields:
                self.add(name, value)

    @classmethod
    def from_raw(cls, raw_block: bytes) -> Headers:
        """From `Name: value` lines that end in CRLF and whose syntax has been checked already (the listener did)."""
        headers = cls.__new__(cls)
        fields = headers._fields = []
        for line in raw_block.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                fields.append((name, value.strip(" \t")))
        return headers

    @classmethod
    def repeated(cls, fields: Iterable[tuple[str, str]]) -> Headers:
        """As the constructor, for fields that are mostly the same each time: those that were checked are remembered."""
        headers = cls.__new__(cls)
        headers._fields = [_checked[field] for field in fields]
        return headers

    def to_raw(self) -> bytes:
        """As `Name: value` lines, each ended by CRLF, without the empty line."""
        return "".join([f"{name}: {value}\r\n" for name, value in self._fields]).encode("latin-1")

    def get(self, name: str, default: str = "") -> str:
        """The first value of `name`, or `default`."""
        wanted = name.lower()
        for found, value in self._fields:
            if found.lower() == wanted:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order."""
        wanted = name.lower()
        return [value for found, value in self._fields if found.lower() == wanted]

    def add(self, name: str, value: str) -> None:
        """Append a field. Raises ValueError for a name or value that could split the header block."""
        check_field(name, value)
        self._fields.append((name, value))

    def set(self, name: str, value: str) -> None:
        """Replace every field of that name by this one (at the place of the first)."""
        check_field(name, value)
        wanted = name.lower()
        for index, (found, _) in enumerate(self._fields):
            if found.lower() == wanted:
                rest = [pair for pair in self._fields[index + 1 :] if pair[0].lower() != wanted]
                self._fields[index:] = [(name, value), *rest]
                return
        self._fields.append((name, value))

    def setdefault(self, name: str, value: str) -> None:
        """Add the field unless one of that name is there."""
        if name not in self:
            self.add(name, value)

    def remove(self, name: str) -> bool:
        """Drop every field of that name; true when there was one."""
        wanted = name.lower()
        kept = [pair for pair in self._fields if pair[0].lower() != wanted]
        changed = len(kept) != len(self._fields)
        self._fields[:] = kept
        return changed

    def items(self) -> list[tuple[str, str]]:
        """Every field as (name, value), in order."""
        return list(self._fields)

    def copy(self) -> Headers:
        """An independent copy."""
        other = Headers.__new__(Headers)
        other._fields = self._fields.copy()
        return other

    def __contains__(self, name: object) -> bool:
        wanted = str(name).lower()
        return any(found.lower() == wanted for found, _ in self._fields)

    def __getitem__(self, name: str) -> str:
        for found, value in self._fields:
            if found.lower() == name.lower():
                return value
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        if not self.remove(name):
            raise KeyError(name)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"


def check_field(name: str, value: str) -> None:
    """Raise ValueError unless `name` is a token and `value` holds no control character (RFC 9110 section 5.5)."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"not a header field name: {name!r}")
    if _BAD_IN_VALUE.search(value) is not None:
        raise ValueError(f"the value of header field {name} holds a control character: {value!r}")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"the value of header field {name} is not ISO 8859-1 text: {value!r}") from None


def _checked_field(field: tuple[str, str]) -> tuple[str, str]:
    check_field(*field)
    return field


_checked: Final = Remembered(_checked_field, 512, 256, measure=length_of_both)
