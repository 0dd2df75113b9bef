"""`preCondition` of handlers, filters and modules: an entry whose condition does not hold counts as absent."""

from __future__ import annotations

import sys

_BITNESS = "bitness64" if sys.maxsize > 2**32 else "bitness32"


def holds(pre_condition: str, *, is_classic: bool) -> bool:
    """Whether every condition of the comma list holds in this worker (compared without case).

    `managedHandler` and the `runtimeVersion...` conditions speak of .NET, which there is none of here: they never hold.
    """
    mode = "classicmode" if is_classic else "integratedmode"
    conditions = [text.strip().lower() for text in pre_condition.split(",") if text.strip()]
    return all(condition in (mode, _BITNESS) for condition in conditions)
