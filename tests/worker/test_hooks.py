"""Hooks of a plugin, read by pluggy and made ready to be called."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from host.api import Request, Response, UrlMap, hookimpl
from host.worker.hooks import ASYNC, INLINE, PluginFault, new_plugin_manager, register, unregister


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
