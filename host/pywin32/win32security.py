"""`win32security`: requests run as the worker's user, so a thread's token changes nothing."""

from __future__ import annotations

from typing import Any

from host.pywin32.pywintypes import error

__all__ = ["RevertToSelf", "SetThreadToken", "error"]


def SetThreadToken(thread: Any, token: Any) -> None:
    """Accepted, None included."""


def RevertToSelf() -> None:
    """Nothing to be reverted."""
