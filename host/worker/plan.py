"""The compiled plan of an application: for each event the functions to call, in order. An empty event costs nothing.

Filters come first: the server-wide ones, then the site's; within each group by priority, then as configured. Modules
follow by the priority they have in that event, then as configured; in the events of sending their order is inverted.
A filter may implement module events and a module notifications: what a listed plugin implements is called, once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from host.api import Request
from host.worker.hooks import ASYNC, FILTER_HOOKS, INLINE, MODULE_HOOKS, THREAD, Hook
from host.worker.plugins import Plugin

Calls = tuple[Hook, ...]


class ListedFilter(NamedTuple):
    """A filter that the configuration lists, and how."""

    plugin: Plugin
    is_server_wide: bool
    is_cache_allowed: bool  # enableCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every group of events, in the order in which a request meets them. Post- events stand behind their event."""

    on_preproc_headers: Calls = ()
    begin: Calls = ()
    on_url_map: Calls = ()
    on_authentication: Calls = ()
    authenticate: Calls = ()
    on_auth_complete: Calls = ()
    authorize: Calls = ()  # and the cache's look-up, and map_request_handler
    prepare: Calls = ()  # from post_map_request_handler to the handler
    finish: Calls = ()  # from the handler to the caches
    on_access_denied: Calls = ()
    on_send_response: Calls = ()
    on_send_raw_data: Calls = ()
    log: Calls = ()
    on_log: Calls = ()
    end: Calls = ()
    on_end_of_request: Calls = ()
    on_end_of_net_session: Calls = ()
    on_read_raw_data: Calls = ()
    forbids_cache: bool = False  # some filter or module does not tolerate the listener's cache
    looks_at_users: bool = False  # some plugin takes part in authentication
    is_asked_before_the_handler: bool = False  # some plugin is called between begin_request and the handler's choice
    maps_early: bool = False  # some module takes part only for managed handlers
    settles_log: bool = False  # some plugin is called before the log line is written
    gives_contexts: bool = False  # some filter takes a filter_context
    is_plain: bool = False  # its plugins are called for the head, for the response and at the end, and nowhere between


EMPTY_PLAN: Final = Plan()

FORESEEN: Final = "isapy.foreseen-managed"
"""Key in `Request.context`: whether the handler that would be chosen now is managed (where `maps_early` says so)."""

_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "begin": ("begin_request", "post_begin_request"),
    "authenticate": ("authenticate_request", "post_authenticate_request"),
    "authorize": (
        "authorize_request",
        "post_authorize_request",
        "resolve_request_cache",
        "post_resolve_request_cache",
        "map_request_handler",
    ),
    "prepare": (
        "post_map_request_handler",
        "acquire_request_state",
        "post_acquire_request_state",
        "pre_request_handler_execute",
    ),
    "finish": (
        "post_request_handler_execute",
        "release_request_state",
        "post_release_request_state",
        "update_request_cache",
        "post_update_request_cache",
    ),
    "log": ("log_request", "post_log_request"),
    "end": ("end_request",),
}
assert {name for names in _GROUPS.values() for name in names} == set(MODULE_HOOKS)


def in_order(filters: Iterable[ListedFilter]) -> list[ListedFilter]:
    """As they are called: the server's, then the site's, each group by priority, ties as configured."""
    return sorted(filters, key=lambda one: (not one.is_server_wide, one.plugin.info.priority))


def compile_plans(
    filters: Sequence[ListedFilter], modules: Sequence[Plugin], *, managed_only: Collection[int] = ()
) -> tuple[Plan, Plan]:
    """The plans for requests that do not come over TLS and for those that do: one object where no filter tells them
    apart."""
    plain = compile_plan(filters, modules, is_secure=False, managed_only=managed_only)
    listed = (*(one.plugin for one in filters), *modules)
    if all(_takes_part(plugin, True) == _takes_part(plugin, False) for plugin in listed):
        return plain, plain
    return plain, compile_plan(filters, modules, is_secure=True, managed_only=managed_only)


def compile_plan(
    filters: Sequence[ListedFilter],
    modules: Sequence[Plugin],
    *,
    is_secure: bool,
    managed_only: Collection[int] = (),
) -> Plan:
    """The plan for requests over TLS (`is_secure`) or not; plugins that are not loaded take no part.

    `managed_only`: id() of the modules that are called only for requests whose handler is managed.
    """
    listed = [one for one in in_order(filters) if _takes_part(one.plugin, is_secure)]
    in_front = list({id(one.plugin): one.plugin for one in listed}.values())
    behind = {id(plugin): plugin for plugin in modules if _takes_part(plugin, is_secure) and plugin not in in_front}

    brought = {name for plugin in (*in_front, *behind.values()) for name in plugin.hooks}

    def calls(name: str) -> Calls:
        if name not in brought:
            return ()
        following = sorted(
            (plugin for plugin in behind.values() if name in plugin.hooks),
            key=lambda plugin: plugin.module_info.priority_of(name),
        )
        if name == "on_send_response":
            following.reverse()
        ordered = [plugin for plugin in in_front if name in plugin.hooks] + following
        return tuple(_call(plugin, plugin.hooks[name], id(plugin) in managed_only) for plugin in ordered)

    events: dict[str, Calls] = {name: calls(name) for name in FILTER_HOOKS}
    events["on_send_raw_data"] = events["on_send_raw_data"][::-1]  # high priority is nearest to the wire
    for group, names in _GROUPS.items():
        events[group] = tuple(hook for name in names for hook in calls(name))
    forbids_cache = any(not one.is_cache_allowed and not one.plugin.info.cache_aware for one in listed) or any(
        not plugin.module_info.cache_aware for plugin in behind.values()
    )
    looks_at_users = any(events[name] for name in ("on_authentication", "authenticate", "on_auth_complete"))
    is_asked_before = bool(looks_at_users or events["on_url_map"] or events["authorize"])
    gives_contexts = any(
        hook.takes_context for plugin in (*in_front, *behind.values()) for hook in plugin.hooks.values()
    )
    maps_early = any(key in managed_only for key in behind)
    is_called_between = is_asked_before or any(events[name] for name in ("begin", "prepare", "finish", "log", "end"))
    return Plan(
        **events,
        forbids_cache=forbids_cache,
        looks_at_users=looks_at_users,
        is_asked_before_the_handler=is_asked_before,
        maps_early=maps_early,
        settles_log=bool(events["log"] or events["on_log"]),
        gives_contexts=gives_contexts,
        is_plain=not (is_called_between or maps_early or gives_contexts),
    )


def _takes_part(plugin: Plugin, is_secure: bool) -> bool:
    if not plugin.is_loaded or not plugin.is_pipeline_member:
        return False
    info = plugin.info
    if not info.secure_port and not info.nonsecure_port:
        return True  # as IIS: neither flag means both
    return info.secure_port if is_secure else info.nonsecure_port


def _call(plugin: Plugin, hook: Hook, is_managed_only: bool) -> Hook:
    if plugin.info.blocking and hook.kind == INLINE:
        hook = hook._replace(kind=THREAD)
    return hook._replace(function=_for_managed(hook)) if is_managed_only else hook


def _for_managed(hook: Hook) -> Callable[..., Any]:
    """The hook's function, called only when the request's handler is managed (chosen, or foreseen until it is)."""
    function = hook.function

    def is_managed(subject: object) -> bool:
        if not isinstance(subject, Request):
            return False
        if subject.mapping is not None:
            return subject.mapping.is_managed
        return bool(subject.context.get(FORESEEN))

    if hook.kind == ASYNC:

        async def asynchronous(*arguments: Any) -> Any:
            return await function(*arguments) if is_managed(arguments[0]) else None

        return asynchronous
    return lambda *arguments: function(*arguments) if is_managed(arguments[0]) else None
