"""What one plugin implements, made ready to be called: pluggy reads and checks it, calls need not pass through it.

A pluggy call costs a microsecond with one implementation; a tuple of bound functions costs a tenth. pluggy also lets
much pass in silence (misspelt hooks, traces of a failed registration): here it does not.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from types import FunctionType, ModuleType
from typing import Any, Final, NamedTuple

import pluggy

from host.api import hookspecs
from host.api.hookspecs import PROJECT

INLINE: Final = 0  # called on the loop
ASYNC: Final = 1  # awaited
THREAD: Final = 2  # run on the thread pool

_MARK: Final = f"{PROJECT}_impl"
_MARKED_NAMES: Final = f"__{PROJECT}_marked__"

_PASSED_ON: Final = frozenset(("tryfirst", "trylast"))
"""What a mark may say and isapy's own order makes meaningless; anything else that it says is pluggy's to judge."""

HOOK_NAMES: Final = tuple(name for name, value in vars(hookspecs).items() if hasattr(value, f"{PROJECT}_spec"))
_OFFERED: Final = {
    name: (code := vars(hookspecs)[name].__code__).co_varnames[: code.co_argcount] for name in HOOK_NAMES
}
"""The arguments of each specification."""

FILTER_HOOKS: Final = tuple(name for name in HOOK_NAMES if name.startswith("on_"))
DECLARATIONS: Final = (
    "module_names",
    "handler_mappings",
    "handler_info",
    "in_process_only",
    "filter_info",
    "module_info",
)
GLOBAL_HOOKS: Final = (
    "application_start",
    "application_resolve_modules",
    "application_stop",
    "configuration_change",
    "health_check",
)
ISAPI_LIFE: Final = ("get_extension_version", "terminate_extension")
AT_LOAD: Final = (*DECLARATIONS, *GLOBAL_HOOKS, "load", "unload", "open_filter", *ISAPI_LIFE)
"""Hooks that are about no request."""

ISAPI_HOOKS: Final = (*ISAPI_LIFE, "http_extension_proc")
MODULE_HOOKS: Final = tuple(
    name for name in HOOK_NAMES if name not in (*FILTER_HOOKS, *AT_LOAD, *ISAPI_HOOKS, "handle")
)
CONTEXT: Final = "filter_context"
"""The argument that only those get who take it."""


class PluginFault(Exception):
    """A plugin that breaks the contract: a misspelt hook, a wrong argument, a wrong value."""


class Hook(NamedTuple):
    """One implementation, ready to be called with all arguments of its specification, by position."""

    function: Callable[..., Any]
    kind: int  # INLINE, ASYNC or THREAD
    plugin: str
    name: str
    takes_context: bool = False  # its last argument is a FilterContext


class _PluginManager(pluggy.PluginManager):
    """Looks closely only at what is marked: a plugin file has fifty names and a hook or two, and pluggy's look at each
    of them would be half of what loading it takes."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """As pluggy's; nothing for a module's name that `hookimpl` has not marked."""
        if isinstance(plugin, ModuleType) and name not in marked_names(plugin):
            return None
        return super().parse_hookimpl_opts(plugin, name)


def marked_names(module: ModuleType) -> frozenset[str]:
    """The module's names that `hookimpl` has marked. It is looked for once: in the parent of a pool for what that has
    imported, so that a worker need not touch (and so copy) everything else that the module holds."""
    names = vars(module)
    found: frozenset[str] | None = names.get(_MARKED_NAMES)
    if found is None:
        found = names[_MARKED_NAMES] = frozenset(name for name, value in names.items() if hasattr(value, _MARK))
    return found


def new_plugin_manager() -> pluggy.PluginManager:
    """pluggy, with the specifications of every hook."""
    manager = _PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def register(manager: pluggy.PluginManager, plugin: object, name: str, private_name: str) -> dict[str, Hook]:
    """Register a plugin and return its hooks by name. Raises PluginFault; nothing of it stays registered then.

    `name` is what people call it, `private_name` is unique (a filter and an extension may share a name). The hooks of a
    file that marks nothing but functions of its own, with the arguments that they are offered, are what is marked:
    that is the everyday plugin, and pluggy's look at it would be a tenth of what a worker's start takes. Everything
    else, and everything that is wrong, is registered with pluggy.
    """
    hooks = register_plain(plugin, name) if isinstance(plugin, ModuleType) else None
    if hooks is not None:
        return hooks
    _check_spelling(manager, plugin)
    try:
        manager.register(plugin, name=private_name)
        manager.check_pending()
        return {
            caller.name: _bind(caller, implementation, name)
            for caller in manager.get_hookcallers(plugin) or []
            if caller.spec is not None  # an optional hook of another version has none
            for implementation in caller.get_hookimpls()
            if implementation.plugin is plugin
        }
    except (pluggy.PluginValidationError, ValueError, PluginFault) as error:
        unregister(manager, plugin)
        raise PluginFault(_unknown_arguments(manager, plugin) or str(error)) from error


def implements_any(manager: pluggy.PluginManager, plugin: object) -> bool:
    """Whether anything of it is marked as a hook."""
    return any(manager.parse_hookimpl_opts(plugin, name) is not None for name in dir(plugin))


def register_plain(module: ModuleType, name: str) -> dict[str, Hook] | None:
    """The hooks of a module in which pluggy could find nothing else; None: it must have a look. Raises nothing."""
    found = {}
    names = vars(module)
    for hook_name in sorted(marked_names(module)):
        function = names[hook_name]
        offered = _OFFERED.get(hook_name)
        if offered is None or not isinstance(function, FunctionType) or len(vars(function)) != 1:
            return None  # misspelt; no function; decorated by others, who may say more
        if any(value for option, value in getattr(function, _MARK).items() if option not in _PASSED_ON):
            return None
        code = function.__code__
        taken = code.co_varnames[: code.co_argcount - len(function.__defaults__ or ())]
        if taken[:1] == ("self",) or not set(taken).issubset(offered):
            return None
        kind = ASYNC if code.co_flags & inspect.CO_COROUTINE else INLINE
        found[hook_name] = _hook(function, kind, taken, offered, name, hook_name)
    return found


def unregister(manager: pluggy.PluginManager, plugin: object) -> None:
    """Take a plugin out, also after a registration that failed half-way (pluggy leaves its name behind)."""
    if manager.is_registered(plugin) or manager.get_name(plugin) is not None:
        manager.unregister(plugin)


def as_declared(hooks: dict[str, Hook], name: str, default: Any) -> Any:
    """The value of a declaration hook, or `default` when the plugin does not implement it."""
    hook = hooks.get(name)
    if hook is None:
        return default
    if hook.kind == ASYNC:
        raise PluginFault(f"{name} must be a plain def: it is read before the event loop serves")
    return hook.function()


def _check_spelling(manager: pluggy.PluginManager, plugin: object) -> None:
    for name in sorted(marked_names(plugin)) if isinstance(plugin, ModuleType) else dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is None:
            continue
        specified = options.get("specname") or name
        if specified not in HOOK_NAMES and not options.get("optionalhook"):
            nearest = difflib.get_close_matches(specified, HOOK_NAMES, n=1, cutoff=0.5)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise PluginFault(f"{specified} is not a hook of isapy{hint}")
        if options.get("wrapper") or options.get("hookwrapper"):
            raise PluginFault(f"{specified} is a wrapper: isapy calls every plugin by itself, in configured order")


def _unknown_arguments(manager: pluggy.PluginManager, plugin: object) -> str:
    """What is wrong with the first implementation that takes what its hook does not have; empty: nothing of the kind.

    pluggy's own sentence speaks of a specification that a plugin's author has never seen.
    """
    for name in sorted(marked_names(plugin)) if isinstance(plugin, ModuleType) else dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        caller = getattr(manager.hook, (options.get("specname") or name) if options is not None else "", None)
        if options is None or caller is None or caller.spec is None:
            continue
        offered = caller.spec.argnames
        taken = pluggy.HookImpl(plugin, "", getattr(plugin, name), options).argnames
        unknown = [argument for argument in taken if argument not in offered]
        if unknown:
            nearest = difflib.get_close_matches(unknown[0], offered, n=1, cutoff=0.5)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            known = f"its arguments are {', '.join(offered)}" if offered else "it has no arguments"
            return f"{caller.name} has no argument {unknown[0]}{hint} ({known}; each may be left out)"
    return ""


def _bind(caller: pluggy.HookCaller, implementation: pluggy.HookImpl, plugin: str) -> Hook:
    assert caller.spec is not None
    function = implementation.function
    kind = ASYNC if inspect.iscoroutinefunction(function) else INLINE
    return _hook(function, kind, implementation.argnames, caller.spec.argnames, plugin, caller.name)


def _hook(
    function: Callable[..., Any], kind: int, taken: Sequence[str], offered: Sequence[str], plugin: str, hook_name: str
) -> Hook:
    takes_context = CONTEXT in taken
    passed = offered if takes_context else [name for name in offered if name != CONTEXT]
    return Hook(_adapt(function, taken, passed), kind, plugin, hook_name, takes_context)


def _adapt(function: Callable[..., Any], taken: Sequence[str], offered: Sequence[str]) -> Callable[..., Any]:
    """A function of all `offered` arguments; the implementation itself when it takes them all in their order."""
    if tuple(taken) == tuple(offered):
        return function
    places = [offered.index(name) for name in taken]
    if not places:
        return lambda *_arguments: function()
    if len(places) == 1:
        place = places[0]
        return lambda *arguments: function(arguments[place])
    return lambda *arguments: function(*[arguments[place] for place in places])
