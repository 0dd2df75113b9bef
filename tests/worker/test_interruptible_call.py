"""A function on a thread whose caller may go on before it returns."""

from __future__ import annotations

import asyncio
import threading

import pytest

from host.worker.interruptible_call import InterruptibleCall
from host.worker.thread_pool import ThreadPool
from tests.worker.front import run
from tests.worker.test_thread_pool import new_pool


def new_call(pool: ThreadPool) -> tuple[InterruptibleCall, set[object]]:
    under_way: set[object] = set()
    return InterruptibleCall(pool, under_way, "note"), under_way


def test_a_call_that_nobody_interrupts_is_over_when_it_has_run() -> None:
    """What it raises is raised, and nothing is under way afterwards."""

    async def main() -> None:
        pool = new_pool(1)
        done: list[int] = []
        call, under_way = new_call(pool)
        assert await call.run(lambda: done.append(1))
        assert (done, under_way) == ([1], set())
        call, under_way = new_call(pool)
        with pytest.raises(ZeroDivisionError):
            await call.run(lambda: 1 // 0)
        await call.end()
        assert not under_way

    run(main())


def test_an_interrupted_call_goes_on_and_its_end_is_told() -> None:
    """The note stays until the function has returned; what it raises then comes out of `end`."""

    async def main() -> None:
        pool = new_pool(1)
        gate = threading.Event()
        call, under_way = new_call(pool)

        def work() -> None:
            call.interrupt()
            gate.wait()
            raise LookupError

        assert not await call.run(work)
        assert under_way == {"note"}
        end = asyncio.ensure_future(call.end())
        await asyncio.sleep(0)
        end.cancel()  # changes nothing: the thread cannot be stopped
        await asyncio.sleep(0)
        assert not end.done()
        gate.set()
        with pytest.raises(LookupError):
            await end
        assert not under_way

    run(main())


def test_what_is_raised_just_behind_an_interruption_is_raised() -> None:
    """Both come to the loop in one turn: the call is over, and its exception must not be lost between the two."""

    async def main() -> None:
        pool = new_pool(1)
        call, under_way = new_call(pool)

        def work() -> None:
            call.interrupt()
            raise LookupError

        running = asyncio.ensure_future(call.run(work))
        await asyncio.sleep(0)
        pool.close()  # returns when the thread has ended, and the loop has seen nothing of it yet
        with pytest.raises(LookupError):
            await running
        await call.end()
        assert not under_way

    run(main(), plain=True)  # whose timers come behind what threads have said


def test_a_cancelled_call_that_no_thread_has_begun_is_dropped() -> None:
    """Its function is never called."""

    async def main() -> None:
        pool = new_pool(1)
        gate, called = threading.Event(), threading.Event()
        first = asyncio.ensure_future(pool.run(gate.wait))
        call, under_way = new_call(pool)
        second = asyncio.ensure_future(call.run(called.set))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await call.end()
        assert not under_way
        gate.set()
        assert await first
        await pool.run(abs, 1)  # the thread has come past it
        assert not called.is_set()

    run(main())
