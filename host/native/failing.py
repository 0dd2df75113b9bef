"""How a callback tells C that it has failed: FALSE, and the code behind GetLastError."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, Protocol

from host.api.win32_errors import ERROR_INSUFFICIENT_BUFFER
from host.native.structures import ffi

TRUE: Final = 1
FALSE: Final = 0
ERROR_INTERNAL_ERROR: Final = 1359


class Failed(Exception):
    """A callback cannot do what it was asked; `code` is the Windows error."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Windows error {code}")
        self.code = code


class TellsErrors(Protocol):
    """A library."""

    def set_last_error(self, code: int) -> None:
        """SetLastError of the calling thread."""


def guarded(find: Callable[[Any], tuple[TellsErrors, Any]]) -> Callable[[Callable[..., Any]], Callable[..., int]]:
    """Make a callback out of a function of what `find(first argument)` gives.

    The function returns False or raises to fail; nothing that it raises gets out into C. `find` gives the library
    whose last error is set, and the object that the function works on.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., int]:
        @wraps(function)
        def callback(first: Any, *arguments: Any) -> int:
            library, subject = find(first)
            try:
                if subject is None:
                    raise Failed(87)  # ERROR_INVALID_PARAMETER: it is over, or was never ours
                return FALSE if function(subject, *arguments) is False else TRUE
            except Exception as error:
                code = getattr(error, "code", None)  # of IsapiError, FilterError and Failed
                if not isinstance(code, int):
                    code = ERROR_INTERNAL_ERROR
                    traceback.print_exc(file=sys.stderr)
                library.set_last_error(code)
                return FALSE

        return callback

    return decorate


def give(value: bytes, buffer: Any, size: Any, terminator: bytes = b"\0") -> None:
    """Write a text and its NUL where a callback's caller wants it; `*size` becomes their bytes.

    Raises Failed 122 with the bytes that are needed in `*size`, 87 without a size.
    """
    if not size:
        raise Failed(87)
    raw = value + terminator
    room = size[0] if buffer else 0
    size[0] = len(raw)
    if room < len(raw):
        raise Failed(ERROR_INSUFFICIENT_BUFFER)
    ffi.memmove(buffer, raw, len(raw))
