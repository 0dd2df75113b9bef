"""`pywintypes`: the error that the win32 modules raise, and the object that goes through a completion port."""

from __future__ import annotations

from typing import Any


class error(Exception):
    """Win32 code, the function's name, the code's text."""

    def __init__(self, winerror: int, funcname: str = "", strerror: str = "") -> None:
        super().__init__(winerror, funcname, strerror)
        self.winerror = winerror
        self.funcname = funcname
        self.strerror = strerror


class com_error(Exception):
    """Never raised here: there is no COM."""


class OVERLAPPED:  # the API's name
    """Carries `object`."""

    def __init__(self) -> None:
        self.object: Any = None
        self.Internal = self.InternalHigh = self.Offset = self.OffsetHigh = 0
        self.hEvent: Any = None
        self.dword = 0


def Unicode(text: object) -> str:
    """Text as str."""
    return str(text)
