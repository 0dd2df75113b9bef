"""The structures of the C headers, as cffi knows them: import `ffi` from here, not from the generated file."""

from __future__ import annotations

from typing import Any, Final

from host.native.layouts import ffi as _ffi

ffi: Final[Any] = _ffi

# cffi 2.1 ends the process when it meets the recursion of HTTP_FILTER_CONTEXT (its members are functions that take it)
# on the way through another structure: so it is met first, once, and kept. Nobody else asks at the same time here.
_CONTEXT_FIELDS: Final = ffi.typeof("HTTP_FILTER_CONTEXT").fields


def member_type(structure: str, member: str) -> Any:
    """The type of a structure's member: what a callback is made with."""
    return dict(ffi.typeof(structure).fields)[member].type


def text_of(pointer: Any, length: int = -1) -> str:
    """The text that a `char *` points to, ISO 8859-1; NULL gives an empty one. `length` limits it (-1: to its NUL)."""
    return raw_text_of(pointer, length).decode("latin-1")


def raw_text_of(pointer: Any, length: int = -1) -> bytes:
    """The bytes before the NUL that a `char *` points to, at most `length` of them; NULL gives none."""
    if not pointer:
        return b""
    pointer = ffi.cast("char *", pointer)
    return bytes(ffi.string(pointer, length) if length >= 0 else ffi.string(pointer))


def unicode_text_of(pointer: Any) -> str:
    """The text that a `WCHAR *` (UTF-16) points to; NULL gives an empty one."""
    if not pointer:
        return ""
    units = ffi.cast("WCHAR *", pointer)
    length = 0
    while units[length]:
        length += 1
    return bytes(ffi.buffer(units, 2 * length)).decode("utf-16-le", "replace")
