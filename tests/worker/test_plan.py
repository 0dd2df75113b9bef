"""The order in which plugins are called."""

from __future__ import annotations

from typing import Any

from host.api import FilterInfo, FilterPriority
from host.worker.hooks import INLINE, THREAD, Hook
from host.worker.plan import EMPTY_PLAN, ListedFilter, Plan, compile_plan, compile_plans
from host.worker.plugins import LOADED, Plugin


def plugin(name: str, *hooks: str, priority: FilterPriority = FilterPriority.LOW, **info: Any) -> Plugin:
    return Plugin(
        name,
        "filter",
        "",
        name,
        state=LOADED,
        is_pipeline_member=True,
        info=FilterInfo(priority=priority, **info),
        hooks={hook: Hook(print, INLINE, name, hook) for hook in hooks},
    )


def listed(one: Plugin, *, site: bool = False, cache: bool = False) -> ListedFilter:
    return ListedFilter(one, not site, cache)


def names(plan: Plan, event: str) -> list[str]:
    return [hook.plugin for hook in getattr(plan, event)]


def test_server_wide_filters_go_first_then_priority_then_the_configured_order() -> None:
    """High before medium before low within a group; a site's high one stands behind every server-wide one."""
    high, medium = FilterPriority.HIGH, FilterPriority.MEDIUM
    both = ("on_log", "on_send_raw_data")
    filters = [
        listed(plugin("site-high", *both, priority=high), site=True),
        listed(plugin("low-1", *both)),
        listed(plugin("medium", *both, priority=medium)),
        listed(plugin("low-2", *both)),
        listed(plugin("high", *both, priority=high)),
        listed(plugin("site-low", *both), site=True),
    ]
    plan = compile_plan(filters, [], is_secure=False)
    expected = ["high", "medium", "low-1", "low-2", "site-high", "site-low"]
    assert names(plan, "on_log") == expected
    assert names(plan, "on_send_raw_data") == expected[::-1]


def test_post_events_stand_behind_their_event_for_all_plugins() -> None:
    """Filters before modules; a plugin that is listed twice is called once."""
    filter_, module = plugin("f", "begin_request", "post_begin_request"), plugin("m", "begin_request", "on_log")
    plan = compile_plan([listed(filter_)], [module, filter_], is_secure=False)
    assert [(hook.plugin, hook.name) for hook in plan.begin] == [
        ("f", "begin_request"),
        ("m", "begin_request"),
        ("f", "post_begin_request"),
    ]
    assert names(plan, "on_log") == ["m"]


def test_plugins_that_are_not_loaded_or_of_another_port_take_no_part() -> None:
    """FilterInfo.secure_port and nonsecure_port choose the plan."""
    failed = plugin("failed", "on_log")
    failed.state = "failed"
    tls, plain = plugin("tls", "on_log", nonsecure_port=False), plugin("plain", "on_log", secure_port=False)
    filters = [listed(failed), listed(tls), listed(plain)]
    assert names(compile_plan(filters, [], is_secure=True), "on_log") == ["tls"]
    assert names(compile_plan(filters, [], is_secure=False), "on_log") == ["plain"]


def test_both_plans_are_one_unless_a_filter_tells_them_apart() -> None:
    """A filter that is not loaded tells nothing apart."""
    both, tls = plugin("both", "on_log"), plugin("tls", "on_log", nonsecure_port=False)
    plain, secure = compile_plans([listed(both)], [plugin("m", "begin_request")])
    assert plain is secure
    assert (names(plain, "on_log"), names(plain, "begin")) == (["both"], ["m"])
    plain, secure = compile_plans([listed(both), listed(tls)], [])
    assert (names(plain, "on_log"), names(secure, "on_log")) == (["both"], ["both", "tls"])
    tls.state = "failed"
    plain, secure = compile_plans([listed(both), listed(tls)], [])
    assert plain is secure


def test_a_filter_that_does_not_tolerate_the_cache_forbids_it() -> None:
    """Unless it says cache_aware, or the configuration enableCache."""
    unaware, aware = plugin("unaware", "on_log"), plugin("aware", "on_log", cache_aware=True)
    assert compile_plan([listed(unaware)], [], is_secure=False).forbids_cache
    assert not compile_plan([listed(unaware, cache=True), listed(aware)], [], is_secure=False).forbids_cache
    assert not EMPTY_PLAN.forbids_cache


def test_blocking_plugins_are_called_on_threads() -> None:
    """Only their plain functions; the others stay where they are."""
    plan = compile_plan(
        [listed(plugin("b", "on_log", blocking=True)), listed(plugin("i", "on_log"))], [], is_secure=True
    )
    assert [hook.kind for hook in plan.on_log] == [THREAD, INLINE]
