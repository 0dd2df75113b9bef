"""Application objects, handlers, factories, events that raise: managed code in a worker, in both pipeline modes."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from host.api.managed.events import AFTER_HANDLER, ANY_TIME, AT_THE_END, BEFORE_HANDLER, INTEGRATED_ONLY
from host.isolation.placement import FRONT_QUEUE
from host.managed.application_factory import trim_count
from tests.worker.front import Front, run
from tests.worker.site import STATIC, Site, attach

CLASSIC = '<add name="Pool" managedPipelineMode="Classic" /><add name="Other" />'
MODES = pytest.mark.parametrize("mode", ["Integrated", "Classic", "IIS5"])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def write_application(site: Site, mode: str, code: str, types: dict[str, str], modules: dict[str, str]) -> None:
    """`types` by pattern and `modules` by name are classes of App_Code/code.py, which `code` is."""
    site.write("App_Code/app.py", "import threading\nfrom host.api.managed import *\n" + dedent(code))
    site.handlers = "".join(
        f'<add name="H{number}" path="{pattern}" verb="*" type="app:{name}" />'
        for number, (pattern, name) in enumerate(types.items())
    )
    site.handlers += STATIC
    site.modules = [f'<add name="{name}" type="app:{kind}" />' for name, kind in modules.items()]
    if mode == "Classic":
        site.pool = CLASSIC
    elif mode == "IIS5":
        site.isolation = "IIS5"
        site.applications = site.applications.replace("<application ", '<application isolation="Low" ')


async def serve(site: Site, mode: str) -> Front:
    """A front of a new engine; in IIS 5 isolation mode inetinfo's, where Low applications run."""
    return attach(await site.start(slot=FRONT_QUEUE if mode == "IIS5" else "Pool"))


RECORDER = """
    class Recorder(IHttpModule):
        def init(self, application):
            for name in EVENTS:
                if name not in ("error", "disposed"):
                    setattr(application, name, getattr(application, name).__iadd__(self.note(name)))

        def note(self, name):
            def noted(application):
                application.context.items.setdefault("seen", []).append(name)
                if name == "end_request":
                    application.application["last"] = application.context.items["seen"]
            return noted

    class Answer(IHttpHandler):
        def process_request(self, context):
            context.items["seen"].append("handler")
            context.response.write("answer")

    class Last(IHttpHandler):
        def process_request(self, context):
            context.response.write(",".join(context.application["last"]))
"""


@MODES
def test_events_come_in_order_in_the_mode_that_has_them(site: Site, mode: str) -> None:
    """Integrated: all 21 stages; classic: without those of integrated mode, and no files."""
    write_application(site, mode, RECORDER, {"*.answer": "Answer", "*.last": "Last"}, {"Recorder": "Recorder"})
    stages = [*BEFORE_HANDLER, "handler", *AFTER_HANDLER, *AT_THE_END]
    if mode != "Integrated":
        stages = [name for name in stages if name not in INTEGRATED_ONLY]

    async def main() -> None:
        front = await serve(site, mode)
        assert (await front.ask("/a.answer")).text == "answer"
        seen = (await front.ask("/a.last")).text.split(",")
        assert [name for name in seen if name not in ANY_TIME] == stages
        assert {"pre_send_request_headers", "request_completed"} <= set(seen)

    run(main())


@MODES
@pytest.mark.parametrize("event", [*BEFORE_HANDLER, *AFTER_HANDLER])
def test_an_exception_in_an_event_is_a_500_of_its_request_alone(site: Site, mode: str, event: str) -> None:
    """Error is raised, end_request still comes, the next request finds a sound application object."""
    if mode != "Integrated" and event in INTEGRATED_ONLY:
        return
    code = f"""
    class Bad(IHttpModule):
        def init(self, application):
            application.{event} += self.fail
            application.error += self.failed
            application.end_request += self.ended
            self.told = application.application.setdefault("told", [])

        def fail(self, application):
            if "bad" in application.request.raw_url:
                raise ValueError("on purpose")

        def failed(self, application):
            self.told.append(str(application.server.get_last_error()))

        def ended(self, application):
            self.told.append("end")

    class Told(IHttpHandler):
        def process_request(self, context):
            context.response.write(",".join(context.application["told"]))
    """
    write_application(site, mode, code, {"*.told": "Told"}, {"Bad": "Bad"})

    async def main() -> None:
        front = await serve(site, mode)
        assert (await front.ask("/a.told?bad")).status == 500
        assert (await front.ask("/a.told")).text == "on purpose,end"
        assert any("on purpose" in text for text in site.told("plugin-error"))

    run(main())


@MODES
def test_application_objects_serve_one_request_at_a_time_and_are_used_again(site: Site, mode: str) -> None:
    """Requests that overlap have an object, module and handler each; those that follow find them again."""
    code = """
    gate = threading.Barrier(3, timeout=60)

    class Own(IHttpModule):
        def init(self, application):
            application.begin_request += self.begin

        def begin(self, application):
            application.context.items["module"] = id(self)

    class Meet(IHttpHandler):
        is_reusable = True

        def process_request(self, context):
            gate.wait()
            context.response.write(f"{id(context.application_instance)} {context.items['module']} {id(self)}")

    class Alone(IHttpHandler):
        def process_request(self, context):
            assert HttpContext.current is context
            self.calls = getattr(self, "calls", 0) + 1
            context.response.write(f"{id(context.application_instance)} {context.items['module']} {self.calls}")
    """
    write_application(site, mode, code, {"*.meet": "Meet", "*.alone": "Alone"}, {"Own": "Own"})

    async def main() -> None:
        front = await serve(site, mode)
        numbers = [front.send("/a.meet") for _ in range(3)]
        met = [(await front.answer(number)).text.split() for number in numbers]
        assert all(len(set(column)) == 3 for column in zip(*met, strict=True))
        alone = [(await front.ask("/a.alone")).text.split() for _ in range(3)]
        assert {one[0] for one in alone} <= {one[0] for one in met}
        assert {one[2] for one in alone} == {"1"}  # a handler that is not reusable is new each time
        again = [front.send("/a.meet") for _ in range(3)]
        assert {tuple((await front.answer(number)).text.split()) for number in again} == {tuple(one) for one in met}

    run(main())


@MODES
def test_a_factory_gives_handlers_and_gets_each_back_once(site: Site, mode: str) -> None:
    """Also after a handler that raises; what it cannot find is a 404."""
    code = """
    class Made(IHttpHandler):
        def process_request(self, context):
            if "bad" in context.request.raw_url:
                raise ValueError("bad")
            context.response.write(str(context.application.get("released", 0)))

    class Factory(IHttpHandlerFactory):
        def get_handler(self, context, request_type, url, path_translated):
            if "missing" in url:
                raise FileNotFoundError(url)
            return Made()

        def release_handler(self, handler):
            state = HttpContext.current.application if HttpContext.current else shared
            shared["released"] = shared.get("released", 0) + 1

    class Share(IHttpModule):
        def init(self, application):
            global shared
            shared = application.application
    """
    write_application(site, mode, code, {"*.made": "Factory"}, {"Share": "Share"})

    async def main() -> None:
        front = await serve(site, mode)
        assert (await front.ask("/a.made")).text == "0"
        assert (await front.ask("/a.made?bad")).status == 500
        assert (await front.ask("/missing.made")).status == 404
        assert (await front.ask("/a.made")).text == "2"

    run(main())


@MODES
def test_wrong_types_are_500_21_with_the_place_to_correct(site: Site, mode: str) -> None:
    """Neither handler nor factory; no such class; no such module; an import that fails is the code's own error."""
    types = {"*.none": "Nothing", "*.no": "Missing"}
    write_application(site, mode, "class Nothing: pass\n", types, {})
    site.handlers = '<add name="U" path="*.unknown" verb="*" type="nowhere:Thing" />' + site.handlers

    async def main() -> None:
        front = await serve(site, mode)
        for path, words in (
            ("/a.none", "neither a handler"),
            ("/a.no", "has no class Missing"),
            ("/a.unknown", "there is no module nowhere"),
        ):
            answer = await front.ask(path)
            assert (answer.status, answer.substatus) == (500, 21)
            assert words in answer.text

    run(main())


def test_a_module_that_is_none_refuses_the_application_and_no_other_plugin(site: Site) -> None:
    """The start fails, with the class's name; it is tried again with the next request."""
    write_application(site, "Integrated", "class NoModule: pass\n", {}, {"Bad": "NoModule"})
    site.write("a.txt", "hello")

    async def main() -> None:
        front = await site.serve()
        for _ in range(2):
            answer = await front.ask("/a.txt")
            assert (answer.status, answer.substatus) == (500, 21)
            assert "app:NoModule" in answer.text

    run(main())


def test_classic_mode_keeps_the_request_as_it_is(site: Site) -> None:
    """Header fields and server variables can be changed in integrated mode only."""
    code = """
    class Change(IHttpHandler):
        def process_request(self, context):
            for change in (
                lambda: context.request.headers.set("X-New", "1"),
                lambda: context.request.server_variables.set("NEW", "1"),
            ):
                try:
                    change()
                    context.response.write("changed ")
                except PlatformNotSupportedException:
                    context.response.write("refused ")
    """
    texts = {}
    for mode in ("Integrated", "Classic"):
        write_application(site, mode, code, {"*.change": "Change"}, {})

        async def main(mode: str = mode) -> None:
            texts[mode] = (await (await serve(site, mode)).ask("/a.change")).text

        run(main())
    assert texts == {"Integrated": "changed changed ", "Classic": "refused refused "}


def test_classic_mode_finds_types_in_http_handlers(site: Site) -> None:
    """A mapping to ManagedEngine without a type; httpModules come before those of modules."""
    code = """
    class Old(IHttpModule):
        def init(self, application):
            application.begin_request += lambda app: app.context.items.setdefault("order", []).append("old")

    class New(IHttpModule):
        def init(self, application):
            application.begin_request += lambda app: app.context.items.setdefault("order", []).append("new")

    class Page(IHttpHandler):
        def process_request(self, context):
            context.response.write(",".join(context.items["order"]))
    """
    write_application(site, "Classic", code, {}, {"New": "New"})
    site.handlers = '<add name="Script" path="*.page" verb="*" modules="ManagedEngine" />' + STATIC
    site.write(
        "web.config",
        '<configuration><system.web><httpModules><add name="Old" type="app:Old" /></httpModules><httpHandlers>'
        '<add verb="GET" path="*.page" type="app:Page" /></httpHandlers></system.web></configuration>',
    )

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/x/a.page")).text == "old,new"
        answer = await front.ask("/a.page", method="POST")
        assert (answer.status, answer.substatus) == (404, 4)

    run(main())


@MODES
def test_server_execute_and_transfer_run_other_urls(site: Site, mode: str) -> None:
    """Their body joins the response, or takes its place; the caller's context is in hand again afterwards."""
    code = """
    class Outer(IHttpHandler):
        def process_request(self, context):
            context.response.write("<")
            if context.request.query_string["flush"]:
                context.response.flush()
            context.server.execute("/inner.in")
            assert HttpContext.current is context and context.application_instance.context is context
            context.response.write(">")
            if context.request.query_string["then"]:
                context.server.transfer("/a.txt")

    class Inner(IHttpHandler):
        def process_request(self, context):
            context.response.write("inner")
    """
    write_application(site, mode, code, {"*.out": "Outer", "*.in": "Inner"}, {})
    site.write("a.txt", "file")

    async def main() -> None:
        front = await serve(site, mode)
        assert (await front.ask("/a.out")).text == "<inner>"
        assert (await front.ask("/a.out?then=1")).text == "file"
        assert (await front.ask("/a.out?flush=1")).text == "<inner>"

    run(main())


def test_a_filter_of_the_response_sees_files_in_integrated_mode(site: Site) -> None:
    """And its close may write the rest."""
    code = """
    class Upper:
        def __init__(self, behind):
            self.behind = behind

        def write(self, data):
            return self.behind.write(data.upper())

        def close(self):
            self.behind.write(b"!")

    class Shout(IHttpModule):
        def init(self, application):
            application.release_request_state += self.install

        def install(self, application):
            application.response.filter = Upper(application.response.filter)
    """
    write_application(site, "Integrated", code, {}, {"Shout": "Shout"})
    site.write("a.txt", "hello")

    async def main() -> None:
        answer = await (await site.serve()).ask("/a.txt")
        assert (answer.text, answer.header("Content-Length")) == ("HELLO!", "")

    run(main())


@pytest.mark.parametrize(("free", "expected"), [(0, 0), (1, 0), (2, 1), (33, 1), (34, 2), (100, 4)])
def test_three_percent_and_one_of_the_free_objects_are_let_go_of(free: int, expected: int) -> None:
    """While more than one is free."""
    assert trim_count(free) == expected


@MODES
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise RuntimeError('no database')", "no database"),
        ("application.begin_request += lambda a, b, c: None", "an event handler takes"),
        ("application.begin_requests += print", "no attribute begin_requests"),
        ("application.begin_request = print", "is an event: subscribe with +="),
    ],
)
def test_a_module_that_cannot_begin_hurts_its_application_alone(site: Site, mode: str, body: str, words: str) -> None:
    """The event says what was raised; another application of the same worker serves."""
    code = f"""
    class Bad(IHttpModule):
        def init(self, application):
            {body}

    class Answer(IHttpHandler):
        def process_request(self, context):
            context.response.write("never")
    """
    write_application(site, mode, code, {"*.answer": "Answer"}, {"Bad": "Bad"})
    other = site.folder / "other"
    other.mkdir()
    (other / "web.config").write_text(
        "<configuration><system.webServer><modules><clear /></modules></system.webServer></configuration>"
    )
    (other / "a.txt").write_text("well")
    place = 'isolation="Low" ' if mode == "IIS5" else ""
    folder = site.directory("/", other)
    site.applications += f'<application {place}path="/other" applicationPool="Pool">{folder}</application>'

    async def main() -> None:
        slot = FRONT_QUEUE if mode == "IIS5" else "Pool"
        front = attach(await site.start(("1:/", "1:/other"), slot=slot))
        assert (await front.ask("/x.answer")).status == 500
        answer = await front.ask("/other/a.txt", application="1:/other")
        assert (answer.status, answer.file_bytes() if answer.files else answer.body) == (200, b"well")
        assert any(words in text for text in site.told("plugin-error"))

    run(main())
