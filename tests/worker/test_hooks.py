"""Hooks of a plugin, read by pluggy and made ready to be called."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

from host.api import Request, Response, UrlMap, hookimpl
from host.worker.hooks import ASYNC, INLINE, PluginFault, new_plugin_manager, register, register_plain, unregister
from host.worker.plugin_loader import load_plugin_file


def code_of(path: str) -> CodeType:
    return compile(Path(path).read_text(), path, "exec")


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


def test_the_hooks_of_an_everyday_file_are_those_that_pluggy_finds(tmp_path: Path) -> None:
    """All arguments, some of them, swapped ones, a default, a coroutine, a context; an option that others may set."""
    text = """
from host.api import hookimpl

@hookimpl
def on_url_map(url_map, request): return ("on_url_map", url_map, request)

@hookimpl(trylast=True)
async def begin_request(request, more=1): return ("begin_request", request, more)

@hookimpl
def on_log(entry, filter_context): return ("on_log", entry, filter_context)

@hookimpl
def health_check(*, word="well"): return word
"""
    (tmp_path / "everyday.py").write_text(text)
    module = load_plugin_file(str(tmp_path / "everyday.py"), "test_of_hooks", code_of)
    plain = register_plain(module, "everyday")
    assert plain is not None
    for function in (module.on_url_map, module.begin_request, module.on_log, module.health_check):
        function.also_decorated = True  # by somebody who may say more: pluggy has a look
    assert register_plain(module, "everyday") is None
    found = register(new_plugin_manager(), module, "everyday", "private")
    assert list(plain) == list(found)
    assert [hook[1:] for hook in plain.values()] == [hook[1:] for hook in found.values()]
    assert {hook.plugin for hook in plain.values()} == {"everyday"}
    for hooks in (plain, found):
        assert hooks["on_url_map"].function("the request", "the map") == ("on_url_map", "the map", "the request")
        assert hooks["on_log"].function("a request", "an entry", "a context") == ("on_log", "an entry", "a context")
        assert hooks["health_check"].function() == "well"
        assert asyncio.run(hooks["begin_request"].function("a request")) == ("begin_request", "a request", 1)


@pytest.mark.parametrize(
    "text",
    [
        "@hookimpl\ndef on_logg(request): ...",
        "@hookimpl(specname='on_log')\ndef written(request): ...",
        "@hookimpl(optionalhook=True)\ndef on_log(request): ...",
        "@hookimpl(wrapper=True)\ndef on_log(request): yield",
        "@hookimpl\ndef on_log(request, colour): ...",
        "class Called:\n    def __call__(self, request): ...\non_log = hookimpl(Called())",
        "import functools\n@hookimpl\n@functools.wraps(print)\ndef on_log(request): ...",
    ],
)
def test_whatever_is_not_everyday_is_left_to_pluggy(text: str) -> None:
    """Misspelt, renamed, optional, wrapping, with an argument that nobody offers, not a function, decorated."""
    module = ModuleType("other")
    exec(f"from host.api import hookimpl\n{text}\n", module.__dict__)
    assert register_plain(module, "other") is None


def test_a_failed_registration_leaves_nothing_behind() -> None:
    """The corrected plugin registers under the same name."""
    manager = new_plugin_manager()
    broken, good = ModuleType("broken"), ModuleType("good")

    def handle(request: Request, more: int) -> None:
        del request, more

    broken.handle = hookimpl(handle)  # type: ignore[attr-defined]
    reason = r"handle has no argument more \(its arguments are request; each may be left out\)"
    with pytest.raises(PluginFault, match=reason):
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


def test_a_wrong_argument_is_named_with_those_there_are() -> None:
    """Of a module and of an object, a misspelt name with the one that it resembles."""

    class Misspelt:
        @hookimpl(specname="on_url_map")
        def map_it(self, request: Request, urlmap: UrlMap) -> None: ...

    class Lonely:
        @hookimpl
        def module_names(self, request: Request) -> list[str]:
            return [str(request)]

    manager = new_plugin_manager()
    with pytest.raises(PluginFault, match=r"^on_url_map has no argument urlmap; did you mean url_map\? \(its arg.*map"):
        register(manager, Misspelt(), "misspelt", "host_filters.misspelt")
    with pytest.raises(PluginFault, match=r"^module_names has no argument request \(it has no arguments"):
        register(manager, Lonely(), "lonely", "host_filters.lonely")
    assert manager.get_plugins() == set()
