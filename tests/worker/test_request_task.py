"""Requests that run without a task, and become one when something may have to wait."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import pytest

from host.wire.frames import Kind
from host.worker.engine import Engine
from tests.worker.front import CLOSERS, Front, run, until
from tests.worker.site import Site, attach

P = ParamSpec("P")

GATED = """
import threading
gate = threading.Event()
seen = []
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Gated", path="*.gated")]
@hookimpl
def handle(request):
    seen.append("began")
    gate.wait()
    seen.append("ended")
    return Response.text("through")
"""

WATCHES = """
import asyncio, contextvars
about = contextvars.ContextVar("about", default="nothing")
@hookimpl
def on_preproc_headers(request):
    about.set(request.raw_target)
@hookimpl
def on_send_response(request, response):
    response.headers.add("X-Heard", f"{about.get()} {asyncio.current_task()}")
"""


def on_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that runs on a fresh loop, and what it has opened is closed."""

    @functools.wraps(test)
    def runs(*arguments: P.args, **options: P.kwargs) -> None:
        run(test(*arguments, **options))

    return runs


async def begun(site: Site) -> tuple[Engine, Front]:
    """A worker whose application has started; its settings are not looked at again: that is done in a task."""
    engine = await site.start()
    front = attach(engine)
    await front.ask("/")
    for served in engine._served.values():
        served.plan_checked_at = float("inf")
    return engine, front


def code_of(engine: Engine, extension: str) -> Any:
    """The module that a plugin's file has become."""
    plugin = engine._plugins.extension(extension)
    assert plugin is not None
    return plugin.code


@on_a_loop
async def test_a_request_that_waits_for_a_thread_needs_no_task(site: Site) -> None:
    """It goes on when the thread is done, in its own context; many of them in turn and beside one another."""
    site.extension("gated", GATED)
    site.filter("watches", WATCHES)
    engine, front = await begun(site)
    code = code_of(engine, "gated")
    CLOSERS.append(code.gate.set)
    tasks = asyncio.all_tasks()
    numbers = [front.send(f"/{n}.gated") for n in range(3)]
    await until(lambda: code.seen == ["began"] * 3)
    assert asyncio.all_tasks() == tasks
    assert engine.requests_in_hand == 3
    code.gate.set()
    answers = [await front.answer(number) for number in numbers]
    assert [answer.text for answer in answers] == ["through"] * 3
    assert [answer.header("X-Heard") for answer in answers] == [f"/{n}.gated None" for n in range(3)]
    assert engine.requests_in_hand == 0


@on_a_loop
@pytest.mark.parametrize("is_left", [True, False])
async def test_a_request_that_waits_for_a_thread_ends_behind_it(site: Site, is_left: bool) -> None:
    """Whether the client leaves or the worker ends: the thread's end is waited for, the request is not given back
    before, and what the thread answers goes nowhere."""
    site.extension("gated", GATED)
    engine, front = await begun(site)
    code = code_of(engine, "gated")
    CLOSERS.append(code.gate.set)
    number = front.send("/a.gated")
    await until(lambda: code.seen == ["began"])
    exchange = engine._channel.exchanges()[0]
    if is_left:
        front.say(Kind.ABORT, number)
        await until(lambda: exchange.is_gone)
    else:
        closing = asyncio.ensure_future(engine.close())
        await until(lambda: exchange.is_gone)
    for _ in range(20):
        await asyncio.sleep(0)
    assert engine.requests_in_hand == 1
    code.gate.set()
    if is_left:
        assert (await front.answer(number)).kinds[-1] is Kind.RESET
    else:
        await closing
    assert (engine.requests_in_hand, code.seen) == (0, ["began", "ended"])


ANSWERS = """
import asyncio
from host.api import ThreadAnswer
contexts = []

class Answer(ThreadAnswer):
    def __init__(self, pending): self.pending = pending
    def __await__(self): return (yield from self.pending.__await__())

class Polite(ThreadAnswer):
    def __await__(self):
        yield
        return (yield from asyncio.sleep(0.01, Response.text(str(asyncio.current_task() is not None))).__await__())

class Sleeper(ThreadAnswer):
    def __await__(self): return (yield from asyncio.sleep(0.01, Response.text("slept")).__await__())

@hookimpl
def load(context): contexts.append(context)
@hookimpl
def handler_info(): return HandlerInfo(quick=True)
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Answers", path="*.answers")]
@hookimpl
def handle(request):
    threads, what = contexts[0].threads, request.raw_query
    if what == "sleeps":
        return Sleeper()
    if what == "gives-way":
        return Polite()
    pending = threads.pending_result()
    made = {"good": lambda: Response.text("made on a thread"), "raises": lambda: 1 // 0, "babbles": lambda: "text"}
    threads.submit(made[what], (), pending)
    return Answer(pending)
"""


@on_a_loop
@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        ("good", 200, "made on a thread"),
        ("raises", 500, "ZeroDivisionError"),
        ("babbles", 500, "a thread must answer with a Response, not str"),
        ("sleeps", 500, "await wasn't used with future"),
        ("gives-way", 200, "True"),
    ],
)
async def test_a_plugin_may_answer_from_a_thread(site: Site, what: str, status: int, said: str) -> None:
    """What its thread makes is the answer; what it raises, an answer that is none, and one that waits for something
    else than a thread are its own failures."""
    site.extension("answers", ANSWERS)
    engine, front = await begun(site)
    answer = await front.ask(f"/a.answers?{what}")
    assert answer.status == status
    assert said in (answer.text if status == 200 else "\n".join(site.told("plugin-error")))
    assert engine.requests_in_hand == 0


HOLDS = """
import os
from host.api import ThreadAnswer
files, pending, contexts, answers = [], [], [], []
class Answer(ThreadAnswer):
    def __await__(self): return (yield from pending[0].__await__())
class Named(Answer):
    def waits_for(self): return pending[0]
    def response_at_once(self): return answers[0]
class Pieces:
    def __aiter__(self): return self
    async def __anext__(self): raise StopAsyncIteration
    async def aclose(self): files.append("closed")
@hookimpl
def load(context): contexts.append(context)
@hookimpl
def handler_info(): return HandlerInfo(quick=True)
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Holds", path="*.holds")]
@hookimpl
def handle(request):
    pending[:] = [contexts[0].threads.pending_result()]
    return Named() if request.raw_query == "named" else Answer()
def answer(what):
    answers[:] = [response_of(what)]
    return answers[0]
def response_of(what):
    if what == "pieces": return Response(body=Pieces())
    files.append(os.open(__file__, os.O_RDONLY))
    return Response(status=404 if what == "replaced" else 200, body=FileBody(files[0], 0, 1))
"""


@on_a_loop
@pytest.mark.parametrize("target", ["/a.holds", "/a.holds?named"])
@pytest.mark.parametrize("what", ["file", "pieces", "replaced"])
async def test_a_client_that_leaves_just_when_the_answer_has_come_leaves_nothing_open(
    site: Site, what: str, target: str
) -> None:
    """The task that was to send it is cancelled before its first step: files and iterators are closed all the same."""
    site.extension("holds", HOLDS)
    site.further = '<httpErrors existingResponse="Replace" />'
    engine, front = await begun(site)
    code = code_of(engine, "holds")
    number = front.send(target)
    await until(lambda: code.pending)
    (exchange,) = engine._channel.exchanges()

    def answer_and_leave() -> None:
        code.pending[0].set_result(code.answer(what))
        exchange.client_left()

    asyncio.get_running_loop().call_soon(answer_and_leave)
    assert (await front.answer(number)).kinds[-1] is Kind.RESET
    await until(lambda: not engine.requests_in_hand)
    if what == "pieces":
        assert code.files == ["closed"]
    else:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(code.files[0])


LEFT = """
from host.api import ThreadAnswer
ends, contexts = [], []
class Named(ThreadAnswer):
    def __init__(self): self.pending = contexts[0].threads.pending_result()
    def waits_for(self): return self.pending
    def response_at_once(self): return Response.text("too late")
    def __await__(self):
        try:
            return (yield from self.pending.__await__())
        except BaseException as error:
            ends.append(type(error).__name__)
            raise
@hookimpl
def load(context): contexts.append(context)
@hookimpl
def handler_info(): return HandlerInfo(quick=True)
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Left", path="*.left")]
@hookimpl
def handle(request): return Named()
"""


@on_a_loop
@pytest.mark.parametrize("is_in_task", [False, True])
async def test_an_answer_that_no_coroutine_waits_for_is_cancelled_when_the_client_leaves(
    site: Site, is_in_task: bool
) -> None:
    """It gets a coroutine for that, whoever tells it: a callback of the link, or a task that ends the request."""
    site.extension("left", LEFT)
    engine, front = await begun(site)
    code = code_of(engine, "left")
    number = front.send("/a.left")
    await until(engine._channel.exchanges)
    (exchange,) = engine._channel.exchanges()
    (call,) = engine._caller.under_way
    assert call.is_about(exchange.request)
    assert [served.in_hand for served in engine._served.values()] == [1]
    if is_in_task:
        exchange.client_left()
    else:
        asyncio.get_running_loop().call_soon(exchange.client_left)
    assert (await front.answer(number)).kinds[-1] is Kind.RESET
    await until(lambda: not engine.requests_in_hand)
    assert code.ends == ["CancelledError"]
    assert [served.in_hand for served in engine._served.values()] == [0]
    assert not engine._caller.under_way


STAYS = """
import asyncio
from host.api import ThreadAnswer
pending, contexts, ends = [], [], []
class Pieces:
    async def __aiter__(self):
        for piece in (b"one ", b"two"):
            await asyncio.sleep(0.001)
            yield piece
class Named(ThreadAnswer):
    def waits_for(self): return pending[0]
    def response_at_once(self): return Response(body=Pieces())
    def __await__(self):
        try:
            yield from pending[0].__await__()
        except asyncio.CancelledError:
            ends.append((yield from pending[0].__await__()))
            raise
        return self.response_at_once()
@hookimpl
def load(context): contexts.append(context)
@hookimpl
def handler_info(): return HandlerInfo(quick=True)
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Stays", path="*.stays")]
@hookimpl
def handle(request):
    pending[:] = [contexts[0].threads.pending_result()]
    return Named()
"""


@on_a_loop
async def test_a_task_that_has_brought_the_answer_and_asks_for_the_requests_end_gets_a_task_for_it(site: Site) -> None:
    """The request would go on with the loop's next turn; nothing of it runs inside the task that asks."""
    site.extension("stays", STAYS)
    engine, front = await begun(site)
    code = code_of(engine, "stays")
    number = front.send("/a.stays")
    await until(engine._channel.exchanges)
    (exchange,) = engine._channel.exchanges()
    code.pending[0].set_result("it")
    ended = asyncio.ensure_future(engine._channel.requests_ended(exchange.request.connection))
    await engine._channel.requests_ended(exchange.request.connection)
    await ended
    assert (await front.answer(number)).text == "one two"
    assert not engine.requests_in_hand


@on_a_loop
async def test_an_answer_that_is_cancelled_may_wait_for_its_result_all_the_same(site: Site) -> None:
    """As one does whose thread cannot be left alone: it is in a task then."""
    site.extension("stays", STAYS)
    engine, front = await begun(site)
    code = code_of(engine, "stays")
    number = front.send("/a.stays")
    await until(engine._channel.exchanges)
    front.say(Kind.ABORT, number)
    (exchange,) = engine._channel.exchanges()
    await until(lambda: exchange.is_gone)
    await asyncio.sleep(0)
    assert engine.requests_in_hand == 1
    code.pending[0].set_result("it")
    assert (await front.answer(number)).kinds[-1] is Kind.RESET
    await until(lambda: not engine.requests_in_hand)
    assert code.ends == ["it"]
    assert not site.told("plugin-error")
