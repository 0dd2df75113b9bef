"""requestTimeLimit: what takes too long is answered with 504, ended where it can be, and named."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from host.wire.frames import Kind
from tests.worker.front import CLOSERS, Answer, run, until
from tests.worker.site import Site, attach

POOL = '<add name="Pool"><processModel requestTimeLimit="00:00:01" /></add><add name="Other" />'
SLOW = """
import asyncio, threading
gate = threading.Event()
ends, cancelled = [], []
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Slow", path="*.slow")]
@hookimpl
async def handle(request):
    if request.raw_query == "body":
        async def pieces():
            yield b"first"
            await forever(request)
        return Response(body=pieces())
    if request.raw_query == "stubborn":
        try:
            await forever(request)
        except asyncio.CancelledError:
            await asyncio.get_running_loop().run_in_executor(None, gate.wait, 90)
            raise
    await forever(request)
async def forever(request):
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled.append(request.raw_query)
        raise
"""
BLOCKING = """
import threading
gate = threading.Event()
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Blocking", path="*.block")]
@hookimpl
def handle(request):
    gate.wait(90)
    return Response.text("too late")
"""
TRACE = """
@hookimpl
def on_log(request, entry): seen.append(("log", entry.http_status))
@hookimpl
def end_request(request, response): seen.append(("end", response.status))
seen = []
"""


@pytest.fixture
def limited(site: Site) -> Site:
    site.pool = POOL
    return site


def line_of(path: Path, text: str) -> int:
    return path.read_text().splitlines().index(text) + 1


def test_an_asynchronous_handler_is_cancelled_and_the_page_names_it(limited: Site) -> None:
    """504 with plugin, line and remedy for a local client; the plugins at the end of the request see the 504."""
    path = limited.extension("slow", SLOW)
    limited.filter("trace", TRACE)
    place = line_of(path, "        await asyncio.Event().wait()")

    async def main() -> None:
        engine = await limited.start()
        front = attach(engine)
        before = front.credit
        await front.until(lambda: front.credit > before)
        answer = await front.ask("/a.slow", fields=b"Host: x\r\nAccept: text/plain\r\n")
        assert (answer.status, answer.substatus, answer.credit) == (504, 0, 1)
        sentence = f"it is in extension slow.py, line {place}: await asyncio.Event().wait()"
        assert f"it is ended after 1 s (requestTimeLimit); {sentence}" in answer.text
        assert (
            "What to do: Find out what the handler waits for, or raise <processModel requestTimeLimit>" in answer.text
        )
        assert sentence in limited.told("request-time-limit")[0]
        assert limited.told("request-time-limit")[0].startswith("GET /a.slow (")
        trace = engine._served["1:/"].plan.end[0].function.__globals__["seen"]
        await until(lambda: len(trace) == 2)
        assert trace == [("log", 504), ("end", 504)]
        assert limited.unhealthy == []

    run(main())


def test_an_answer_that_has_begun_is_cut(limited: Site) -> None:
    """A response is never completed silently."""
    limited.extension("slow", SLOW)

    async def main() -> None:
        engine = await limited.start()
        front = attach(engine)
        answer: Answer = await front.ask("/a.slow?body")
        assert answer.body == b"first"
        assert answer.kinds[-1] is Kind.RESET
        assert "its answer is cut after 1 s" in limited.told("request-time-limit")[0]

    run(main())


def test_a_blocked_thread_keeps_its_credit_and_makes_the_worker_unhealthy(limited: Site) -> None:
    """The client does not wait for what nobody can end; everybody else is served meanwhile."""
    path = limited.extension("blocking", BLOCKING)
    limited.write("page.txt", "page")

    async def main() -> None:
        engine = await limited.start(capacity=3)
        front = attach(engine)
        gate = engine._plugins.extension("blocking").code.gate  # type: ignore[union-attr]
        CLOSERS.append(gate.set)
        await front.until(lambda: front.credit == 3)
        answer = await front.ask("/a.block")
        assert (answer.status, answer.credit) == (504, 0)
        assert f"extension blocking.py, line {line_of(path, '    gate.wait(90)')}: gate.wait(90)" in answer.text
        await until(lambda: limited.unhealthy)
        assert "cannot be ended; it is in extension blocking.py" in limited.unhealthy[0]
        assert (await front.ask("/page.txt")).status == 200
        assert (front.credit, engine.requests_in_hand) == (4, 1)
        gate.set()
        await front.until(lambda: front.credit == 5)  # 3, one for the page, and at last the one of the thread
        assert engine.requests_in_hand == 0

    run(main())


def test_a_handler_that_is_slow_to_obey_does_not_hold_its_client(limited: Site) -> None:
    """It is cancelled, but takes its time: the 504 does not wait for it, and the worker is not given up for that."""
    limited.extension("slow", SLOW)

    async def main() -> None:
        engine = await limited.start()
        front = attach(engine)
        code = engine._plugins.extension("slow").code  # type: ignore[union-attr]
        CLOSERS.append(code.gate.set)
        answer = await front.ask("/a.slow?stubborn")
        assert (answer.status, answer.credit) == (504, 0)
        assert code.cancelled == ["stubborn"]
        code.gate.set()
        await until(lambda: engine.requests_in_hand == 0)
        assert limited.unhealthy == []

    run(main())


def test_without_a_limit_nothing_watches(site: Site) -> None:
    """Off by default: no timer."""

    async def main() -> None:
        engine = await site.start()
        assert engine._time_limit._timer is None
        await asyncio.sleep(0)

    run(main())
