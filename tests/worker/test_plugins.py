"""Loading plugins: which files, under which names, and what becomes of those that misbehave."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from host.wire.message_rows import PluginRow
from host.worker.engine import Engine
from tests.worker.front import run
from tests.worker.site import Site, attach

ANSWER = '@hookimpl\ndef handler_mappings(): return [HandlerMapping(name="N", path="*.n")]\n' + (
    "@hookimpl\nasync def handle(request): return Response.text(answer())\ndef answer(): return "
)


def rows(site: Site) -> dict[str, PluginRow]:
    async def main() -> list[PluginRow]:
        return (await site.start()).plugin_rows()

    return {row.name: row for row in run(main())}


def test_drop_in_extensions_load_by_themselves_and_filters_when_they_are_listed(site: Site) -> None:
    """A filter file that nobody lists is shown with the line to add."""
    site.extension("answers", ANSWER + "'here'")
    site.extension("_private", "raise RuntimeError")
    site.filter("listed", "")
    site.filter("waiting", "raise RuntimeError", listed=False)
    found = rows(site)
    assert (found["answers"].family, found["answers"].state) == ("extension", "loaded")
    assert (found["listed"].family, found["listed"].state) == ("filter", "loaded")
    assert found["waiting"].state == "not listed"
    assert '<filter name="waiting" />' in found["waiting"].detail
    assert "_private" not in found


def test_what_came_with_isapy_is_told_in_one_event_and_everybody_elses_each_in_its_own(site: Site) -> None:
    """A dozen lines at each start would say nothing, and cost the service and the worker."""
    site.extension("hello", ANSWER + "'ours'")

    async def main() -> list[PluginRow]:
        engine = await site.start()
        assert not site.told("plugin-loaded")  # no request shall wait for it
        await engine.close()  # or a moment after the start
        return engine.plugin_rows()

    own = [row.name for row in run(main()) if row.state == "loaded" and row.name != "hello"]
    (event,) = [text for text in site.told("plugin-loaded") if "came with isapy" in text]
    assert len(own) > 5
    assert all(f" {name}" in event for name in own)
    assert " hello" not in event
    assert [text for text in site.told("plugin-loaded") if text != event] == [
        f"extension hello from {site.folder}/extensions/hello.py"
    ]


def test_a_plugin_that_is_loaded_after_the_start_is_told_at_once(site: Site) -> None:
    """A web.config may list one at any time; only what a start loads is told a moment later."""
    site.filter("late", "", listed=False)

    async def main() -> list[str]:
        plugins = (await site.start())._plugins
        plugins.report_loaded()
        before = len(site.told("plugin-loaded"))
        await plugins.pipeline_member("filter", "late", "")
        return site.told("plugin-loaded")[before:]

    assert run(main()) == [f"filter late from {site.folder}/filters/late.py"]


def test_the_first_folder_wins_and_nothing_is_found_through_the_path(site: Site) -> None:
    """A drop-in named like a built-in replaces it; one named like a library shadows nothing."""
    site.extension("hello", ANSWER + "'ours'")
    site.extension("json", "value = 1")
    found = rows(site)
    assert found["hello"].path == str(site.folder / "extensions" / "hello.py")
    assert sys.modules["host_extensions.json"].value == 1
    assert sys.modules["json"].__name__ == "json"
    assert not hasattr(sys.modules["json"], "value")


def test_an_extension_is_called_by_its_further_names_too(site: Site) -> None:
    """module_names, in any case."""
    site.extension("files", "@hookimpl\ndef module_names(): return ('FilesModule',)\n" + ANSWER + "'files'")
    site.handlers = '<add name="F" path="*.f" verb="*" modules="FILESMODULE" />'

    async def main() -> None:
        assert (await (await site.serve()).ask("/a.f")).text == "files"

    run(main())


MISBEHAVIOUR = {
    "crash_on_load": ("the database is not there", "crash_on_load.py:7"),
    "exits_on_import": ("SystemExit: 3", "exits_on_import.py:5"),
    "load_fails_half_way": ("/no/such/table", "load_fails_half_way.py:14"),
    "misspelt_hook": ("on_preproc_header is not a hook of isapy; did you mean on_preproc_headers?", ""),
    "wrong_argument": ("environ", ""),
    "wrong_declarations": ("handler_mappings must return a list of HandlerMapping, not str", ""),
}


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_a_plugin_that_cannot_be_loaded_is_reported_and_the_others_work(site: Site, name: str) -> None:
    """The row and the event say what was wrong and where; a good plugin beside it answers."""
    site.misbehaving(name)
    site.extension("zz_good", ANSWER + "'good'")
    cause, place = MISBEHAVIOUR[name]

    async def main() -> Engine:
        engine = await site.start()
        assert (await attach(engine).ask("/a.n")).text == "good"
        return engine

    row = next(row for row in run(main()).plugin_rows() if row.name == name)
    assert row.state == "failed"
    assert cause in row.detail
    assert place in row.detail
    failures = site.told("plugin-failed")
    assert len(failures) == 1
    assert cause in failures[0]


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("this is no python", "SyntaxError"),
        ("import no_such_library", "no_such_library"),
        ("@hookimpl(wrapper=True)\ndef handle(request): yield", "is a wrapper"),
        ("@hookimpl\ndef filter_info(): return 'HIGH'", "filter_info must return FilterInfo, not str"),
        ("@hookimpl\nasync def module_names(): return ()", "must be a plain def"),
        ("@hookimpl\ndef module_names(): return 'One'", "must return a list of str"),
        ("@hookimpl\ndef in_process_only(): return 'yes'", "must return bool"),
        ("@hookimpl\nasync def on_read_raw_data(connection, data): pass", "must be a plain def"),
        ("@hookimpl\ndef xyzzy(): pass", "xyzzy is not a hook of isapy"),
    ],
)
def test_a_broken_contract_is_named(site: Site, code: str, cause: str) -> None:
    """Every way of breaking it that pluggy lets pass, and those that it does not."""
    site.extension("broken", code)
    row = rows(site)["broken"]
    assert row.state == "failed"
    assert cause in row.detail


def test_load_and_unload_are_called_once_each_in_reverse_order(site: Site) -> None:
    """With the worker's facts; unload also after a load that failed half-way, and at once."""
    for name in ("a", "b"):
        site.extension(
            name,
            """
            @hookimpl
            async def load(context):
                context.state["n"] = len(context.state)
                facts = (context.plugin_name, context.pool_name, context.worker_number, context.isolation_mode)
                context.report_event("life", f"load {facts} {dict(context.settings)}")
            @hookimpl
            def unload(context): context.report_event("life", f"unload {context.plugin_name} {context.state}")
            @hookimpl
            def handle(request): return None
            """,
        )
    site.misbehaving("load_fails_half_way")
    site.pool = '<add name="Pool"><environmentVariables><add name="A" value="1" /></environmentVariables></add>'
    site.pool += '<add name="Other" />'

    async def main() -> None:
        engine = await site.start()
        assert site.told("plugin-warning") == ["closed what was opened: True"]
        await engine.close()
        await engine.close()

    run(main())
    assert site.told("life") == [
        "load ('a', 'Pool', 1, 'WorkerProcess') {}",
        "load ('b', 'Pool', 1, 'WorkerProcess') {}",
        "unload b {'n': 0}",
        "unload a {'n': 0}",
    ]


def test_an_unload_that_fails_is_an_event_and_the_next_is_called(site: Site) -> None:
    """Ending goes on."""
    site.extension("a", "@hookimpl\ndef unload(context): context.report_event('life', 'a')")
    site.extension("b", "@hookimpl\ndef unload(context): 1 / 0")

    async def main() -> None:
        await (await site.start()).close()

    run(main())
    assert site.told("life") == ["a"]
    assert "ZeroDivisionError" in site.told("plugin-error")[0]


def test_a_raw_data_filter_is_refused_in_worker_process_mode(site: Site) -> None:
    """It needs IIS 5 isolation; the event says so, and its other hooks do not run either."""
    site.extension("answers", ANSWER + "'here'")
    raw = "@hookimpl\ndef on_read_raw_data(connection, data): pass\n@hookimpl\ndef begin_request(request): 1 / 0"
    site.filter("raw", raw)

    async def main() -> Engine:
        engine = await site.start()
        assert (await attach(engine).ask("/a.n")).text == "here"
        return engine

    found = {row.name: row for row in run(main()).plugin_rows()}
    assert found["raw"].state == "failed"
    assert "IIS 5 isolation mode" in found["raw"].detail
    assert len(site.told("filter-refused")) == 1


def test_where_no_filter_runs_none_is_called_not_listed(site: Site) -> None:
    """A dllhost runs no filters, listed or not: a row that says "add it" would send the operator the wrong way."""
    site.filter("spare", "def on_log(request, entry): pass")

    async def main(*, runs_filters: bool) -> dict[str, str]:
        engine = await site.start(runs_filters=runs_filters)
        return {row.name: row.state for row in engine.plugin_rows()}

    assert run(main(runs_filters=True))["spare"] == "loaded"
    assert "spare" not in run(main(runs_filters=False))


def test_a_listed_filter_without_a_file_is_reported(site: Site) -> None:
    """The name is said; requests go on."""
    site.filters.append('<filter name="ghost" />')
    assert rows(site)["ghost"].state == "failed"
    assert "no file ghost.py" in site.told("plugin-failed")[0]


def test_an_extension_takes_part_in_the_pipeline_when_modules_lists_it(site: Site) -> None:
    """Loaded once, under its own name; without the list its events are not called."""
    site.extension(
        "both",
        """
        @hookimpl
        def begin_request(request): request.user = "listed"
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="N", path="*.n")]
        @hookimpl
        async def handle(request): return Response.text(request.user or "anonymous")
        """,
    )

    async def main() -> str:
        return (await (await site.serve()).ask("/a.n")).text

    assert run(main()) == "anonymous"
    site.modules.append('<add name="both" />')
    assert run(main()) == "listed"


def test_a_saved_file_runs_as_it_is_now(site: Site) -> None:
    """No byte code is written or read, so two versions saved in one second are never mixed up."""
    site.extension("answers", ANSWER + "'old'")

    async def main() -> str:
        return (await (await site.serve()).ask("/a.n")).text

    assert run(main()) == "old"
    site.extension("answers", ANSWER + "'new'")
    assert run(main()) == "new"
    assert not list(Path(site.folder, "extensions").glob("__pycache__"))


def test_handler_settings_reach_the_plugin(site: Site) -> None:
    """What the configuration gives to a mapping is in the context of the plugin that it names."""
    site.extension(
        "wants",
        "@hookimpl\ndef module_names(): return ['WantsModule']\n"
        "@hookimpl\ndef load(context): context.report_event('life', str(dict(context.settings)))\n"
        "@hookimpl\ndef handle(request): return None",
    )
    site.handlers = (
        '<add name="W" path="*.w" verb="*" modules="WantsModule"><settings><add name="size" value="3" />'
        "</settings></add>"
    )
    rows(site)
    assert site.told("life") == ["{'size': '3'}"]
