"""What an examination finds, with real loops, threads and plugins; the process's answers are asked for in a thread."""

from __future__ import annotations

import asyncio
import os
import socket
import threading

from host.wire.control_messages import decode_message
from host.wire.message_rows import Examination
from host.wire.pool_messages import WorkerExamined
from host.worker.engine import Engine
from host.worker.examiner import QUESTION, Examiner
from tests.worker.front import CLOSERS, run, until
from tests.worker.site import Site, attach

HELD = """
import asyncio, threading
entered, gate, waited = threading.Event(), threading.Event(), asyncio.Event()
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Held", path="*.held")]
@hookimpl
async def handle(request):
    if request.raw_query == "task":
        await deep_down()
    elif request.raw_query == "loop":
        entered.set()
        gate.wait(90)
    return Response.text("free")
async def deep_down():
    await waited.wait()
"""
THREAD = """
import threading
entered, gate = threading.Event(), threading.Event()
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Thread", path="*.thread")]
@hookimpl
def handle(request):
    entered.set()
    gate.wait(90)
    return Response.text("free")
"""


def ask(engine: Engine) -> Examination:
    """As the parent does: over a socket, from a thread that is no part of the engine."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    memory = os.memfd_create("test")
    parent_has_ended = threading.Event()
    Examiner(theirs, memory).start(engine.examine, parent_has_ended.set)
    ours.send(QUESTION)
    ours.settimeout(90)
    message = decode_message(ours.recv(65536))
    assert not parent_has_ended.is_set()
    ours.close()
    assert parent_has_ended.wait(90)
    os.close(memory)
    assert isinstance(message, WorkerExamined)
    return message.examination


def test_a_held_loop_is_told_with_its_request_and_the_tasks_that_wait(site: Site) -> None:
    """The innermost frame of the plugin counts; what waits for the loop is listed by request and line."""
    path = site.extension("held", HELD)
    lines = path.read_text().splitlines()

    async def main() -> None:
        engine = await site.start()
        front = attach(engine)
        held = engine._plugins.extension("held").code  # type: ignore[union-attr]
        found: list[Examination] = []

        def look() -> None:
            held.entered.wait(90)
            found.append(ask(engine))
            held.gate.set()

        waiting = front.send("/a.held?task")
        await until(lambda: engine._caller.under_way)
        thread = threading.Thread(target=look)
        thread.start()
        holding = front.send("/b.held?loop")
        await front.answer(holding)
        thread.join()
        (examination,) = found
        number = lines.index("        gate.wait(90)") + 1
        assert (examination.verb, examination.url, examination.plugin) == ("GET", "/b.held?loop", "held")
        assert examination.place == f"{path}:{number}"
        assert f"is in extension held.py, line {number}: gate.wait(90)" in examination.summary
        assert examination.request_id in examination.summary
        assert examination.culprits == [holding]
        task = next(line for line in examination.stacks.splitlines() if "/a.held?task" in line)
        assert task.endswith(f"{path}:{lines.index('    await waited.wait()') + 1} deep_down")
        held.waited.set()
        await front.answer(waiting)

    run(main())


def test_threads_in_the_same_place_are_told_once(site: Site) -> None:
    """Whoever reads the event sees one stack and a count."""
    site.extension("thread", THREAD)

    async def main() -> None:
        engine = await site.start()
        front = attach(engine)
        code = engine._plugins.extension("thread").code  # type: ignore[union-attr]
        CLOSERS.append(code.gate.set)
        numbers = [front.send(f"/{name}.thread") for name in "abc"]
        await until(lambda: len(engine._caller.under_way) == 3 and engine.threads.backlog == 0)
        await asyncio.to_thread(code.entered.wait)
        examination = await asyncio.to_thread(ask, engine)
        assert examination.summary.startswith("3 threads are held by plugins; request GET /")
        assert examination.culprits == numbers
        assert "Pool thread 1 and 2 more:" in examination.stacks
        code.gate.set()
        for number in numbers:
            await front.answer(number)
        quiet = await asyncio.to_thread(ask, engine)
        assert quiet.summary.startswith("no plugin is at work; the loop is in ")
        assert quiet.culprits == []

    run(main())
