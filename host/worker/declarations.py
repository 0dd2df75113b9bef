"""What a plugin says of itself once, before any request: read from its declaration hooks.

Of a file that came with isapy a pool's parent reads it before the fork, and its workers find it with the module.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from host.api import FilterInfo, HandlerInfo, HandlerMapping, ModuleInfo
from host.worker.hooks import ASYNC, INLINE, THREAD, Hook, PluginFault, as_declared, register_plain

_READ: Final = "__isapy_read__"
NO_FILTER_INFO: Final = FilterInfo()
NO_MODULE_INFO: Final = ModuleInfo()
"""What plugins have said that say nothing: one for all of them, a worker has a dozen."""

_NO_HANDLER_INFO: Final = HandlerInfo()


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """The answers of one plugin; the defaults are those of a plugin that declares nothing."""

    filter_info: FilterInfo = NO_FILTER_INFO
    module_info: ModuleInfo = NO_MODULE_INFO
    further_names: tuple[str, ...] = ()
    mappings: tuple[HandlerMapping, ...] = ()
    is_in_process_only: bool = False
    runs_programs: bool = True


def read_declarations(hooks: dict[str, Hook]) -> Declarations:
    """Ask the plugin whose hooks these are; a plain `handle` that does not say it is quick becomes one for threads.

    Raises PluginFault for an answer of another kind, and whatever the plugin raises.
    """
    if "open_filter" in hooks and hooks["open_filter"].kind == ASYNC:
        raise PluginFault("open_filter must be a plain def: it is called while plugins are loaded")
    if "on_read_raw_data" in hooks and hooks["on_read_raw_data"].kind == ASYNC:
        raise PluginFault("on_read_raw_data must be a plain def: bytes cannot wait before they are parsed")
    filter_info = _checked(as_declared(hooks, "filter_info", NO_FILTER_INFO), FilterInfo, "filter_info")
    module_info = _checked(as_declared(hooks, "module_info", NO_MODULE_INFO), ModuleInfo, "module_info")
    is_in_process_only = _checked(as_declared(hooks, "in_process_only", False), bool, "in_process_only")
    further_names = _all_checked(as_declared(hooks, "module_names", ()), str, "module_names")
    handler = _checked(as_declared(hooks, "handler_info", _NO_HANDLER_INFO), HandlerInfo, "handler_info")
    if "handle" in hooks and hooks["handle"].kind == INLINE and not handler.quick:
        hooks["handle"] = hooks["handle"]._replace(kind=THREAD)
    return Declarations(
        filter_info=filter_info,
        module_info=module_info,
        further_names=further_names,
        mappings=_mappings(hooks),
        is_in_process_only=is_in_process_only,
        runs_programs=handler.runs_programs,
    )


def _mappings(hooks: dict[str, Hook]) -> tuple[HandlerMapping, ...]:
    mappings: tuple[HandlerMapping, ...]
    mappings = _all_checked(as_declared(hooks, "handler_mappings", ()), HandlerMapping, "handler_mappings")
    for mapping in mappings:
        if "?" in mapping.path:
            text = f'handler_mappings: the path "{mapping.path}" of {mapping.name} matches nothing'
            raise PluginFault(f"{text}: ? is no wildcard; write *")
    return mappings


def read_ahead(module: ModuleType, name: str) -> None:
    """Leave the hooks and declarations of that module of isapy's own, which people call `name`, with it. A module that
    is not as plain as those are is left alone."""
    hooks = register_plain(module, name)
    if hooks is not None and not any(hook.takes_context for hook in hooks.values()):
        vars(module)[_READ] = name, hooks, read_declarations(hooks)


def known_ahead(module: object, name: str) -> tuple[dict[str, Hook], Declarations] | None:
    """Hooks (the caller's own copy) and declarations that `read_ahead` has left; None where it has not, or for a plugin
    that the configuration calls by another name."""
    known: tuple[str, dict[str, Hook], Declarations] | None = (
        vars(module).get(_READ) if isinstance(module, ModuleType) else None
    )
    if known is None or known[0] != name:
        return None
    return dict(known[1]), known[2]


def _checked(value: Any, expected: type, hook: str) -> Any:
    if not isinstance(value, expected):
        raise PluginFault(f"{hook} must return {expected.__name__}, not {type(value).__name__}")
    return value


def _all_checked(values: Any, expected: type, hook: str) -> tuple[Any, ...]:
    if isinstance(values, str) or not isinstance(values, (list, tuple, Iterable)):  # ABCs are slow to ask
        raise PluginFault(f"{hook} must return a list of {expected.__name__}, not {type(values).__name__}")
    return tuple(_checked(value, expected, hook) for value in values)
