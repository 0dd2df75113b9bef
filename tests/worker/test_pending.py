"""A result that a thread brings, awaited by hand and in a task."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from host.worker.pending import Pending
from tests.worker.front import run


async def result_of(pending: Pending) -> Any:
    return await pending


@pytest.mark.parametrize("is_set_by_a_task", [False, True])
def test_who_is_driven_by_hand_goes_on_with_the_result(is_set_by_a_task: bool) -> None:
    """`resume` is called when it is there, and awaiting goes on then; never inside somebody else's task."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen: list[str] = []
        pending = Pending(loop)
        coroutine = result_of(pending)

        def drive() -> None:
            assert coroutine.send(None) is pending  # no task runs this callback
            pending.resume = lambda: seen.append("resumed")

        loop.call_soon(drive)
        await asyncio.sleep(0)
        assert not pending.done()
        if is_set_by_a_task:
            pending.set_result(7)
            assert (pending.done(), seen) == (True, [])
        else:
            loop.call_soon(pending.set_result, 7)
            loop.call_soon(seen.append, "later")
        await asyncio.sleep(0)
        assert pending.done()
        assert seen == (["resumed"] if is_set_by_a_task else ["resumed", "later"])
        with pytest.raises(StopIteration) as end:
            coroutine.send(None)
        assert end.value.value == 7

    run(main())


@pytest.mark.parametrize("is_early", [True, False])
def test_in_a_task_it_is_awaited_like_a_future(is_early: bool) -> None:
    """Before and after the result has come; an exception is raised."""

    async def main() -> None:
        pending, failing = Pending(asyncio.get_running_loop()), Pending(asyncio.get_running_loop())
        tasks = [asyncio.ensure_future(result_of(one)) for one in (pending, failing)]
        if not is_early:
            await asyncio.sleep(0)
        pending.set_result("it")
        failing.set_exception(LookupError("none"))
        assert await tasks[0] == "it"
        with pytest.raises(LookupError):
            await tasks[1]

    run(main())


def test_who_was_driven_by_hand_may_go_on_in_a_task() -> None:
    """A task made of the coroutine waits on, and is cancelled like any other; a later result disturbs nobody."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        pendings = [Pending(loop), Pending(loop)]
        coroutines = [result_of(one) for one in pendings]

        def drive() -> None:
            for coroutine in coroutines:
                coroutine.send(None)

        loop.call_soon(drive)
        await asyncio.sleep(0)
        first, second = [asyncio.Task(coroutine, loop=loop) for coroutine in coroutines]
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        for pending in pendings:
            pending.set_result("late")
        assert await first == "late"

    run(main())
