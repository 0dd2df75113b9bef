"""The compiled plan of an application: for each event the functions to call, in order. An empty event costs nothing.

Filters come first: the server-wide ones, then the site's; within each group by priority, then as configured. Modules
follow as configured. A filter may implement module events and a module notifications: what a listed plugin implements
is called, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from host.worker.hooks import FILTER_HOOKS, INLINE, MODULE_HOOKS, THREAD, Hook
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
    forbids_cache: bool = False  # some filter does not tolerate the listener's cache
    looks_at_users: bool = False  # some plugin takes part in authentication
    is_asked_before_the_handler: bool = False  # some plugin is called between begin_request and the handler's choice
    settles_log: bool = False  # some plugin is called before the log line is written
    gives_contexts: bool = False  # some filter takes a filter_context


EMPTY_PLAN: Final = Plan()

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


def compile_plan(filters: Sequence[ListedFilter], modules: Sequence[Plugin], *, is_secure: bool) -> Plan:
    """The plan for requests over TLS (`is_secure`) or not; plugins that are not loaded take no part."""
    listed = [one for one in filters if _takes_part(one.plugin, is_secure)]
    listed.sort(key=lambda one: (not one.is_server_wide, one.plugin.info.priority))  # stable: ties as configured
    members = list(dict.fromkeys([id(one.plugin) for one in listed] + [id(plugin) for plugin in modules]))
    by_id = {id(one.plugin): one.plugin for one in listed} | {
        id(plugin): plugin for plugin in modules if _takes_part(plugin, is_secure)
    }
    ordered = [by_id[key] for key in members if key in by_id]
    events: dict[str, Calls] = {name: _calls(ordered, (name,)) for name in FILTER_HOOKS}
    events["on_send_raw_data"] = events["on_send_raw_data"][::-1]  # high priority is nearest to the wire
    for group, names in _GROUPS.items():
        events[group] = _calls(ordered, names)
    forbids_cache = any(not one.is_cache_allowed and not one.plugin.info.cache_aware for one in listed)
    looks_at_users = any(events[name] for name in ("on_authentication", "authenticate", "on_auth_complete"))
    return Plan(
        **events,
        forbids_cache=forbids_cache,
        looks_at_users=looks_at_users,
        is_asked_before_the_handler=bool(looks_at_users or events["on_url_map"] or events["authorize"]),
        settles_log=bool(events["log"] or events["on_log"]),
        gives_contexts=any(hook.takes_context for plugin in ordered for hook in plugin.hooks.values()),
    )


def _takes_part(plugin: Plugin, is_secure: bool) -> bool:
    if not plugin.is_loaded or not plugin.is_pipeline_member:
        return False
    info = plugin.info
    if not info.secure_port and not info.nonsecure_port:
        return True  # as IIS: neither flag means both
    return info.secure_port if is_secure else info.nonsecure_port


def _calls(plugins: Iterable[Plugin], names: tuple[str, ...]) -> Calls:
    plugins = list(plugins)
    return tuple(_call(plugin, plugin.hooks[name]) for name in names for plugin in plugins if name in plugin.hooks)


def _call(plugin: Plugin, hook: Hook) -> Hook:
    return hook._replace(kind=THREAD) if plugin.info.blocking and hook.kind == INLINE else hook
