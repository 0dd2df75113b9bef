"""The engine: its life, its counters, and the promises that concern it as a whole."""

from __future__ import annotations

import asyncio
import threading

import pytest

from host.wire.frames import Kind, ResponseFlag
from tests.worker.front import CLOSERS, run, until
from tests.worker.site import Site, attach

WAIT = """
import threading
gate, began = threading.Event(), threading.Semaphore(0)
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Wait", path="*.wait")]
@hookimpl
def load(context): context.report_event("gate", "ready"); gates.append(context)
gates = []
@hookimpl
def handle(request):
    gates[0].report_event("life", "began")
    gates[0].state.setdefault("gate", gate).wait()
    return Response.text("waited")
"""


def test_counters_follow_the_requests(site: Site) -> None:
    """Served, in hand, idle time; the probe returns."""
    site.write("page.txt", "page")

    async def main() -> None:
        engine = await site.start()
        front = attach(engine)
        await engine.probe()
        for _ in range(3):
            await front.ask("/page.txt")
        assert (engine.requests_served, engine.requests_in_hand) == (3, 0)
        assert engine.idle_seconds >= 0

    run(main())


def test_a_probe_does_not_return_while_every_thread_is_stuck(site: Site) -> None:
    """A worker in that state fails its ping; when a thread is free again it answers."""
    site.extension("waits", WAIT)

    async def main() -> None:
        engine = await site.start(capacity=100)
        front = attach(engine)
        await front.until(lambda: front.credit == 100)
        numbers = [front.send("/a.wait") for _ in range(70)]
        await until(lambda: len(site.told("life")) == 64)
        gate = engine._plugins.extension("waits").code.gate  # type: ignore[union-attr]
        CLOSERS.append(gate.set)
        probe = asyncio.ensure_future(engine.probe())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not probe.done()
        assert engine.requests_in_hand == 70
        assert engine.idle_seconds == 0
        gate.set()
        await probe
        answers = [await front.answer(number) for number in numbers]
        assert {answer.text for answer in answers} == {"waited"}
        await front.until(lambda: front.credit == 170)  # credits that were kept back have come

    run(main())


def test_close_cancels_what_is_in_hand_and_unloads(site: Site) -> None:
    """A hanging handler does not hold the end."""
    site.misbehaving("hangs")
    site.extension("last", "@hookimpl\ndef unload(context): context.report_event('life', 'unloaded')")

    async def main() -> None:
        engine = await site.start()
        front = attach(engine)
        front.send("/a.hang")
        await until(lambda: "hangs" in site.told("plugin-warning"))
        await engine.close()
        assert site.told("plugin-warning") == ["hangs", "cancelled"]
        assert site.told("life") == ["unloaded"]
        assert engine.requests_in_hand == 0

    run(main())


def test_drained_after_the_fronts_last_word(site: Site) -> None:
    """DRAIN and nothing in hand."""
    site.write("page.txt", "page")

    async def main() -> None:
        engine = await site.start()
        front = attach(engine)
        await front.ask("/page.txt")
        assert not engine.drained.done()
        front.say(Kind.DRAIN)
        await engine.drained

    run(main())


@pytest.mark.parametrize("cache", ["true", "false"])
def test_a_filter_that_tolerates_no_cache_marks_every_answer(site: Site, cache: str) -> None:
    """NO_CACHE unless the filter is listed with enableCache."""
    site.write("page.txt", "page")
    site.filter("plain", "@hookimpl\ndef on_log(request, entry): pass", listed=False)
    site.filters.append(f'<filter name="plain" enableCache="{cache}" />')

    async def main() -> None:
        answer = await (await site.serve()).ask("/page.txt")
        assert bool(answer.flags & ResponseFlag.NO_CACHE) == (cache == "false")

    run(main())


def test_disabled_filters_and_conditions_that_do_not_hold_are_left_out(site: Site) -> None:
    """enabled="false" and preCondition."""
    site.write("page.txt", "page")
    for name, further in (("off", 'enabled="false"'), ("classic", 'preCondition="classicMode"')):
        site.filter(name, "@hookimpl\ndef begin_request(request): return Response.text('never')", listed=False)
        site.filters.append(f'<filter name="{name}" {further} />')

    async def main() -> None:
        assert (await (await site.serve()).ask("/page.txt")).text == "page"

    run(main())


@pytest.mark.slow
def test_a_module_that_a_web_config_adds_is_loaded_while_requests_run(site: Site) -> None:
    """The plan follows the settings of the application's root."""
    site.write("page.txt", "page")
    site.filter("late", "@hookimpl\ndef begin_request(request): return Response.text('late')", listed=False)
    entry = '<configuration><system.webServer><modules><add name="late" /></modules></system.webServer></configuration>'

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/page.txt")).text == "page"
        site.write("web.config", entry)
        texts: list[str] = []
        while texts[-1:] != ["late"]:
            texts.append((await front.ask("/page.txt")).text)
        assert set(texts) <= {"page", "late"}

    run(main())


def test_several_applications_of_a_pool_share_a_worker(site: Site) -> None:
    """Each with its own folder and settings."""
    app = site.folder / "app"
    app.mkdir()
    (app / "page.txt").write_text("of the application")
    site.write("page.txt", "of the root")
    site.applications += f'<application path="/app" applicationPool="Pool">{site.directory("/", app)}</application>'

    async def main() -> None:
        front = await site.serve(("1:/", "1:/app"))
        assert (await front.ask("/page.txt")).text == "of the root"
        assert (await front.ask("/app/page.txt", application="1:/app")).text == "of the application"

    run(main())


def test_threads_end_with_the_engine(site: Site) -> None:
    """No thread of the pool outlives its worker's end."""
    site.extension("waits", WAIT.replace(".wait()", ".is_set()"))

    async def main() -> None:
        engine = await site.start()
        await attach(engine).ask("/a.wait")
        assert [thread for thread in threading.enumerate() if thread.name.startswith("Pool thread")]
        await engine.close()
        await until(lambda: not [one for one in threading.enumerate() if one.name.startswith("Pool thread")])

    run(main())
