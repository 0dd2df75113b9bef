"""Tasks whose first step is done at once, on both event loops that a worker may have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

import pytest
import uvloop

from host.python_apps.first_step import FirstSteps

variable: ContextVar[str] = ContextVar("variable", default="unset")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    factory: Callable[[], asyncio.AbstractEventLoop] = request.param
    return asyncio.Runner(loop_factory=factory)


async def in_callback(call: Callable[[], None]) -> None:
    """Run `call` as the loop runs a callback: with no current task."""
    done = asyncio.get_running_loop().create_future()

    def run() -> None:
        try:
            call()
            done.set_result(None)
        except BaseException as error:
            done.set_exception(error)

    asyncio.get_running_loop().call_soon(run)
    await done


def test_what_waits_for_nothing_is_done_at_once(runner: asyncio.Runner) -> None:
    """In a callback and inside another task, which is the current one again afterwards; variables stay inside."""

    async def say() -> None:
        seen.append(asyncio.current_task())
        variable.set("inside")

    def begin() -> None:
        outer = asyncio.current_task()
        task = FirstSteps(asyncio.get_running_loop()).begin(say())
        assert task.done()
        assert seen.pop() is task
        assert asyncio.current_task() is outer
        assert variable.get() == "unset"

    async def main() -> None:
        begin()
        await in_callback(begin)

    seen: list[object] = []
    with runner:
        runner.run(main())


def test_what_waits_goes_on_as_the_same_task(runner: asyncio.Runner) -> None:
    """It can be awaited and cancelled like any other, and its variables can be put back."""

    async def wait() -> None:
        token, task = variable.set("inside"), asyncio.current_task()
        steps.append("first")
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        variable.reset(token)
        steps.append("second")
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        task = FirstSteps(asyncio.get_running_loop()).begin(wait())
        assert steps == ["first"]
        assert task in asyncio.all_tasks()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert steps == ["first", "second"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    steps: list[str] = []
    with runner:
        runner.run(main())


def test_an_exception_is_the_tasks(runner: asyncio.Runner) -> None:
    """It is not raised where the task was begun, and the loop's own methods are as they were."""

    async def fail() -> None:
        raise ValueError("of the first step")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = FirstSteps(loop).begin(fail())
        assert isinstance(task.exception(), ValueError)
        assert "call_soon" not in vars(loop)
        await in_callback(lambda: None)

    with runner:
        runner.run(main())
