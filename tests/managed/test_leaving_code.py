"""Managed code that would leave more than its request: sys.exit, KeyboardInterrupt, coroutines that nobody awaits."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.managed.test_runtime import MODES, serve, write_application
from tests.worker.front import run
from tests.worker.site import Site

CODE = """
    class Plain(IHttpHandler):
        def process_request(self, context):
            {raising}

    class OnLoop(IHttpAsyncHandler):
        async def process_request_async(self, context):
            {raising}

    class Factory(IHttpHandlerFactory):
        def get_handler(self, context, request_type, url, path_translated):
            return Well()

        def release_handler(self, handler):
            {raising}

    class Well(IHttpHandler):
        def process_request(self, context):
            context.response.write("well")

    class Filter:
        def write(self, data):
            pass

        def close(self):
            {raising}

    class Filtered(IHttpHandler):
        def process_request(self, context):
            context.response.filter = Filter()
            context.response.write("filtered")

    class Module(IHttpModule):
        def init(self, application):
            application.begin_request += self.begin

        def begin(self, application):
            if "module" in application.request.query_string:
                {raising}
"""


@pytest.fixture(autouse=True)
def ctrl_c_is_ignored() -> Iterator[None]:
    """As in isapy's own processes."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@MODES
@pytest.mark.parametrize(
    ("raising", "words"),
    [("raise SystemExit(3)", "called sys.exit(3)"), ("raise KeyboardInterrupt", "raised KeyboardInterrupt")],
)
def test_what_would_end_the_worker_is_the_error_of_its_request(site: Site, mode: str, raising: str, words: str) -> None:
    """On a thread, on the loop, in a factory, a filter and a module: 500, the event has the place."""
    kinds = {"*.plain": "Plain", "*.loop": "OnLoop", "*.made": "Factory", "*.filtered": "Filtered", "*.well": "Well"}
    write_application(site, mode, CODE.format(raising=raising), kinds, {"Module": "Module"})

    async def main() -> None:
        front = await serve(site, mode)
        for number, target in enumerate(("/a.plain", "/a.loop", "/a.made", "/a.filtered", "/a.well?module=1"), 1):
            assert (await front.ask(target)).status == 500
            told = site.told("plugin-error")
            assert len(told) == number
            assert words in told[-1]
            assert "app.py:" in told[-1]
            assert (await front.ask("/a.well")).text == "well"

    run(main())


@MODES
def test_a_process_request_that_is_a_coroutine_function_is_no_empty_answer(site: Site, mode: str) -> None:
    """500, and the event says what to call it."""
    code = """
    class Wrong(IHttpHandler):
        async def process_request(self, context):
            context.response.write("never")
    """
    write_application(site, mode, code, {"*.wrong": "Wrong"}, {})

    async def main() -> None:
        answer = await (await serve(site, mode)).ask("/a.wrong")
        assert answer.status == 500
        assert "process_request of Wrong is a coroutine function" in answer.text
        assert "process_request_async" in answer.text

    run(main())


@MODES
def test_a_process_request_async_that_is_no_coroutine_function_is_told_so(site: Site, mode: str) -> None:
    """500 with the two ways out, and not Python's words about `await`."""
    code = """
    class Wrong(IHttpAsyncHandler):
        def process_request_async(self, context):
            context.response.write("never")
    """
    write_application(site, mode, code, {"*.wrong": "Wrong"}, {})

    async def main() -> None:
        answer = await (await serve(site, mode)).ask("/a.wrong")
        assert answer.status == 500
        assert "process_request_async of Wrong gave NoneType, which cannot be awaited" in answer.text
        assert "async def" in answer.text

    run(main())


@MODES
def test_an_application_that_would_end_the_worker_with_its_start_is_not_started(site: Site, mode: str) -> None:
    """Each of its requests is a 500 that says so."""
    write_application(site, mode, "class Well(IHttpHandler): pass", {"*.well": "Well"}, {})
    site.write("global_asax.py", "def application_start(sender, e):\n    raise SystemExit('no settings')\n")

    async def main() -> None:
        front = await serve(site, mode)
        for _ in range(2):
            answer = await front.ask("/a.well")
            assert answer.status == 500
            assert "called sys.exit(" in answer.text

    run(main())


@MODES
def test_what_a_module_holds_is_let_go_of_when_the_next_one_cannot_begin(site: Site, mode: str) -> None:
    """And one that would end the worker with its end keeps no other from it."""
    code = """
    class First(IHttpModule):
        def init(self, application):
            pass

        def dispose(self):
            print("first has let go", flush=True)
            raise SystemExit(4)

    class Second(IHttpModule):
        def init(self, application):
            raise ValueError("no settings")

    class Well(IHttpHandler):
        def process_request(self, context):
            context.response.write("well")
    """
    write_application(site, mode, code, {"*.well": "Well"}, {"First": "First", "Second": "Second"})

    async def main() -> None:
        front = await serve(site, mode)
        assert (await front.ask("/a.well")).status == 500
        assert [text for text in site.told("plugin-error") if "First.dispose" in text and "sys.exit(4)" in text]

    run(main())
