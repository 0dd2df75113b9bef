"""Every hook raises, and every hook answers what nobody wants: it hurts its own requests and is named in the event.

The list of hooks is the specification's: a new hook is misused here by itself, and the scene below must reach it.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host.api import hookspecs
from host.testing import PluginTest
from host.worker.hooks import AT_LOAD, GLOBAL_HOOKS, HOOK_NAMES, ISAPI_LIFE
from tests.plugins.every_hook import ANSWERS_WRONG, RAISES, hooks_of, told_in, write_plugin

GOOD = """\
from host.api import HandlerMapping, HttpError, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Good", path="*.good")]

@hookimpl
def handle(request):
    if request.raw_query == "denied":
        raise HttpError(401, 2, "nobody may see this")
    return Response.text("good")
"""

CARRIED = '<filter name="carried" path="{path}" />'
LOGIN = {"Authorization": "Basic dXNlcjpzZWNyZXQ="}
ANSWER_IS_NOT_LOOKED_AT = {"load", "unload", "get_extension_version", "terminate_extension"}
"""They have nothing to answer; the two of ISAPI say yes with anything that is not False."""

AT_THE_END = ("unload", "terminate_extension", "application_stop")
EVERY_REQUEST = [name for name in HOOK_NAMES if name not in AT_LOAD]
PLUGINS = ("bad", "isapi_bad")
MODES = ("WorkerProcess", "IIS5")


@contextmanager
def site(folder: Path, mode: str, misdeed: str, kind: str = "def", armed: str = "") -> Iterator[PluginTest]:
    """The misbehaving plugins as extensions, filter and module, beside a good one, and a filter for open_filter."""
    (folder / "good.py").write_text(GOOD)
    (folder / "carried.py").write_text("from host.api import hookimpl\n")
    without = "on_read_raw_data" if mode == "WorkerProcess" else ""  # such a filter is refused there
    bad, isapi = (write_plugin(folder, name, misdeed, kind=kind, armed=armed, without=without) for name in PLUGINS)
    carried = CARRIED.format(path=folder / "carried.py")
    plugins = (folder / "good.py", bad, isapi)
    with PluginTest(
        *plugins,
        filters=[bad, carried],
        modules=[bad],
        isolation_mode=mode,
        may_fail=True,
        files={"page.txt": "a page"},
    ) as running:
        yield running


def play(plugin: PluginTest) -> list[tuple[int, bool]]:
    """A scene that meets every hook: a login, a refusal, an ISAPI extension, raw data, the end of the connection.

    Status of each answer, and whether it came to its end.
    """
    answers = [
        plugin.request("GET", target, LOGIN, connection=5) for target in ("/x.bad", "/x.isapi_bad", "/x.good?denied")
    ]
    plugin.read_raw_data(b"GET / HTTP/1.1\r\n", connection=5)
    plugin.end_session(5)
    return [(answer.status, answer.is_complete) for answer in answers]


def serves(plugin: PluginTest) -> bool:
    """Whether a request that no armed plugin meets is answered as ever."""
    return (plugin.get("/x.good").text, plugin.get("/page.txt").text) == ("good", "a page")


def names(text: str, name: str, hook: str, misdeed: str) -> bool:
    """Whether an event's text says who did what wrong."""
    if name not in text or hook not in text:
        return False
    return f"{hook} does not work" in text if misdeed == RAISES else "NobodyWantsThis" in text


@pytest.mark.parametrize(("mode", "kind"), [("WorkerProcess", "def"), ("IIS5", "def"), ("IIS5", "async def")])
@pytest.mark.parametrize("misdeed", [RAISES, ANSWERS_WRONG], ids=["raises", "answers_wrong"])
def test_a_hook_of_a_request_hurts_that_request_alone(tmp_path: Path, mode: str, kind: str, misdeed: str) -> None:
    """One after the other: the event names plugin and hook, and as soon as it behaves everything is as before. What
    it costs is what docs/hooks.md says."""
    unnamed, unserved, untold = [], [], []
    with site(tmp_path, mode, misdeed, kind) as plugin:
        modules = {name: plugin.module(name) for name in PLUGINS}
        as_ever = play(plugin)
        assert (as_ever, plugin.blamed) == ([(200, True), (200, True), (401, True)], [])
        for name in PLUGINS:
            for hook in set(hooks_of(name)) & set(EVERY_REQUEST):
                if hook == "on_read_raw_data" and mode == "WorkerProcess":
                    continue
                before = len(plugin.blamed)
                modules[name].ARMED = hook
                answers = play(plugin)
                modules[name].ARMED = ""
                untold += [] if (answers == as_ever) == (hook in told_in("nothing |")) else [hook]
                unnamed += [] if any(names(text, name, hook, misdeed) for text in plugin.blamed[before:]) else [hook]
                unserved += [] if serves(plugin) else [hook]
    assert (unnamed, unserved, untold) == ([], [], [])


@pytest.mark.parametrize("hook", [name for name in AT_LOAD if name not in (*AT_THE_END, *GLOBAL_HOOKS)])
@pytest.mark.parametrize("misdeed", [RAISES, ANSWERS_WRONG], ids=["raises", "answers_wrong"])
def test_a_hook_at_load_costs_its_plugin_alone(tmp_path: Path, hook: str, misdeed: str) -> None:
    """The plugin's own mapping answers 500.21 (if it could be read, or guessed). Where it is listed as filter or
    module, nothing is served without it: it may be what protects the application."""
    if misdeed == ANSWERS_WRONG and hook in ANSWER_IS_NOT_LOOKED_AT:
        with site(tmp_path, "IIS5", misdeed, armed=hook) as plugin:
            assert (plugin.blamed, serves(plugin), plugin.get("/x.bad").text) == ([], True, "fine")
        return
    name = next(name for name in PLUGINS if hook in hooks_of(name))
    with site(tmp_path, "IIS5", misdeed, armed=hook) as plugin:
        assert any(names(text, name, hook, misdeed) for text in plugin.blamed), plugin.blamed
        missing = "" if name != "bad" else "carried" if hook == "open_filter" else "bad"
        if missing:
            refused = plugin.get("/page.txt")
            assert (refused.status, refused.substatus) == (500, 21)
            assert f"{missing} is listed and could not be loaded" in refused.text
        else:
            assert serves(plugin)
        costs_plugin = hook in told_in("the plugin: its mappings answer 500.21 |")
        assert costs_plugin != (hook in told_in("the filter that was to be opened |"))
        assert plugin.get(f"/x.{name}").substatus == (21 if costs_plugin or missing else 0)


@pytest.mark.parametrize("hook", [name for name in GLOBAL_HOOKS if name not in AT_THE_END])
@pytest.mark.parametrize("misdeed", [RAISES, ANSWERS_WRONG], ids=["raises", "answers_wrong"])
@pytest.mark.parametrize("mode", MODES)
def test_a_global_notification_costs_its_application_s_requests_at_most(
    tmp_path: Path, mode: str, hook: str, misdeed: str
) -> None:
    """A start that fails refuses those who wait for it; the event names the plugin, and the next start is better."""
    with site(tmp_path, mode, misdeed, armed=hook) as plugin:
        refused = plugin.get("/x.good").status == 500
        assert refused == (hook in told_in("the application's requests"))
        assert refused != (hook in told_in("nothing |"))
        plugin.ping()
        change_settings(plugin, "true")
        wait_until(lambda: named(plugin, "bad", hook, misdeed), plugin)
        plugin.module("bad").ARMED = ""
        change_settings(plugin, "false")
        wait_until(lambda: serves(plugin), plugin)
        assert plugin.unhealthy == []


def change_settings(plugin: PluginTest, browse: str) -> None:
    """Save the web.config at the application's root."""
    text = f'<directoryBrowse enabled="{browse}" />'
    (plugin.root / "web.config").write_text(
        f"<configuration><system.webServer>{text}</system.webServer></configuration>"
    )


def named(plugin: PluginTest, name: str, hook: str, misdeed: str) -> bool:
    """Whether an event says it."""
    return any(names(text, name, hook, misdeed) for text in plugin.blamed)


def wait_until(condition: Callable[[], bool], plugin: PluginTest) -> None:
    """Ask for pages until it holds: files are looked at again with requests, after a while."""
    end = time.monotonic() + plugin.patience_seconds
    while not condition():
        assert time.monotonic() < end, plugin.blamed
        plugin.get("/x.good")


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_a_hook_is_written_as_the_page_says(tmp_path: Path, hook: str) -> None:
    """An `async def` where only a plain def will do is not loaded; everywhere else it is."""
    arguments = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    path = tmp_path / "waits.py"
    more = "" if hook not in ISAPI_LIFE else "@hookimpl\ndef http_extension_proc(ecb):\n    return 1\n"
    path.write_text(
        f"from host.api import hookimpl\n@hookimpl\nasync def {hook}({arguments}):\n    return None\n{more}"
    )
    with PluginTest(path, filters=[path], isolation_mode="IIS5", may_fail=True) as plugin:
        assert any("must be a plain def" in text for text in plugin.blamed) == (hook in told_in("`def` alone |"))


@pytest.mark.parametrize("hook", AT_THE_END)
@pytest.mark.parametrize("misdeed", [RAISES, ANSWERS_WRONG], ids=["raises", "answers_wrong"])
def test_a_hook_at_the_end_does_not_keep_the_worker_from_ending(tmp_path: Path, hook: str, misdeed: str) -> None:
    """The exception is an event."""
    with site(tmp_path, "IIS5", misdeed, armed=hook) as plugin:
        assert serves(plugin)
        assert plugin.blamed == []
    name = next(name for name in PLUGINS if hook in hooks_of(name))
    is_looked_at = misdeed == RAISES or hook not in ANSWER_IS_NOT_LOOKED_AT
    assert named(plugin, name, hook, misdeed) == is_looked_at, plugin.blamed
