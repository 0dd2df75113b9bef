"""`win32api`, as far as modules for isapi call it."""

from __future__ import annotations

import os
import pwd
from typing import Any

from host.api.win32_errors import MESSAGES
from host.pywin32.pywintypes import error

__all__ = [
    "CloseHandle",
    "FormatMessage",
    "GetConsoleTitle",
    "GetCurrentProcessId",
    "GetLongPathName",
    "GetUserName",
    "OutputDebugString",
    "error",
]


def FormatMessage(code: int, *_more: Any) -> str:
    """What a Win32 code means."""
    return MESSAGES.get(code, f"Win32 error {code}")


def GetConsoleTitle() -> str:
    """A hosted module has no console: always raises."""
    raise error(6, "GetConsoleTitle", FormatMessage(6))


def GetLongPathName(name: str) -> str:
    """The name itself: there are no short ones."""
    return name


def GetUserName() -> str:
    """The worker's user."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def GetCurrentProcessId() -> int:
    """The worker's process id."""
    return os.getpid()


def OutputDebugString(text: str) -> None:
    """To the worker's standard error."""
    os.write(2, text.encode("utf-8", "replace"))


def CloseHandle(handle: Any) -> None:
    """Close what has a Close method; numbers are nothing to be closed."""
    close = getattr(handle, "Close", None)
    if close is not None:
        close()
