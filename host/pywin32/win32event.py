"""`win32event`: waiting for what can be waited for: events and change notifications."""

from __future__ import annotations

import threading
from typing import Any, Final

from host.pywin32.pywintypes import error

__all__ = [
    "INFINITE",
    "WAIT_OBJECT_0",
    "WAIT_TIMEOUT",
    "CreateEvent",
    "Event",
    "ResetEvent",
    "SetEvent",
    "WaitForSingleObject",
    "error",
]

INFINITE: Final = -1
WAIT_OBJECT_0: Final = 0
WAIT_TIMEOUT: Final = 258


class Event:
    """An event object."""

    def __init__(self, *, is_manual: bool, is_set: bool) -> None:
        self._is_manual = is_manual
        self._event = threading.Event()
        if is_set:
            self._event.set()

    def wait_signalled(self, seconds: float | None) -> bool:
        """True when it was set in time; an automatic one is reset by that."""
        was_set = self._event.wait(seconds)
        if was_set and not self._is_manual:
            self._event.clear()
        return was_set

    def Close(self) -> None:
        """Nothing is held."""

    def change(self, *, is_set: bool) -> None:
        """Set or reset it."""
        if is_set:
            self._event.set()
        else:
            self._event.clear()


def CreateEvent(security: Any, manual: bool, initial: bool, name: str | None) -> Event:
    """An event of this process."""
    return Event(is_manual=bool(manual), is_set=bool(initial))


def SetEvent(event: Event) -> None:
    """Wake who waits."""
    event.change(is_set=True)


def ResetEvent(event: Event) -> None:
    """Let them wait again."""
    event.change(is_set=False)


def WaitForSingleObject(handle: Any, milliseconds: int) -> int:
    """WAIT_OBJECT_0 or WAIT_TIMEOUT. Raises `error` 6 for what cannot be waited for, or was closed meanwhile."""
    wait = getattr(handle, "wait_signalled", None)
    if wait is None:
        raise error(6, "WaitForSingleObject", "the handle is invalid")
    signalled = wait(None if milliseconds in (INFINITE, 0xFFFFFFFF) else milliseconds / 1000)
    return WAIT_OBJECT_0 if signalled else WAIT_TIMEOUT
