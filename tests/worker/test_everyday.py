"""Requests that are served without a coroutine, and those that only begin so: the same answers, no hook twice."""

from __future__ import annotations

import pytest

from tests.worker.front import Answer, run
from tests.worker.site import Site, attach

HANDLER = """
import asyncio
from host.api import ThreadAnswer
tasks, contexts = [], []
class Late(ThreadAnswer):
    def __init__(self, what):
        self.what, self.pending = what, contexts[0].threads.pending_result()
        if what == "late-done": self.pending.set_result(None)
        else: asyncio.get_running_loop().call_soon(self.pending.set_result, None)
    def waits_for(self):
        if self.what == "late-breaks": raise LookupError("late-breaks")
        if self.what == "late-unknown": return asyncio.get_running_loop().create_future()
        return self.pending
    def answer(self):
        tasks.append(asyncio.current_task())
        if self.what in ("late-raises", "late-breaks"): raise LookupError(self.what)
        if self.what == "late-refuses": raise HttpError(403, 4, "not you")
        if self.what == "late-wrong": return "text"
        if self.what == "late-missing": return Response.text("not here", status=404)
        if self.what == "late-pieces": return Response(body=iter([b"one ", b"two"]))
        return Response.text(self.what)
    def response_at_once(self): return None if self.what == "late-awaited" else self.answer()
    def __await__(self):
        yield from self.pending.__await__()
        return self.answer()
@hookimpl
def load(context): contexts.append(context)
@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Quick", path="*.quick"), HandlerMapping(name="Async", path="*.async", modules="later")]
@hookimpl
def handler_info(): return HandlerInfo(quick=True)
@hookimpl
def handle(request):
    tasks.append(asyncio.current_task())
    what = request.raw_query
    if what.startswith("late"): return Late(what)
    if what == "raise": raise LookupError("nowhere")
    if what == "refuse": raise HttpError(403, 4, "not you")
    if what == "awaitable": return later()
    if what == "nothing": return None
    if what == "wrong": return "text"
    if what == "missing": return Response.text("not here", status=404)
    if what == "large": return Response(body=bytes(100_000))
    if what == "pieces": return Response(body=iter([b"one ", b"two"]))
    if what == "elsewhere": return Response.local_redirect("/b.quick?there")
    if what == "no-body": return Response(status=204)
    if what == "raw": return Response(body=b"HTTP/1.1 200 OK\\r\\n\\r\\nraw", raw=True)
    if what == "no-status":
        response = Response.text("no status")
        response.status = "200"
        return response
    return Response.text(what)
async def later():
    return Response.text("later")
"""
LATER = """
@hookimpl
async def handle(request): return Response.text("asynchronous")
"""
FILTER = """
calls = []
def note(name, request):
    calls.append(name)
    wish = request.first_header("X-Wish")
    if wish == f"{name} answers": return Response.text(f"from {name}")
    if wish == f"{name} raises": raise LookupError(f"in {name}")
    if wish == f"{name} refuses": raise HttpError(403, 7, f"in {name}")
    if wish == f"{name} is wrong": return 17
@hookimpl
def on_preproc_headers(request): return note("on_preproc_headers", request)
@hookimpl
def on_send_response(request, response):
    if request.first_header("X-Wish") == "large": response.body = bytes(100_000)
    if request.first_header("X-Wish") == "broken": response.body = 17
    if request.first_header("X-Wish") == "missing": response.status, response.body = 404, b""
    if request.first_header("X-Wish") == "elsewhere": response.internal_target = "/b.quick?there"
    return note("on_send_response", request)
@hookimpl
def on_end_of_request(request): return note("on_end_of_request", request)
"""
SECOND = """
calls = []
@hookimpl
def on_preproc_headers(request): calls.append("second")
@hookimpl
def on_send_response(request, response): calls.append("second")
@hookimpl
def on_end_of_request(request): calls.append("second")
"""
BETWEEN = """
@hookimpl
def post_map_request_handler(request): pass
"""
HOOKS = ("on_preproc_headers", "on_send_response", "on_end_of_request")
QUERIES = (
    *("plain", "raise", "refuse", "awaitable", "nothing", "wrong", "missing", "large", "pieces"),
    *("elsewhere", "no-body", "raw", "no-status"),
    *("late", "late-done", "late-unknown", "late-raises", "late-breaks", "late-refuses", "late-wrong"),
    *("late-missing", "late-pieces", "late-awaited"),
)
WISHES = (
    *(f"{hook} {what}" for hook in HOOKS for what in ("answers", "raises", "refuses", "is wrong")),
    *("large", "broken", "missing", "elsewhere"),
)


def everything(site: Site, *, is_plain: bool) -> tuple[list[tuple[str, object]], list[str], list[str]]:
    """Every case's answer, the hooks that were called for all of them, and the events."""

    async def main() -> tuple[list[tuple[str, object]], list[str]]:
        engine = await site.start()
        front = attach(engine)
        for served in engine._served.values():
            await front.ask("/x.quick?plain")
            served.plan_checked_at = float("inf")  # a look at its settings is made in a task
        found: list[tuple[str, object]] = []
        for query in QUERIES:
            found.append((query, shown(await front.ask(f"/a.quick?{query}"))))
            found.append((f"HEAD {query}", shown(await front.ask(f"/a.quick?{query}", method="HEAD"))))
        for wish in WISHES:
            fields = f"Host: localhost\r\nX-Wish: {wish}\r\n".encode()
            found.append((wish, shown(await front.ask("/a.quick?plain", fields=fields))))
            found.append((f"HEAD {wish}", shown(await front.ask("/a.quick?plain", method="HEAD", fields=fields))))
            found.append((f"late {wish}", shown(await front.ask("/a.quick?late", fields=fields))))
        for target in ("/a.async", "/none", "/%zz", "/%00"):
            found.append((target, shown(await front.ask(target))))
        assert engine.requests_in_hand == 0
        assert all(served.in_hand == 0 for served in engine._served.values())
        assert not engine._caller.under_way
        (application,) = engine._served.values()
        assert application.plan.is_plain is is_plain
        calls = [one.plugin.code.calls for one in application.filters]
        return found, [f"{at} {call}" for at, one in enumerate(calls) for call in one]

    found, calls = run(main())
    return found, calls, [text.partition(" at /")[0] for name, text in site.events if name == "plugin-error"]


def shown(answer: Answer) -> object:
    text = answer.text if len(answer.body) < 1000 else str(len(answer.body))
    # an error page's id and time are the request's own
    return (answer.status, answer.substatus, answer.flags, text if answer.status < 400 else "", len(answer.kinds) > 0)


@pytest.fixture
def filtered(site: Site) -> Site:
    site.extension("quick", HANDLER)
    site.extension("later", LATER)
    site.filter("first", FILTER)
    site.filter("second", SECOND)
    return site


def test_what_begins_without_a_coroutine_ends_as_with_one(
    filtered: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every way in which a request may turn out not to be everyday, beside a module for which every request has one."""
    other = Site(tmp_path_factory.mktemp("other"))
    for name in ("quick", "later"):
        other.extension(name, HANDLER if name == "quick" else LATER)
    other.filter("first", FILTER)
    other.filter("second", SECOND)
    other.module("between", BETWEEN)
    plain, coroutine = everything(filtered, is_plain=True), everything(other, is_plain=False)
    for mine, theirs in zip(plain[0], coroutine[0], strict=True):
        assert mine == theirs
    assert plain[1] == coroutine[1]
    assert plain[2] == coroutine[2]
    assert len(plain[2]) > 10


def test_an_everyday_request_has_no_task_and_leaves_nothing(filtered: Site) -> None:
    """Also one whose body is sent piece by piece, until that begins; `request.host` is there for the handler."""

    async def main() -> None:
        engine = await filtered.start()
        front = attach(engine)
        await front.ask("/a.quick?plain")
        for served in engine._served.values():
            served.plan_checked_at = float("inf")
        code = engine._plugins.extension("quick").code  # type: ignore[union-attr]
        code.tasks.clear()
        served_before = engine.requests_served
        assert (await front.ask("/a.quick?plain")).text == "plain"
        assert (await front.ask("/a.quick?pieces")).text == "one two"
        assert code.tasks == [None, None]
        assert (await front.ask("/a.quick?late")).text == "late"
        assert code.tasks == [None] * 4
        assert engine.requests_served == served_before + 3

    run(main())


def test_an_application_that_lacks_a_filter_answers_nothing(site: Site) -> None:
    """The filter may be what protects it: requests that follow one another at once are refused as the first one is."""
    site.extension("quick", HANDLER)
    site.filter("first", "raise LookupError('cannot be loaded')")

    async def main() -> None:
        engine = await site.start()
        front = attach(engine)
        await front.ask("/a.quick?plain")
        for served in engine._served.values():
            served.plan_checked_at = float("inf")
        answer = await front.ask("/a.quick?plain")
        assert (answer.status, answer.substatus) == (500, 21)

    run(main())


LEADS = """
@hookimpl
def on_preproc_headers(request): request.set_url("/other" + request.raw_target)
"""
NOTES = """
@hookimpl
def on_send_response(request, response): response.headers.add("X-Noted", request.path)
"""


@pytest.mark.parametrize("further", ["", '<add name="between" />'])
def test_a_request_that_is_led_to_another_application_stays_with_its_own_plugins(site: Site, further: str) -> None:
    """They see it through to its end, whichever way it takes; the other application's see nothing of it."""
    site.extension("quick", HANDLER)
    site.extension("later", LATER)
    site.filter("leads", LEADS)
    site.module("between", BETWEEN)
    site.module("notes", NOTES)
    site.modules = [further]
    section = '<system.webServer><modules><add name="notes" /></modules></system.webServer>'
    site.write("other/web.config", f"<configuration>{section}</configuration>")
    folder = site.directory("/", site.root / "other")
    site.applications += f'<application path="/other" applicationPool="Pool">{folder}</application>'

    async def main() -> None:
        engine = await site.start(["1:/", "1:/other"])
        front = attach(engine)
        for own, path in ("1:/", ""), ("1:/other", "/other/a.quick"):
            await front.ask("/a.quick?plain", application=own)
            engine._served[own].plan_checked_at = float("inf")
            assert engine._served[own].plan.is_plain is not bool(further)
            for target in ("/a.quick?plain", "/a.quick?refuse", "/a.async"):
                answer = await front.ask(target, application=own)
                assert answer.header("X-Noted") == path.replace("a.quick", target[1:].partition("?")[0])
        assert [served.in_hand for served in engine._served.values()] == [0, 0]

    run(main())


DISK = """
import os
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Disk", path="*.page", resource_type=ResourceType.FILE)]
@hookimpl
def handler_info(): return HandlerInfo(quick=True)
@hookimpl
def handle(request):
    if request.raw_query == "remove": os.unlink(request.physical_path)
    return Response.text(request.method)
"""


def test_requests_that_have_come_together_find_the_disk_as_it_was_then(site: Site) -> None:
    """One look at it for all of a kind; whoever comes later finds it as it is, and so does another method or URL."""
    site.extension("disk", DISK)
    for name in ("a.page", "b.page"):
        site.write(name)

    async def main() -> list[list[int]]:
        engine = await site.start()
        front = attach(engine)
        for served in engine._served.values():
            await front.ask("/b.page")
            served.plan_checked_at = float("inf")
        together = [
            front.send("/a.page?remove"),
            front.send("/a.page"),
            front.send("/a.page", method="POST"),
            front.send("/c.page"),
            front.send("/b.page"),
        ]
        found = [[(await front.answer(number)).status for number in together]]
        together = [front.send(target) for target in ("/a.page", "/a.page", "/b.page")]
        found.append([(await front.answer(number)).status for number in together])
        site.write("a.page")
        found.append([(await front.ask("/a.page")).status])
        return found

    assert run(main()) == [[200, 200, 404, 404, 200], [404, 404, 200], [200]]
