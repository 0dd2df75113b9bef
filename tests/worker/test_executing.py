"""What a worker says it is doing: pipeline state, module, how long."""

from __future__ import annotations

import threading

import pytest

from host.worker.executing import executing_rows, pipeline_state
from host.worker.hooks import AT_LOAD, HOOK_NAMES
from tests.worker.front import CLOSERS, run
from tests.worker.site import Site, attach

SLOW = """
import asyncio
gate = asyncio.Event()

@hookimpl
def handler_mappings(): return [HandlerMapping(name="Slow", path="*.slow")]
@hookimpl
async def handle(request):
    if request.raw_query == "body":
        async def pieces():
            yield b"first"
            await gate.wait()
        return Response(body=pieces())
    await gate.wait()
    return Response.text("slow")
"""
BLOCKING = """
import threading
gate = threading.Event()
@hookimpl
def filter_info(): return FilterInfo(blocking=True)
@hookimpl
def authorize_request(request):
    if request.path.endswith(".held"): gate.wait()
"""


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_every_hook_of_a_request_belongs_to_a_pipeline_state(hook: str) -> None:
    """The administrator sees IIS's words, whichever plugin is at work."""
    without_request = (*AT_LOAD, "on_end_of_net_session", "on_read_raw_data")
    if hook not in without_request:
        assert pipeline_state(hook)[0].isupper()


def test_state_and_module_of_requests_that_take_their_time(site: Site) -> None:
    """A coroutine, a body half sent, a filter on a thread; the time counts from the call."""
    site.extension("slow", SLOW)
    site.filter("holds", BLOCKING)

    async def main() -> None:
        engine = await site.start()
        front = attach(engine)
        handled, sending, held = front.send("/a.slow"), front.send("/b.slow?body"), front.send("/c.held")
        slow = engine._plugins.extension("slow").code  # type: ignore[union-attr]
        gate: threading.Event = engine._served["1:/"].plan.authorize[0].function.__globals__["gate"]
        CLOSERS.append(gate.set)
        await front.until(lambda: front.answers[sending].body == b"first")
        while len(engine._caller.under_way) < 3:
            await engine.probe()
        rows = {row.link_number: row for row in engine.executing()}
        assert (rows[handled].pipeline_state, rows[handled].current_module) == ("ExecuteRequestHandler", "slow")
        assert (rows[sending].pipeline_state, rows[sending].current_module) == ("SendResponse", "slow")
        assert (rows[held].pipeline_state, rows[held].current_module) == ("AuthorizeRequest", "holds")
        later = max(call.began_at for call in engine._caller.under_way) + 5.0
        aged = executing_rows(engine._channel.exchanges(), engine._caller.under_way, later)
        assert all(5000 <= row.time_in_module <= 25000 for row in aged)
        slow.gate.set()
        gate.set()
        for number in (handled, sending, held):
            await front.answer(number)
        assert engine.executing() == []
        assert not engine._caller.under_way

    run(main())
