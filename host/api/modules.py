"""What a module says of itself, and what global notifications carry: the list of an application's modules."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class ModulePriority(enum.IntEnum):
    """The place of a module in an event, before the configured order (IIS: SetPriorityForRequestNotification)."""

    FIRST = 0
    HIGH = 1
    MEDIUM = 2
    LOW = 3
    LAST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleInfo:
    """What a module says of its order: `priority` for every event, `priorities` for single ones by the hook's name.

    In the events of sending (`on_send_response`, `on_send_raw_data`) the order of modules is inverted: FIRST comes
    last, as in IIS for RQ_SEND_RESPONSE.

    `cache_aware`: answers it has seen may be given from the listener's cache without it. A module that does not say so
    keeps the answers of its applications out of the cache.
    """

    priority: ModulePriority = ModulePriority.MEDIUM
    priorities: Mapping[str, ModulePriority] = field(default_factory=dict)
    cache_aware: bool = False

    def priority_of(self, event: str) -> ModulePriority:
        """The priority in that event."""
        return self.priorities.get(event, self.priority)


@dataclass(slots=True, kw_only=True)
class ModuleEntry:
    """One entry of an application's `modules`, its preConditions met, as `application_resolve_modules` sees it.

    `type` is `module:Class` for a managed module, else the path of a plugin's file or empty. `implementation`: an
    object with `@hookimpl` methods that takes part in the pipeline; a plugin that makes modules from types sets it.
    `for_managed_handlers_only`: its events are called only for requests whose handler is managed.
    """

    name: str
    type: str = ""
    for_managed_handlers_only: bool = False
    implementation: object | None = None
