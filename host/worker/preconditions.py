"""`preCondition` of handlers, filters and modules: an entry whose condition does not hold counts as absent."""

from __future__ import annotations

import sys

_BITNESS = "bitness64" if sys.maxsize > 2**32 else "bitness32"
_MANAGED_HANDLER = "managedhandler"


def holds(
    pre_condition: str, *, is_classic: bool, runtime_version: str = "", may_be_for_managed_handlers: bool = False
) -> bool:
    """Whether every condition of the comma list holds in this worker (compared without case).

    `runtimeVersion...` is compared with the pool's managedRuntimeVersion. `managedHandler` is decided for each request:
    it holds here where somebody will ask (`may_be_for_managed_handlers`, for modules), never elsewhere.
    """
    true = {"classicmode" if is_classic else "integratedmode", _BITNESS}
    if runtime_version:
        true.add(f"runtimeversion{runtime_version.lower()}")
    if may_be_for_managed_handlers:
        true.add(_MANAGED_HANDLER)
    return all(condition in true for condition in _conditions(pre_condition))


def is_for_managed_handlers(pre_condition: str) -> bool:
    """Whether the entry takes part only in requests whose handler is managed."""
    return _MANAGED_HANDLER in _conditions(pre_condition)


def _conditions(pre_condition: str) -> list[str]:
    return [text.strip().lower() for text in pre_condition.split(",") if text.strip()]
