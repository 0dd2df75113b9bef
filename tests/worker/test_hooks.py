"""Hooks of a plugin, read by pluggy and made ready to be called."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from host.api import Request, Response, UrlMap, hookimpl
from host.worker.hooks import ASYNC, INLINE, PluginFault, new_plugin_manager, read_ahead, register, unregister


class Arguments:
    """Implementations with all, some, none and swapped arguments."""

    def __init__(self) -> None:
        self.seen: tuple[Any, ...] = ()

    @hookimpl
    def on_url_map(self, url_map: UrlMap, request: Request) -> None:
        self.seen = (url_map, request)

    @hookimpl
    def begin_request(self) -> Response:
        return Response.text("none")

    @hookimpl
    async def end_request(self, response: Response) -> None:
        self.seen = (response,)


def test_a_hook_may_take_fewer_arguments_in_any_order() -> None:
    """All of the specification's arguments are passed by position; each implementation gets its own."""
    plugin = Arguments()
    hooks = register(new_plugin_manager(), plugin, "arguments", "host_filters.arguments")
    hooks["on_url_map"].function("the request", "the map")
    assert plugin.seen == ("the map", "the request")
    assert hooks["begin_request"].function("the request").body == b"none"
    assert (hooks["begin_request"].kind, hooks["end_request"].kind) == (INLINE, ASYNC)
    assert hooks["end_request"].plugin == "arguments"


def test_hooks_that_were_read_ahead_are_those_that_are_registered() -> None:
    """Whatever the plugin is called then; what is wrong with a plugin is found when it is registered."""
    plain, ahead, broken = ModuleType("plain"), ModuleType("ahead"), ModuleType("broken")

    def on_log(request: object, entry: object, filter_context: object) -> None:
        del request, entry, filter_context

    for module in (plain, ahead):
        module.on_log = hookimpl(on_log)  # type: ignore[attr-defined]
    broken.on_logg = hookimpl(on_log)  # type: ignore[attr-defined]
    for module in (ahead, broken):
        read_ahead(module)
    manager = new_plugin_manager()
    expected = register(manager, plain, "name", "private")
    assert list(expected) == ["on_log"]
    assert register(manager, ahead, "name", "another") == expected
    unregister(manager, ahead)
    with pytest.raises(PluginFault, match="did you mean on_log"):
        register(manager, broken, "broken", "broken")


def test_a_failed_registration_leaves_nothing_behind() -> None:
    """The corrected plugin registers under the same name."""
    manager = new_plugin_manager()
    broken, good = ModuleType("broken"), ModuleType("good")

    def handle(request: Request, more: int) -> None:
        del request, more

    broken.handle = hookimpl(handle)  # type: ignore[attr-defined]
    with pytest.raises(PluginFault, match="more"):
        register(manager, broken, "p", "host_extensions.p")
    assert not manager.is_registered(broken)
    assert register(manager, good, "p", "host_extensions.p") == {}
    unregister(manager, good)
    assert manager.get_plugins() == set()


def test_an_optional_hook_of_another_version_is_no_mistake() -> None:
    """pluggy's optionalhook: a plugin may serve hosts that know more."""

    class Newer:
        @hookimpl(optionalhook=True)
        def on_something_new(self) -> None: ...

    assert register(new_plugin_manager(), Newer(), "newer", "host_filters.newer") == {}
