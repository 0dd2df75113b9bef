"""A call on a thread whose request is over before it."""

from __future__ import annotations

import asyncio
import threading

from host.api.thread_work import ThreadWork


def test_what_no_thread_has_begun_is_not_called() -> None:
    """Nobody waits for it either."""

    async def main() -> bool:
        work = ThreadWork(asyncio.get_running_loop())
        await work.ended()
        return await asyncio.to_thread(work.begin)

    assert asyncio.run(main()) is False


def test_the_end_is_awaited_however_often_the_waiter_is_cancelled() -> None:
    """Of a thread that is at work; what it has made is dropped before."""

    async def main() -> list[str]:
        work = ThreadWork(asyncio.get_running_loop())
        has_begun, may_end = asyncio.Event(), threading.Event()
        loop, seen = asyncio.get_running_loop(), list[str]()

        def call() -> None:
            assert work.begin()
            loop.call_soon_threadsafe(has_begun.set)
            may_end.wait()
            work.end(lambda: seen.append("dropped"))

        thread = asyncio.create_task(asyncio.to_thread(call))
        await has_begun.wait()
        waiter = asyncio.create_task(work.ended())
        for _ in range(3):
            await asyncio.sleep(0)
            waiter.cancel()
        await asyncio.sleep(0)
        assert not waiter.done()
        may_end.set()
        await waiter
        seen.append("ended")
        await thread
        return seen

    assert asyncio.run(main()) == ["dropped", "ended"]


def test_who_takes_what_a_call_has_made_has_it_dropped_by_nobody() -> None:
    """Afterwards no thread is at work, and it is for the loop to drop."""

    async def main() -> bool:
        work = ThreadWork(asyncio.get_running_loop())
        dropped: list[bool] = []
        assert work.begin()
        work.end(lambda: dropped.append(True))
        assert work.is_over
        await work.ended()
        return work.abandon() or bool(dropped)

    assert asyncio.run(main()) is False
