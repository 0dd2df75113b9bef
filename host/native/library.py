"""A shared object in this process: opened, its exports found, or the reason in words that say what to do."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from host.api import BlackBox
from host.native.structures import ffi

_UNDEFINED: Final = re.compile(r"undefined symbol: (\S+)")
_MISSING: Final = re.compile(r"(\S+): cannot open shared object file: No such file")
_WINDOWS: Final = b"MZ"


class CannotLoad(Exception):
    """The file is no library that can be called; the text says why and what to do."""


class Library:
    """An open shared object. It stays in memory until `close`, or until the process ends."""

    def __init__(self, path: str, black_box: BlackBox) -> None:
        """Raises CannotLoad with dlopen's own words. Constructors of the library run here."""
        self.path = path
        self.black_box = black_box  # notes its calls
        try:
            # every symbol now: one that is missing must not end a request in the middle. Local: two libraries may
            # each have their own function of one name
            self._handle = ffi.dlopen(path, ffi.RTLD_NOW | ffi.RTLD_LOCAL)
        except OSError as error:
            raise CannotLoad(_explained(path, str(error))) from error
        self._last_error = self.function("isapy_last_error")

    def function(self, name: str) -> Callable[..., Any] | None:
        """The exported function, or None."""
        try:
            found: Callable[..., Any] = getattr(self._handle, name)
        except (AttributeError, ffi.error):
            return None
        return found

    def number(self, name: str) -> int:
        """An exported `const int`; 0 when there is none."""
        try:
            return int(getattr(self._handle, name))
        except (AttributeError, ffi.error):
            return 0

    def required(self, name: str) -> Callable[..., Any]:
        """The exported function. Raises CannotLoad when there is none."""
        found = self.function(name)
        if found is None:
            raise CannotLoad(
                f"{self.path} does not export {name}. Define it with exactly this name (in C++ the headers make it "
                f'extern "C"), and include httpext.h or httpfilt.h; `nm -D {self.path}` lists what is exported.'
            )
        return found

    def set_last_error(self, code: int) -> None:
        """SetLastError, for the thread that calls: what the library's GetLastError gives next."""
        if self._last_error is not None:
            self._last_error()[0] = code

    def get_last_error(self) -> int:
        """GetLastError of the thread that calls; 0 in a library that was built without isapy's headers."""
        return int(self._last_error()[0]) if self._last_error is not None else 0

    def close(self) -> None:
        """Take it out of memory. Nothing of it may run any more."""
        ffi.dlclose(self._handle)


def _explained(path: str, reason: str) -> str:
    """dlopen's text, and the remedy where one is known."""
    remedy = ""
    if _begins_with(path, _WINDOWS):
        remedy = f"It is a DLL of Windows. Build its source for Linux: isapy cc {Path(path).stem}.c"
    elif (undefined := _UNDEFINED.search(reason)) is not None:
        remedy = f"Link what defines {undefined[1]}: isapy cc {Path(path).stem}.c -lNAME"
    elif "wrong ELF class" in reason or "invalid ELF header" in reason or "file too short" in reason:
        remedy = f"It is no library for this machine ({platform.machine()}, {os.uname().sysname}): build it here."
    elif "GLIBC" in reason:
        remedy = "It was built for a newer system: build it here, or on an older one."
    elif (missing := _MISSING.search(reason)) is not None and missing[1].rpartition("/")[2] != Path(path).name:
        remedy = f"Install the package that brings {missing[1]}."
    return reason + (f". {remedy}" if remedy else "")


def _begins_with(path: str, what: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(what)) == what
    except OSError:
        return False
